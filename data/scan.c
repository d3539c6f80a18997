/* Finding the clips of a folder in the layout of Speech Commands, and deciding the split of each:
 * what a list file names is where the list says; else the speaker's hash decides. In a folder with
 * lists, names without a speaker ("_nohash_") are training clips unless listed, for their author
 * divided them by the lists alone. Lists match with or without the extension, so that the same
 * folder as .wav and as .flac divides equally. Everything is sorted: a pack does not depend on the
 * order in which the file system tells its names.
 */
#include "data/exclude.h"
#include "data/import.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

enum { LIST_BYTES_MAX = 64 << 20 };

/* ---- names in a folder ---- */

typedef struct names {
    char **v;
    size_t n, cap;
} names;

static void names_free(names *list)
{
    for (size_t i = 0; i < list->n; i++) free(list->v[i]);
    free(list->v);
    *list = (names){0};
}

static bool names_add(names *list, const char *name)
{
    void *items = list->v;
    if (!base_grow(&items, &list->cap, list->n + 1, sizeof *list->v)) return false;
    list->v = items;
    list->v[list->n] = base_strdup(name);
    return list->v[list->n] && ++list->n;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool names_have(const names *list, const char *name)
{
    return list->n > 0 && bsearch(&name, list->v, list->n, sizeof *list->v, by_name) != NULL;
}

/* The sorted names in a folder, hidden ones left out. */
static base_status read_dir(const char *path, names *list, base_err *err)
{
    DIR *d = opendir(path);
    if (!d) {
        base_fail(err, BASE_DATA, "cannot read folder '%s': %s", path, strerror(errno));
        return base_hint(err, "a folder with one folder of recordings for each word is wanted");
    }
    bool ok = true;
    for (struct dirent *e; ok && (e = readdir(d));)
        if (e->d_name[0] != '.') ok = names_add(list, e->d_name);
    closedir(d);
    if (!ok) return base_nomem(err, list->n * sizeof *list->v);
    if (list->n) qsort(list->v, list->n, sizeof *list->v, by_name);
    return BASE_OK;
}

static const char *extension(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot ? dot : name + strlen(name);
}

bool data_is_recording(const char *name)
{
    const char *end = extension(name);
    return strcasecmp(end, ".wav") == 0 || strcasecmp(end, ".flac") == 0;
}

/* Whether opening a file could wait for ever: a pipe, a device. */
static bool is_special(const char *dir, const char *name)
{
    struct stat st;
    char *path = base_path(dir, name);
    bool special = path && stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode);
    free(path);
    return special;
}

/* ---- list files ---- */

typedef struct lists {
    names validation, test;
    bool any;
} lists;

/* "yes/a_nohash_0.wav" lines, kept without extension; a missing file is an empty list. */
static base_status read_list(const char *dir, const char *file, names *list, bool *any,
                             base_err *err)
{
    char *path = base_path(dir, file), *text = NULL;
    base_status status = path ? BASE_OK : base_nomem(err, strlen(dir));
    if (path && base_exists(path)) {
        *any = true;
        status = base_read_file(path, LIST_BYTES_MAX, &text, NULL, err);
    }
    free(path);
    if (!text) return status;
    bool ok = true;
    for (char *save = NULL, *s = strtok_r(text, "\r\n", &save); s && ok;
         s = strtok_r(NULL, "\r\n", &save)) {
        char *end = strrchr(s, '.');
        if (end && data_is_recording(s)) *end = '\0';
        ok = names_add(list, s);
    }
    free(text);
    if (!ok) return base_nomem(err, list->n);
    if (list->n) qsort(list->v, list->n, sizeof *list->v, by_name);
    return BASE_OK;
}

static base_status read_lists(const char *dir, lists *l, base_err *err)
{
    BASE_TRY(read_list(dir, "validation_list.txt", &l->validation, &l->any, err));
    return read_list(dir, "testing_list.txt", &l->test, &l->any, err);
}

static data_split split_of(const lists *l, const char *name, const char *speaker)
{
    char stem[512];
    snprintf(stem, sizeof stem, "%.*s", (int)(extension(name) - name), name);
    if (names_have(&l->validation, stem)) return DATA_VALIDATION;
    if (names_have(&l->test, stem)) return DATA_TEST;
    if (l->any && !strstr(name, "_nohash_")) return DATA_TRAIN;
    return data_which_set(speaker);
}

/* ---- walking ---- */

typedef struct walk {
    const data_import *what;
    data_scan *scan;
    const char *dir;
    bool is_test;
    lists lists;
} walk;

static int word_index(data_scan *s, const char *word)
{
    for (size_t i = 0; i < s->nwords; i++)
        if (strcmp(s->words[i], word) == 0) return (int)i;
    void *items = s->words;
    if (!base_grow(&items, &s->words_cap, s->nwords + 1, sizeof *s->words)) return -1;
    s->words = items;
    s->words[s->nwords] = base_strdup(word);
    return s->words[s->nwords] ? (int)s->nwords++ : -1;
}

/* Clips of _unknown_ carry their word before the speaker: "backward_0cb74144_nohash_2.wav". */
static char *speaker_of(const char *word, const char *base)
{
    char *speaker = data_speaker(base);
    char *prefix = speaker && strcmp(word, DATA_UNKNOWN) == 0 ? strrchr(speaker, '_') : NULL;
    if (prefix && prefix[1]) memmove(speaker, prefix + 1, strlen(prefix));
    return speaker;
}

static base_status add_file(const walk *w, const char *word, int index, const char *base,
                            base_err *err)
{
    data_scan *s = w->scan;
    void *items = s->files;
    if (!base_grow(&items, &s->cap, s->n + 1, sizeof *s->files)) return base_nomem(err, s->n);
    s->files = items;
    data_found *f = &s->files[s->n];
    *f = (data_found){.source = w->is_test, .word = index};
    f->name = base_path(word, base);
    f->speaker = speaker_of(word, base);
    if (!f->name || !f->speaker) {
        free(f->name);
        free(f->speaker);
        return base_nomem(err, strlen(base));
    }
    f->excluded = data_exclude_has(w->what->exclude, f->name);
    f->split = w->is_test ? DATA_TEST : split_of(&w->lists, f->name, f->speaker);
    const bool held_out = w->what->test && !w->is_test && f->split == DATA_TEST;
    const bool other = w->what->splits && !(w->what->splits >> f->split & 1);
    if (index < 0 || (!held_out && !other)) {
        s->n++;
        return BASE_OK;
    }
    s->held_out += held_out;
    s->other += !held_out;
    free(f->name);
    free(f->speaker);
    return BASE_OK;
}

static base_status add_folder(const walk *w, const char *word, int index, base_err *err)
{
    names list = {0};
    char *path = base_path(w->dir, word);
    if (!path) return base_nomem(err, strlen(word));
    base_status status = read_dir(path, &list, err);
    for (size_t i = 0; i < list.n && status == BASE_OK; i++) {
        if (data_is_recording(list.v[i]) && !is_special(path, list.v[i]))
            status = add_file(w, word, index, list.v[i], err);
        else
            w->scan->ignored++;
    }
    names_free(&list);
    free(path);
    return status;
}

/* A folder whose name begins with '_' is a word only when it is one of the two classes. */
static bool is_word_folder(const char *name)
{
    return name[0] != '_' || strcmp(name, DATA_UNKNOWN) == 0 || strcmp(name, DATA_SILENCE) == 0;
}

static base_status no_words(const char *dir, base_err *err)
{
    base_fail(err, BASE_DATA, "folder '%s' holds no word: no folder in it has .wav or .flac files",
              dir);
    return base_hint(err, "one folder for each word, named like it: %.80s/yes/anna_nohash_0.wav",
                     dir);
}

static size_t seen(const data_scan *s)
{
    return s->n + (size_t)(s->held_out + s->other);
}

static base_status walk_words(const walk *w, const names *entries, base_err *err)
{
    const size_t before = seen(w->scan);
    for (size_t i = 0; i < entries->n; i++) {
        char *path = base_path(w->dir, entries->v[i]);
        bool take = path && base_is_dir(path) && is_word_folder(entries->v[i]);
        free(path);
        if (!take) continue;
        int index = word_index(w->scan, entries->v[i]);
        if (index < 0) return base_nomem(err, strlen(entries->v[i]));
        BASE_TRY(add_folder(w, entries->v[i], index, err));
    }
    return seen(w->scan) == before ? no_words(w->dir, err) : BASE_OK;
}

static base_status walk_dir(walk *w, base_err *err)
{
    names entries = {0};
    base_status status = read_dir(w->dir, &entries, err);
    if (status == BASE_OK && !w->is_test) status = read_lists(w->dir, &w->lists, err);
    if (status == BASE_OK) status = walk_words(w, &entries, err);
    if (status == BASE_OK && !w->is_test && names_have(&entries, DATA_NOISE))
        status = add_folder(w, DATA_NOISE, -1, err);
    names_free(&entries);
    names_free(&w->lists.validation);
    names_free(&w->lists.test);
    return status;
}

/* Words sorted by name, and the files' indices with them. */
static base_status sort_words(data_scan *s, base_err *err)
{
    char **sorted = calloc(s->nwords + 1, sizeof *sorted);
    int *place = calloc(s->nwords + 1, sizeof *place);
    if (!sorted || !place) {
        free(sorted);
        free(place);
        return base_nomem(err, s->nwords);
    }
    memcpy(sorted, s->words, s->nwords * sizeof *sorted);
    qsort(sorted, s->nwords, sizeof *sorted, by_name);
    for (size_t i = 0; i < s->nwords; i++)
        for (size_t k = 0; k < s->nwords; k++)
            if (sorted[k] == s->words[i]) place[i] = (int)k;
    for (size_t i = 0; i < s->n; i++)
        if (s->files[i].word >= 0) s->files[i].word = place[s->files[i].word];
    free(s->words);
    free(place);
    s->words = sorted;
    return BASE_OK;
}

/* Noise is put last, so that clips are one run. */
static int noise_last(const void *a, const void *b)
{
    const data_found *x = a, *y = b;
    if ((x->word < 0) != (y->word < 0)) return x->word < 0 ? 1 : -1;
    return x->source != y->source ? x->source - y->source : strcmp(x->name, y->name);
}

base_status data_scan_run(const data_import *what, data_scan *scan, base_err *err)
{
    *scan = (data_scan){0};
    walk main = {.what = what, .scan = scan, .dir = what->dir};
    walk test = {.what = what, .scan = scan, .dir = what->test, .is_test = true};
    base_status status = walk_dir(&main, err);
    if (status == BASE_OK && what->test) status = walk_dir(&test, err);
    if (status == BASE_OK) status = sort_words(scan, err);
    if (status == BASE_OK && scan->n) qsort(scan->files, scan->n, sizeof *scan->files, noise_last);
    if (status != BASE_OK) data_scan_free(scan);
    return status;
}

void data_scan_free(data_scan *s)
{
    for (size_t i = 0; i < s->n; i++) {
        free(s->files[i].name);
        free(s->files[i].speaker);
    }
    for (size_t i = 0; i < s->nwords; i++) free(s->words[i]);
    free(s->files);
    free(s->words);
    *s = (data_scan){0};
}
