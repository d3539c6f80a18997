/* cli_result: what a command found, kept until its end and then written to stdout whole: aligned
 * for people, TSV or JSON in full precision for programs.
 */
#include "train/cli_state.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- putting ---- */

static char *keep(struct cli_state *s, const char *text)
{
    char *copy = base_arena_printf(s->arena, "%s", text);
    if (!copy) s->failed = true;
    return copy;
}

static cli_entry *put(cli *c, const char *name, cli_type type, int digits)
{
    struct cli_state *s = c->state;
    char *copy = keep(s, name);
    if (!copy || !base_grow((void **)&s->entries, &s->cap, s->count + 1, sizeof *s->entries)) {
        s->failed = true;
        return NULL;
    }
    cli_entry *e = &s->entries[s->count++];
    *e = (cli_entry){.column = {.name = copy, .type = type, .digits = digits}};
    return e;
}

void cli_put_text(cli *c, const char *name, const char *value)
{
    cli_entry *e = put(c, name, CLI_TEXT, 0);
    if (e && value) e->cell.s = keep(c->state, value);
    if (e) e->cell.empty = !e->cell.s;
}

static void put_whole(cli *c, const char *name, cli_type type, int64_t value)
{
    cli_entry *e = put(c, name, type, 1);
    if (e) e->cell.i = value;
}

static void put_real(cli *c, const char *name, cli_type type, double value, int digits)
{
    cli_entry *e = put(c, name, type, digits);
    if (e) e->cell.d = value;
}

void cli_put_int(cli *c, const char *name, int64_t value)
{
    put_whole(c, name, CLI_INT, value);
}

void cli_put_bytes(cli *c, const char *name, int64_t value)
{
    put_whole(c, name, CLI_BYTES, value);
}

void cli_put_bool(cli *c, const char *name, bool value)
{
    put_whole(c, name, CLI_BOOL, value);
}

void cli_put_real(cli *c, const char *name, double value, int digits)
{
    put_real(c, name, CLI_REAL, value, digits);
}

void cli_put_percent(cli *c, const char *name, double fraction, int digits)
{
    put_real(c, name, CLI_PERCENT, fraction, digits);
}

void cli_put_json(cli *c, const char *name, struct json_t *value)
{
    cli_entry *e = value ? put(c, name, CLI_TEXT, 0) : NULL;
    if (e)
        e->cell.json = value;
    else
        c->state->failed = true;
    if (!e && value) json_decref(value);
}

cli_table *cli_table_new(cli *c, const char *name, const cli_column *columns, int n)
{
    struct cli_state *s = c->state;
    cli_entry *e = put(c, name, CLI_TEXT, 0);
    cli_table *t = e ? base_arena_alloc(s->arena, 1, sizeof *t) : NULL;
    cli_column *copy = t ? base_arena_alloc(s->arena, (size_t)n, sizeof *copy) : NULL;
    if (!copy) {
        s->failed = true;
        if (e) s->count--;
        return &s->no_table;
    }
    for (int i = 0; i < n; i++) {
        copy[i] = columns[i];
        copy[i].name = keep(s, columns[i].name);
        copy[i].title = columns[i].title ? keep(s, columns[i].title) : copy[i].name;
    }
    *t = (cli_table){.state = s, .name = (char *)e->column.name, .columns = copy, .n = n};
    e->table = t;
    return t;
}

/* The next cell of the table, NULL when it cannot be stored. */
static cli_cell *next_cell(cli_table *t)
{
    if (!t->state) return NULL;
    if (!base_grow((void **)&t->cells, &t->cap, t->count + 1, sizeof *t->cells)) {
        t->state->failed = true;
        return NULL;
    }
    return &t->cells[t->count++];
}

void cli_cell_text(cli_table *t, const char *s)
{
    cli_cell *cell = next_cell(t);
    if (!cell) return;
    if (s) cell->s = keep(t->state, s);
    cell->empty = !s;
}

void cli_cell_int(cli_table *t, int64_t v)
{
    cli_cell *cell = next_cell(t);
    if (cell) cell->i = v;
}

void cli_cell_real(cli_table *t, double v)
{
    cli_cell *cell = next_cell(t);
    if (cell) cell->d = v;
}

void cli_render_free(struct cli_state *s)
{
    for (size_t i = 0; i < s->count; i++) {
        json_decref(s->entries[i].cell.json);
        if (s->entries[i].table) free(s->entries[i].table->cells);
    }
    free(s->entries);
    s->entries = NULL;
    s->count = 0;
}

/* ---- one value as text ---- */

static void add_machine(base_str *out, const cli_column *col, const cli_cell *cell)
{
    if (cell->empty) return;
    switch (col->type) {
    case CLI_TEXT:
        for (const char *s = cell->s; s && *s; s++)
            base_str_add(out, "%c", *s < ' ' && *s >= 0 ? ' ' : *s);
        break;
    case CLI_INT:
    case CLI_BYTES: base_str_add(out, "%lld", (long long)cell->i); break;
    case CLI_BOOL: base_str_add(out, "%s", cell->i ? "yes" : "no"); break;
    case CLI_REAL:
    case CLI_PERCENT:
        if (isfinite(cell->d)) base_str_add_real(out, cell->d);
        break;
    }
}

static void add_human(base_str *out, const cli_column *col, const cli_cell *cell)
{
    bool real = col->type == CLI_REAL || col->type == CLI_PERCENT;
    if (cell->empty || (real && !isfinite(cell->d)))
        base_str_add(out, "-");
    else if (col->type == CLI_REAL)
        base_str_add(out, "%.*f", col->digits, cell->d);
    else if (col->type == CLI_PERCENT)
        base_str_add(out, "%.*f %%", col->digits, 100 * cell->d);
    else if (col->type == CLI_BYTES && llabs(cell->i) >= 10240)
        base_str_add(out, "%.*f KiB", col->digits, (double)cell->i / 1024);
    else if (col->type == CLI_BYTES)
        base_str_add(out, "%lld B", (long long)cell->i);
    else
        add_machine(out, col, cell);
}

static json_t *json_value(const cli_column *col, const cli_cell *cell)
{
    if (cell->json) return json_incref(cell->json);
    if (cell->empty) return json_null();
    switch (col->type) {
    case CLI_TEXT: return json_string(cell->s ? cell->s : "");
    case CLI_INT:
    case CLI_BYTES: return json_integer(cell->i);
    case CLI_BOOL: return json_boolean(cell->i);
    case CLI_REAL:
    case CLI_PERCENT: return isfinite(cell->d) ? json_real(cell->d) : json_null();
    }
    return json_null();
}

/* ---- a table for people ---- */

/* Columns a UTF-8 string takes: its bytes without continuation bytes. */
static int width(const char *s)
{
    int n = 0;
    for (; *s; s++) n += ((unsigned char)*s & 0xC0) != 0x80;
    return n;
}

static void add_padded(base_str *out, const char *s, int columns, bool right, bool last)
{
    int pad = columns - width(s);
    if (right) base_str_add(out, "%*s%s", pad, "", s);
    if (!right) base_str_add(out, "%s%*s", s, last ? 0 : pad, "");
}

static void table_lines(const cli_table *t, base_str *out, const base_str *cells, const int *widths)
{
    size_t rows = t->count / (size_t)t->n;
    for (size_t r = 0; r <= rows; r++) {
        for (int k = 0; k < t->n; k++) {
            const cli_column *col = &t->columns[k];
            const char *s = r == 0 ? col->title : cells[(r - 1) * (size_t)t->n + (size_t)k].s;
            if (k) base_str_add(out, "  ");
            add_padded(out, s, widths[k], col->type != CLI_TEXT, k == t->n - 1);
        }
        base_str_add(out, "\n");
    }
}

static void table_human(const cli_table *t, base_str *out)
{
    size_t n = t->count - t->count % (size_t)t->n;
    base_str *cells = calloc(n + 1, sizeof *cells);
    int *widths = calloc((size_t)t->n, sizeof *widths);
    if (cells && widths) {
        for (int k = 0; k < t->n; k++) widths[k] = width(t->columns[k].title);
        for (size_t i = 0; i < n; i++) {
            size_t k = i % (size_t)t->n;
            base_str_add(&cells[i], "%s", "");
            add_human(&cells[i], &t->columns[k], &t->cells[i]);
            if (cells[i].failed) out->failed = true;
            if (!cells[i].failed && width(cells[i].s) > widths[k]) widths[k] = width(cells[i].s);
        }
        if (!out->failed) table_lines(t, out, cells, widths);
        for (size_t i = 0; i < n; i++) base_str_free(&cells[i]);
    } else {
        out->failed = true;
    }
    free(cells);
    free(widths);
}

/* ---- the whole result ---- */

static void values_human(const struct cli_state *s, base_str *out)
{
    int columns = 0;
    for (size_t i = 0; i < s->count; i++)
        if (!s->entries[i].table && !s->entries[i].cell.json &&
            width(s->entries[i].column.name) > columns)
            columns = width(s->entries[i].column.name);
    for (size_t i = 0; i < s->count; i++) {
        const cli_entry *e = &s->entries[i];
        if (e->table || e->cell.json) continue;
        add_padded(out, e->column.name, columns, false, false);
        base_str_add(out, "  ");
        add_human(out, &e->column, &e->cell);
        base_str_add(out, "\n");
    }
}

static void values_tsv(const struct cli_state *s, base_str *out)
{
    for (size_t i = 0; i < s->count; i++) {
        const cli_entry *e = &s->entries[i];
        if (e->table || e->cell.json) continue;
        base_str_add(out, "%s\t", e->column.name);
        add_machine(out, &e->column, &e->cell);
        base_str_add(out, "\n");
    }
}

static void table_tsv(const cli_table *t, base_str *out)
{
    for (int k = 0; k < t->n; k++)
        base_str_add(out, "%s%s", t->columns[k].name, k + 1 < t->n ? "\t" : "\n");
    for (size_t i = 0; i < t->count - t->count % (size_t)t->n; i++) {
        size_t k = i % (size_t)t->n;
        add_machine(out, &t->columns[k], &t->cells[i]);
        base_str_add(out, k + 1 < (size_t)t->n ? "\t" : "\n");
    }
}

static json_t *table_json(const cli_table *t)
{
    json_t *rows = json_array();
    for (size_t r = 0; r < t->count / (size_t)t->n; r++) {
        json_t *row = json_object();
        for (int k = 0; k < t->n; k++)
            json_object_set_new(
                row, t->columns[k].name,
                json_value(&t->columns[k], &t->cells[r * (size_t)t->n + (size_t)k]));
        json_array_append_new(rows, row);
    }
    return rows;
}

static void render_json(const struct cli_state *s, base_str *out)
{
    json_t *object = json_object();
    for (size_t i = 0; i < s->count; i++) {
        const cli_entry *e = &s->entries[i];
        json_t *v = e->table ? table_json(e->table) : json_value(&e->column, &e->cell);
        if (json_object_set_new(object, e->column.name, v) != 0) out->failed = true;
    }
    char *text = json_dumps(object, JSON_INDENT(2) | JSON_REAL_PRECISION(17));
    if (text)
        base_str_add(out, "%s\n", text);
    else
        out->failed = true;
    free(text);
    json_decref(object);
}

void cli_render(const cli *c, base_str *out)
{
    const struct cli_state *s = c->state;
    if (s->count == 0) return;
    if (c->format == CLI_FORMAT_JSON) {
        render_json(s, out);
        return;
    }
    bool people = c->format == CLI_FORMAT_TABLE;
    if (people)
        values_human(s, out);
    else
        values_tsv(s, out);
    for (size_t i = 0; i < s->count; i++) {
        if (!s->entries[i].table) continue;
        if (out->len) base_str_add(out, "\n");
        if (s->count > 1 && people) base_str_add(out, "%s\n", s->entries[i].table->name);
        if (people)
            table_human(s->entries[i].table, out);
        else
            table_tsv(s->entries[i].table, out);
    }
}
