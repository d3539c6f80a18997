/* See train/runlist.h. */
#include "train/runlist.h"

#include "train/runindex.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Runs from which on an index is worth its file; changes younger than TICK ns are not indexed. */
enum { MANY = 64, TICK = 1000000000 };

static int64_t ns_of(struct timespec t)
{
    return (int64_t)t.tv_sec * TICK + t.tv_nsec;
}

static void seal_of(int folder, const char *name, run_seal *seal)
{
    static const char *const files[] = {"", "/manifest.json", "/metrics.jsonl"};
    *seal = (run_seal){0};
    for (size_t i = 0; i < BASE_COUNT(files); i++) {
        char path[512];
        struct stat st;
        const int n = snprintf(path, sizeof path, "%s%s", name, files[i]);
        if (n >= (int)sizeof path || fstatat(folder, path, &st, 0) != 0) continue;
        seal->part[i][0] = (int64_t)st.st_ino;
        seal->part[i][1] = st.st_size;
        seal->part[i][2] = ns_of(st.st_mtim);
        seal->part[i][3] = ns_of(st.st_ctim);
    }
}

/* Stamps are as coarse as the kernel's ticks: what changed just now may change again and look the
 * same. Whether the clock was set makes no difference. */
static bool is_settled(const run_seal *seal)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    for (size_t i = 0; i < BASE_COUNT(seal->part); i++)
        for (int k = 2; k < 4; k++) {
            const int64_t age = ns_of(now) - seal->part[i][k];
            if (age < TICK && age > -TICK) return false;
        }
    return true;
}

static void read_run(const char *path, run_row *row)
{
    row->state = rundir_at_rest(path, row->note);
    run_summarize(path, &row->summary);
}

static void look_for_writer(const char *path, run_row *row)
{
    if (!rundir_is_locked(path)) return;
    row->state = RUN_RUNNING;
    row->note[0] = '\0';
}

void runlist_look(const char *path, run_row *row)
{
    read_run(path, row);
    look_for_writer(path, row);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const run_row *)a)->name, ((const run_row *)b)->name);
}

typedef struct reader {
    const char *folder;
    int fd;
    runlist known; /* of the index */
    bool news;     /* a row that the index could hold */
} reader;

/* The row of a run as it is, locked or not; nothing where there is no run. */
static base_status add(reader *r, const char *name, runlist *list, base_err *err)
{
    run_row row = {.name = base_strdup(name)};
    char *path = base_path(r->folder, name);
    if (!row.name || !path) {
        free(row.name);
        free(path);
        return base_nomem(err, strlen(name));
    }
    seal_of(r->fd, name, &row.seal);
    const run_row *known =
        r->known.n > 0 ? bsearch(&row, r->known.rows, r->known.n, sizeof row, by_name) : NULL;
    bool is_run = true;
    base_status status = BASE_OK;
    if (known && memcmp(&known->seal, &row.seal, sizeof row.seal) == 0) {
        char *own = row.name;
        row = *known;
        row.name = own;
    } else if ((is_run = rundir_is_run(path))) {
        read_run(path, &row);
        r->news |= is_settled(&row.seal);
    }
    if (is_run && !base_grow((void **)&list->rows, &list->cap, list->n + 1, sizeof row))
        status = base_nomem(err, sizeof row);
    if (is_run && status == BASE_OK)
        list->rows[list->n++] = row;
    else
        free(row.name);
    free(path);
    return status;
}

/* Those that the index may hold. */
static void write_index(const char *folder, const runlist *list)
{
    runlist settled = {.rows = base_alloc(list->n, sizeof *list->rows)};
    for (size_t i = 0; settled.rows && i < list->n; i++)
        if (is_settled(&list->rows[i].seal)) settled.rows[settled.n++] = list->rows[i];
    if (settled.rows) runindex_write(folder, &settled);
    base_free(settled.rows);
}

static void look_for_writers(const char *folder, runlist *list)
{
    for (size_t i = 0; i < list->n; i++) {
        char *path = base_path(folder, list->rows[i].name);
        if (path) look_for_writer(path, &list->rows[i]);
        free(path);
    }
}

static int may_be_run(const struct dirent *d)
{
    return d->d_name[0] != '.' &&
           (d->d_type == DT_DIR || d->d_type == DT_LNK || d->d_type == DT_UNKNOWN);
}

/* names: n, freed here. */
static base_status add_all(reader *r, struct dirent **names, int n, runlist *list, base_err *err)
{
    if (n >= MANY) runindex_read(r->folder, &r->known);
    base_status status = BASE_OK;
    for (int i = 0; i < n; i++) {
        if (status == BASE_OK) status = add(r, names[i]->d_name, list, err);
        free(names[i]);
    }
    free(names);
    if (status == BASE_OK && r->news && list->n >= MANY) write_index(r->folder, list);
    runlist_free(&r->known);
    return status;
}

base_status runlist_read(const char *folder, runlist *list, base_err *err)
{
    *list = (runlist){0};
    struct dirent **names;
    reader r = {.folder = folder, .fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    const int n = r.fd >= 0 ? scandir(folder, &names, may_be_run, alphasort) : -1;
    base_status status;
    if (n < 0) {
        status = base_fail(err, BASE_DATA, "there is no folder '%s'", folder);
        base_hint(err, "name the folder that holds the runs, for example the parent of -o");
    } else {
        status = add_all(&r, names, n, list, err);
        look_for_writers(folder, list);
    }
    if (r.fd >= 0) close(r.fd);
    return status;
}

void runlist_free(runlist *list)
{
    for (size_t i = 0; i < list->n; i++) free(list->rows[i].name);
    free(list->rows);
    *list = (runlist){0};
}
