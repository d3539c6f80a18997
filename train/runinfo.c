/* Reading run directories: see train/runinfo.h. */
#include "train/runinfo.h"

#include <dirent.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MAX_FILE = 1 << 28, TAIL = 4096 };

/* The text of a file of the run, or NULL. */
static char *text_of(const char *dir, const char *name)
{
    char *path = base_path(dir, name), *text = NULL;
    if (path && base_exists(path)) base_read_file(path, MAX_FILE, &text, NULL, NULL);
    free(path);
    return text;
}

static json_t *object_of(const char *dir, const char *name)
{
    char *text = text_of(dir, name);
    json_t *o = text ? json_loads(text, 0, NULL) : NULL;
    free(text);
    if (json_is_object(o)) return o;
    json_decref(o);
    return NULL;
}

/* Whole lines only: a crash may have cut the last. */
static json_t *lines_of(const char *dir, const char *name)
{
    char *text = text_of(dir, name), *line = text;
    json_t *all = json_array();
    for (char *end; line && (end = strchr(line, '\n')); line = end + 1) {
        json_t *o = json_loadb(line, (size_t)(end - line), 0, NULL);
        if (json_is_object(o)) json_array_append(all, o);
        json_decref(o);
    }
    free(text);
    return all;
}

/* ---- config.ini, as config_print writes it ---- */

static base_status add_key(runinfo *r, const char *section, const char *line, base_err *err)
{
    const char *equals = strstr(line, " = ");
    if (!equals) return BASE_OK;
    if (!base_grow((void **)&r->keys, &r->keys_cap, r->n_keys + 1, sizeof *r->keys))
        return base_nomem(err, sizeof *r->keys);
    base_str name = {0};
    base_str_add(&name, "%s.%.*s", section, (int)(equals - line), line);
    run_key *k = &r->keys[r->n_keys++];
    *k = (run_key){.name = name.s, .value = base_strdup(equals + 3)};
    return name.failed || !k->value ? base_nomem(err, name.len) : BASE_OK;
}

static base_status read_keys(runinfo *r, const char *dir, base_err *err)
{
    char *text = text_of(dir, "config.ini"), *rest = NULL, section[64] = "";
    base_status status = BASE_OK;
    for (char *line = text ? strtok_r(text, "\n", &rest) : NULL; line && status == BASE_OK;
         line = strtok_r(NULL, "\n", &rest)) {
        if (line[0] == '[')
            snprintf(section, sizeof section, "%.*s", (int)strcspn(line + 1, "]"), line + 1);
        else
            status = add_key(r, section, line, err);
    }
    free(text);
    return status;
}

/* ---- the folder ---- */

static int visible(const struct dirent *d)
{
    return d->d_name[0] != '.';
}

static base_status read_files(runinfo *r, const char *dir, base_err *err)
{
    struct dirent **list = NULL;
    const int n = scandir(dir, &list, visible, alphasort);
    bool failed = n < 0;
    r->files = n > 0 ? base_alloc((size_t)n, sizeof *r->files) : NULL;
    for (int i = 0; i < n; i++) {
        char *path = base_path(dir, list[i]->d_name);
        struct stat st;
        if (path && r->files && stat(path, &st) == 0 && S_ISREG(st.st_mode)) {
            run_file *f = &r->files[r->n_files++];
            *f = (run_file){.name = base_strdup(list[i]->d_name), .bytes = st.st_size};
            failed |= !f->name;
        }
        failed |= !path || !r->files;
        free(path);
        free(list[i]);
    }
    free(list);
    return failed ? base_nomem(err, 1) : BASE_OK;
}

/* What the file of the state says, its first line. */
static void read_note(runinfo *r, const char *dir)
{
    if (r->state != RUN_FAILED && r->state != RUN_INTERRUPTED) return;
    char *text = text_of(dir, r->state == RUN_FAILED ? "FAILED" : "INTERRUPTED");
    if (text) snprintf(r->note, sizeof r->note, "%.*s", (int)strcspn(text, "\n"), text);
    free(text);
}

base_status runinfo_open(const char *path, runinfo *r, base_err *err)
{
    *r = (runinfo){0};
    if (!rundir_is_run(path)) {
        base_fail(err, BASE_DATA, "there is no run in '%s'", path);
        return base_hint(err, "`sotto runs ls` shows those there are");
    }
    r->state = rundir_look(path, r->note);
    read_note(r, path);
    r->manifest = object_of(path, "manifest.json");
    r->result = object_of(path, "DONE");
    r->curve = lines_of(path, "metrics.jsonl");
    BASE_TRY(read_keys(r, path, err));
    return read_files(r, path, err);
}

void runinfo_close(runinfo *r)
{
    json_decref(r->manifest);
    json_decref(r->result);
    json_decref(r->curve);
    for (size_t i = 0; i < r->n_keys; i++) {
        free(r->keys[i].name);
        free(r->keys[i].value);
    }
    for (size_t i = 0; i < r->n_files; i++) free(r->files[i].name);
    free(r->keys);
    base_free(r->files);
    *r = (runinfo){0};
}

const char *runinfo_key(const runinfo *r, const char *name)
{
    for (size_t i = 0; i < r->n_keys; i++)
        if (strcmp(r->keys[i].name, name) == 0) return r->keys[i].value;
    return NULL;
}

double runinfo_number(const json_t *o, const char *name)
{
    const json_t *v = json_object_get(o, name);
    return json_is_number(v) ? json_number_value(v) : (double)NAN;
}

const json_t *runinfo_last(const runinfo *r)
{
    const size_t n = json_array_size(r->curve);
    return n > 0 ? json_array_get(r->curve, n - 1) : NULL;
}

/* ---- what a list shows ---- */

/* The last whole line of metrics.jsonl, of which only the end is read. */
static json_t *last_line(const char *dir)
{
    char *path = base_path(dir, "metrics.jsonl"), text[TAIL + 1];
    FILE *f = path ? fopen(path, "rb") : NULL;
    free(path);
    if (!f) return NULL;
    if (fseek(f, -TAIL, SEEK_END) != 0) rewind(f); /* a short file */
    size_t n = fread(text, 1, TAIL, f);
    fclose(f);
    while (n > 0 && text[n - 1] != '\n') n--;
    if (n == 0) return NULL;
    text[--n] = '\0';
    const char *line = strrchr(text, '\n');
    return json_loads(line ? line + 1 : text, 0, NULL);
}

void run_summarize(const char *path, run_summary *s)
{
    *s = (run_summary){0};
    json_t *manifest = object_of(path, "manifest.json"), *last = last_line(path);
    const char *arch =
        json_string_value(json_object_get(json_object_get(manifest, "model"), "arch"));
    const char *started = json_string_value(json_object_get(manifest, "started"));
    snprintf(s->model, sizeof s->model, "%s", arch ? arch : "");
    snprintf(s->started, sizeof s->started, "%s", started ? started : "");
    s->epoch = json_integer_value(json_object_get(last, "epoch"));
    s->loss = runinfo_number(last, "loss");
    s->val_accuracy = runinfo_number(last, "val_accuracy");
    json_decref(manifest);
    json_decref(last);
}
