/* csv: a table of comma-separated values with a header line, quotes as in RFC 4180, for the
 * programs of this folder that read published figures. One pass copies fields into an arena; a
 * field is quoted only when it begins with a quotation mark, and two of them inside stand for one.
 * All in this header, because every .c file of the folder is a program.
 */
#ifndef BENCH_CSV_H
#define BENCH_CSV_H

#include "nn/base.h"

#include <stdlib.h>
#include <string.h>

typedef struct bench_csv {
    base_arena *arena;
    char ***row; /* rows x columns; row[0] is the header */
    size_t rows, columns;
} bench_csv;

/* Copy one field from *p into the arena; *p then stands on its separator. */
static inline char *bench_csv_field(base_arena *arena, const char **p)
{
    const char *s = *p;
    char *out = base_arena_alloc(arena, strcspn(s, "\n") + 1, 1);
    size_t n = 0;
    bool quoted = *s == '"';
    if (!out) return NULL;
    if (quoted) s++;
    while (*s && *s != '\n') {
        if (quoted && s[0] == '"' && s[1] != '"') {
            s++;
            break;
        }
        if (quoted && s[0] == '"') s++;
        if (!quoted && *s == ',') break;
        if (!quoted && s[0] == '\r' && s[1] == '\n') break;
        out[n++] = *s++;
    }
    if (*s == '\r') s++;
    *p = s;
    return out;
}

static inline base_status bench_csv_line(bench_csv *t, const char **p, const char *path,
                                         base_err *err)
{
    char *cell[64];
    size_t n = 0;
    for (;;) {
        if (n == BASE_COUNT(cell))
            return base_fail(err, BASE_DATA, "%s:%zu: more than %zu fields", path, t->rows + 1, n);
        cell[n] = bench_csv_field(t->arena, p);
        if (!cell[n++]) return base_nomem(err, 1);
        if (**p != ',') break;
        (*p)++;
    }
    if (**p == '\n') (*p)++;
    if (t->rows && n != t->columns)
        return base_fail(err, BASE_DATA, "%s:%zu: %zu fields, the header has %zu", path,
                         t->rows + 1, n, t->columns);
    t->columns = n;
    t->row[t->rows] = base_arena_alloc(t->arena, n, sizeof(char *));
    if (!t->row[t->rows]) return base_nomem(err, n);
    memcpy(t->row[t->rows++], cell, n * sizeof(char *));
    return BASE_OK;
}

static inline void bench_csv_free(bench_csv *table)
{
    base_arena_free(table->arena);
    *table = (bench_csv){0};
}

/* Read a whole file; every row must have as many fields as the header. Free with bench_csv_free. */
static inline base_status bench_csv_read(const char *path, bench_csv *table, base_err *err)
{
    char *text = NULL;
    size_t n = 0, lines = 1;
    *table = (bench_csv){0};
    BASE_TRY(base_read_file(path, (size_t)1 << 24, &text, &n, err));
    for (const char *s = text; (s = strchr(s, '\n')); s++) lines++;
    table->arena = base_arena_new();
    if (table->arena) table->row = base_arena_alloc(table->arena, lines, sizeof(char **));
    base_status status = table->row ? BASE_OK : base_nomem(err, lines);
    for (const char *p = text; status == BASE_OK && *p;)
        status = bench_csv_line(table, &p, path, err);
    free(text);
    if (status != BASE_OK) bench_csv_free(table);
    return status;
}

/* The field of row r (1 is the first after the header) under a column's name; "" when there is no
 * such column. */
static inline const char *bench_csv_get(const bench_csv *table, size_t r, const char *column)
{
    for (size_t c = 0; c < table->columns; c++)
        if (strcmp(table->row[0][c], column) == 0) return table->row[r][c];
    return "";
}

#endif
