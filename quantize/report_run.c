/* report_run: config and learning curves of a run. */
#include "data/page.h"
#include "quantize/report.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_BYTES = 1 << 28 };

static double number(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);
    return json_is_number(v) ? json_number_value(v) : (double)NAN;
}

static void add_line(report_run *run, const char *line)
{
    json_t *o = json_loads(line, 0, NULL);
    if (isfinite(number(o, "epoch"))) {
        run->epoch[run->n] = number(o, "epoch");
        run->loss[run->n] = number(o, "loss");
        run->accuracy[run->n] = number(o, "accuracy");
        run->val_loss[run->n] = number(o, "val_loss");
        run->val_accuracy[run->n++] = number(o, "val_accuracy");
    }
    json_decref(o);
}

static base_status read_journal(const char *path, report_run *run, base_err *err)
{
    char *text = NULL;
    size_t size = 0, lines = 1;
    BASE_TRY(base_read_file(path, MOST_BYTES, &text, &size, err));
    for (size_t i = 0; i < size; i++) lines += text[i] == '\n';
    run->epoch = base_alloc(5 * lines, sizeof *run->epoch);
    if (run->epoch) {
        run->loss = run->epoch + lines;
        run->accuracy = run->loss + lines;
        run->val_loss = run->accuracy + lines;
        run->val_accuracy = run->val_loss + lines;
        for (char *line = text, *end; (end = strchr(line, '\n')); line = end + 1) {
            *end = '\0';
            add_line(run, line);
        }
    }
    free(text);
    return run->epoch ? BASE_OK : base_nomem(err, lines * 5 * sizeof *run->epoch);
}

base_status report_run_read(const char *dir, report_run *run, base_err *err)
{
    *run = (report_run){0};
    if (!base_is_dir(dir)) return BASE_OK;
    char *config = base_path(dir, "config.ini"), *journal = base_path(dir, "metrics.jsonl");
    base_status status = config && journal ? BASE_OK : base_nomem(err, strlen(dir));
    size_t n = 0;
    if (status == BASE_OK && base_exists(config))
        status = base_read_file(config, MOST_BYTES, &run->config, &n, err);
    if (status == BASE_OK && base_exists(journal)) status = read_journal(journal, run, err);
    free(config);
    free(journal);
    return status;
}

bool report_run_key(const report_run *run, const char *section, const char *key, char value[64])
{
    char in[64] = "", name[64], rest[64];
    for (const char *line = run->config; line && *line;) {
        const size_t n = strcspn(line, "\n");
        if (sscanf(line, "[%63[^]\n]]", in) != 1 && !strcmp(in, section) &&
            sscanf(line, "%63[a-z0-9_] = %63[^\n]", name, rest) == 2 && !strcmp(name, key) &&
            strlen(rest) < 63) {
            strcpy(value, rest);
            return true;
        }
        line += n + (line[n] == '\n');
    }
    return false;
}

void report_run_free(report_run *run)
{
    free(run->config);
    base_free(run->epoch);
    *run = (report_run){0};
}

/* ---- sections ---- */

/* One row a key of this section of an INI text; how many. */
static size_t put_keys(base_str *out, const char *ini, const char *section)
{
    size_t n = 0;
    bool in = false;
    for (const char *line = ini; *line;) {
        const size_t length = strcspn(line, "\n"), name = strlen(section);
        const char *equals = memchr(line, '=', length);
        if (line[0] == '[')
            in = length > name + 1 && !memcmp(line + 1, section, name) && line[name + 1] == ']';
        else if (in && equals && line[0] != '#' && line[0] != ';') {
            char *key = strndup(line, (size_t)(equals - line));
            char *value = strndup(equals + 1, length - (size_t)(equals + 1 - line));
            if (!key || !value) out->failed = true;
            const char *shown = value ? value + strspn(value, " \t") : "";
            if (*shown) {
                page_row(out);
                page_cell(out, section);
                page_cell(out, key);
                page_cell(out, shown);
                n++;
            }
            free(key);
            free(value);
        }
        line += length + (line[length] == '\n');
    }
    return n;
}

static void put_gates(const report *r, base_str *out)
{
    static const char *const heads[] = {"gate",    "#value", "#from",   "#to",
                                        "verdict", "met",    "measured"};
    page_paragraph(out, "Gates, as sotto problem check measures them%s%s:",
                   r->gates_board ? " for " : "", r->gates_board ? r->gates_board : "");
    page_table(out, "gates", heads, BASE_COUNT(heads));
    for (size_t i = 0; i < r->n_gates; i++) {
        const report_gate *g = &r->gates[i];
        page_row(out);
        page_cell(out, g->text);
        page_short(out, g->reading.value);
        page_short(out, g->reading.lo);
        page_short(out, g->reading.hi);
        page_cell(out, g->verdict);
        page_cell(out, g->met);
        page_cell(out, g->reading.note);
    }
    page_table_end(out);
    if (isfinite(r->threshold))
        page_paragraph(out, "False alarms and misses are those at a threshold of %.4f.",
                       r->threshold);
}

void report_problem(const report *r, base_str *out)
{
    static const char *const heads[] = {"section", "key", "value"};
    base_str rows = {0};
    if (!r->config) return;
    const size_t n = put_keys(&rows, r->config, "problem") + put_keys(&rows, r->config, "target");
    if (n + r->n_gates > 0) page_section(out, "problem", "Problem and gates");
    if (n > 0) {
        page_table(out, "keys", heads, BASE_COUNT(heads));
        base_str_add_n(out, rows.s, rows.len);
        page_table_end(out);
    }
    if (r->n_gates > 0) put_gates(r, out);
    out->failed = out->failed || rows.failed;
    base_str_free(&rows);
}

void report_curves(const report *r, base_str *out)
{
    const report_run *run = &r->models[0].run;
    if (run->n == 0) return;
    const page_series loss[] = {
        {.name = "training (augmented)", .x = run->epoch, .y = run->loss, .n = run->n},
        {.name = "validation", .x = run->epoch, .y = run->val_loss, .n = run->n}};
    const page_series accuracy[] = {
        {.name = "training (augmented)", .x = run->epoch, .y = run->accuracy, .n = run->n},
        {.name = "validation", .x = run->epoch, .y = run->val_accuracy, .n = run->n}};
    page_section(out, "curves", "Learning curves");
    page_figures(out);
    page_chart(out, &(page_axes){.title = "Loss", .x = "epoch"}, loss, 2);
    page_chart(out, &(page_axes){.title = "Accuracy", .x = "epoch", .percent = true}, accuracy, 2);
    page_figures_end(out);
}

void report_config(const report *r, base_str *out)
{
    if (!r->models[0].run.config) return;
    page_section(out, "config", "Config");
    base_str_add(out, "<details><summary>config.ini</summary><pre>");
    page_text(out, r->models[0].run.config);
    base_str_add(out, "</pre></details>\n");
}
