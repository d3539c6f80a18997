/* See train/listing.h. */
#include "train/listing.h"

#include "data/data.h"
#include "train/filehash.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MAX_TEXT = 1 << 30 };

void listing_free(listing *l)
{
    for (size_t i = 0; i < l->n; i++) free(l->files[i].name);
    free(l->files);
    *l = (listing){0};
}

/* name is taken over. */
static base_status add(listing *l, char *name, base_err *err)
{
    void *items = l->files;
    if (!name || !base_grow(&items, &l->cap, l->n + 1, sizeof *l->files)) {
        free(name);
        return base_nomem(err, (l->n + 1) * sizeof *l->files);
    }
    l->files = items;
    l->files[l->n++].name = name;
    return BASE_OK;
}

static bool is_list(const char *name)
{
    return strcmp(name, "validation_list.txt") == 0 || strcmp(name, "testing_list.txt") == 0;
}

/* Recordings of dir/word, or with word "" the folders of dir. */
static base_status walk(listing *l, const char *dir, const char *word, base_err *err)
{
    char *path = word[0] ? base_path(dir, word) : base_strdup(dir);
    DIR *d = path ? opendir(path) : NULL;
    base_status status =
        d ? BASE_OK
          : base_fail(err, BASE_DATA, "cannot read folder '%s': %s", path, strerror(errno));
    for (struct dirent *e; status == BASE_OK && (e = readdir(d));) {
        struct stat st;
        char *file = e->d_name[0] == '.' ? NULL : base_path(path, e->d_name);
        if (!file || stat(file, &st) != 0) st.st_mode = 0;
        free(file);
        const bool wanted = word[0] ? data_is_recording(e->d_name) : is_list(e->d_name);
        if (!word[0] && S_ISDIR(st.st_mode))
            status = walk(l, dir, e->d_name, err);
        else if (wanted && S_ISREG(st.st_mode))
            status = add(l, word[0] ? base_path(word, e->d_name) : base_strdup(e->d_name), err);
    }
    if (d) closedir(d);
    free(path);
    return status;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const listing_file *)a)->name, ((const listing_file *)b)->name);
}

typedef struct hashing {
    listing *l;
    const char *dir;
    const volatile int *stop;
    base_err *errors; /* of each file */
} hashing;

enum { FILES = 64 }; /* of a job */

static void hash_some(void *ctx, int job)
{
    hashing *h = ctx;
    const size_t first = (size_t)job * FILES;
    for (size_t i = first; i < h->l->n && i < first + FILES; i++) {
        if (h->stop && *h->stop) {
            base_fail(&h->errors[job], BASE_INTERRUPTED, "interrupted");
            return;
        }
        char *path = base_path(h->dir, h->l->files[i].name);
        if (!path)
            base_nomem(&h->errors[job], 1);
        else
            filehash(path, h->l->files[i].hex, &h->errors[job]);
        free(path);
        if (h->errors[job].status != BASE_OK) return;
    }
}

base_status listing_make(const char *dir, int threads, const volatile int *stop, listing *l,
                         base_err *err)
{
    base_pool *pool = NULL;
    *l = (listing){0};
    base_status status = walk(l, dir, "", err);
    if (l->n) qsort(l->files, l->n, sizeof *l->files, by_name);
    const size_t jobs = (l->n + FILES - 1) / FILES;
    hashing h = {l, dir, stop, base_alloc(jobs + 1, sizeof *h.errors)};
    if (status == BASE_OK && !h.errors) status = base_nomem(err, jobs * sizeof *h.errors);
    if (status == BASE_OK) status = base_pool_new(threads, &pool, err);
    if (status == BASE_OK) base_pool_run(pool, (int)jobs, hash_some, &h);
    for (size_t i = 0; status == BASE_OK && i < jobs; i++)
        if (h.errors[i].status != BASE_OK) {
            status = h.errors[i].status;
            if (err) *err = h.errors[i];
        }
    base_pool_free(pool);
    base_free(h.errors);
    if (status != BASE_OK) listing_free(l);
    return status;
}

base_status listing_read(const char *path, listing *l, base_err *err)
{
    char *text;
    int line = 0;
    *l = (listing){0};
    BASE_TRY(base_read_file(path, MAX_TEXT, &text, NULL, err));
    base_status status = BASE_OK;
    for (char *save = NULL, *s = strtok_r(text, "\n", &save); s && status == BASE_OK;
         s = strtok_r(NULL, "\n", &save)) {
        line++;
        if (strspn(s, "0123456789abcdef") != 64 || strncmp(s + 64, "  ", 2) != 0 || !s[66])
            status = base_fail(err, BASE_DATA, "%s:%d: no hash and name", path, line);
        else
            status = add(l, base_strdup(s + 66), err);
        if (status == BASE_OK) snprintf(l->files[l->n - 1].hex, 65, "%.64s", s);
    }
    free(text);
    if (status != BASE_OK)
        listing_free(l);
    else if (l->n)
        qsort(l->files, l->n, sizeof *l->files, by_name);
    return status;
}

void listing_text(const listing *l, base_str *out)
{
    base_str_add(out, "%s", "");
    for (size_t i = 0; i < l->n; i++)
        base_str_add(out, "%s  %s\n", l->files[i].hex, l->files[i].name);
}

listing_change listing_compare(const listing *before, const listing *now)
{
    listing_change c = {0};
    size_t i = 0, k = 0;
    while (i < before->n || k < now->n) {
        const int order = i >= before->n ? 1
                          : k >= now->n  ? -1
                                         : strcmp(before->files[i].name, now->files[k].name);
        c.removed += order < 0;
        c.added += order > 0;
        c.changed += order == 0 && strcmp(before->files[i].hex, now->files[k].hex) != 0;
        i += order <= 0;
        k += order >= 0;
    }
    return c;
}
