/* See data/exclude.h. */
#include "data/exclude.h"

#include "data/import.h"

#include <stdlib.h>
#include <string.h>

enum { BYTES_MAX = 64 << 20 };

typedef struct entry {
    const char *name; /* without extension */
    bool used;
} entry;

struct data_exclude {
    char *text;     /* holds the names */
    entry *entries; /* sorted, none twice */
    size_t n, cap;
};

static int by_name(const void *a, const void *b)
{
    return strcmp(((const entry *)a)->name, ((const entry *)b)->name);
}

static void cut_extension(char *name)
{
    if (data_is_recording(name)) *strrchr(name, '.') = '\0';
}

/* The name in a line, cut out of it; NULL: there is none. */
static char *name_in(char *line)
{
    line += strspn(line, " \t");
    for (char *s = line; *s; s++)
        if (*s == '#' && (s == line || s[-1] == ' ' || s[-1] == '\t')) *s = '\0';
    for (size_t end = strlen(line); end > 0 && strchr(" \t\r", line[end - 1]);) line[--end] = '\0';
    return *line ? line : NULL;
}

static base_status parse(data_exclude *x, const char *path, base_err *err)
{
    int number = 1;
    for (char *line = x->text, *next; line; line = next, number++) {
        next = strchr(line, '\n');
        if (next) *next++ = '\0';
        char *name = name_in(line);
        if (!name) continue;
        if (!strchr(name, '/')) {
            base_fail(err, BASE_DATA, "%s:%d: '%.120s' names no clip", path, number, name);
            return base_hint(err, "one clip a line, with its word: yes/0a7c2a8d_nohash_0.wav");
        }
        cut_extension(name);
        void *items = x->entries;
        if (!base_grow(&items, &x->cap, x->n + 1, sizeof *x->entries)) return base_nomem(err, x->n);
        x->entries = items;
        x->entries[x->n++] = (entry){.name = name};
    }
    size_t kept = 0;
    if (x->n) qsort(x->entries, x->n, sizeof *x->entries, by_name);
    for (size_t i = 0; i < x->n; i++)
        if (kept == 0 || by_name(&x->entries[i], &x->entries[kept - 1]) != 0)
            x->entries[kept++] = x->entries[i];
    x->n = kept;
    return BASE_OK;
}

base_status data_exclude_read(const char *path, data_exclude **list, base_err *err)
{
    data_exclude *x = calloc(1, sizeof *x);
    *list = NULL;
    if (!x) return base_nomem(err, sizeof *x);
    base_status status = base_read_file(path, BYTES_MAX, &x->text, NULL, err);
    if (status == BASE_OK) status = parse(x, path, err);
    if (status == BASE_OK)
        *list = x;
    else
        data_exclude_free(x);
    return status;
}

void data_exclude_free(data_exclude *x)
{
    if (!x) return;
    free(x->text);
    free(x->entries);
    free(x);
}

size_t data_exclude_count(const data_exclude *x)
{
    return x->n;
}

bool data_exclude_has(data_exclude *x, const char *name)
{
    char stem[512];
    if (!x || x->n == 0) return false;
    snprintf(stem, sizeof stem, "%s", name);
    cut_extension(stem);
    entry *e = bsearch(&(entry){.name = stem}, x->entries, x->n, sizeof *e, by_name);
    if (e) e->used = true;
    return e;
}

const char *data_exclude_unused(const data_exclude *x, size_t i)
{
    for (size_t k = 0; k < x->n; k++)
        if (!x->entries[k].used && i-- == 0) return x->entries[k].name;
    return NULL;
}
