/* Probes trained in a folder, kept or not: see cmd_features_explore.h. */
#include "quantize/cmd_features_explore.h"

#include "quantize/evaluate.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- the folder and the pack ---- */

static const char *pack_of(const probe_bench *b)
{
    const char *path = NULL;
    for (int i = 0; i < b->noverrides; i++)
        if (strncmp(b->overrides[i], "data.pack=", 10) == 0) path = b->overrides[i] + 10;
    return path;
}

static base_status make_folder(probe_bench *b, base_err *err)
{
    const char *tmp = getenv("TMPDIR");
    base_str dir = {0};
    if (b->keep) {
        BASE_TRY(base_mkdirs(b->keep, err));
        b->dir = base_strdup(b->keep);
        return b->dir ? BASE_OK : base_nomem(err, 1);
    }
    base_str_add(&dir, "%s/sotto-features-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    if (dir.failed) return base_nomem(err, dir.len);
    if (!mkdtemp(dir.s)) {
        base_fail(err, BASE_FAILED, "no folder '%s': %s", dir.s, strerror(errno));
        base_str_free(&dir);
        return BASE_FAILED;
    }
    b->dir = dir.s;
    return BASE_OK;
}

base_status probe_bench_open(probe_bench *b, int64_t total, base_err *err)
{
    const char *path = pack_of(b);
    b->total = total * b->seeds;
    if (!path) {
        base_fail(err, BASE_USAGE, "data.pack is not given");
        return base_hint(err, "make one with `sotto data import DIR -o words.h5`, then add "
                              "data.pack=words.h5");
    }
    BASE_TRY(data_pack_open(path, &b->pack, err));
    return make_folder(b, err);
}

void probe_bench_close(probe_bench *b)
{
    data_pack_close(b->pack);
    if (b->dir && !b->keep) rmdir(b->dir);
    free(b->dir);
    b->pack = NULL;
    b->dir = NULL;
}

/* ---- one run ---- */

/* A run directory and, for a graph of its own, the file beside it. */
typedef struct place {
    char *run, *net;
} place;

static base_status make_place(const probe_bench *b, const probe_trial *t, int seed, place *p,
                              base_err *err)
{
    base_str name = {0}, net = {0};
    base_str_add(&name, "%s/%s-%s-%d", b->dir, t->probe->name, t->name, seed);
    for (char *s = name.failed ? NULL : name.s + strlen(b->dir) + 1; s && *s; s++)
        if (!isalnum((unsigned char)*s) && !strchr("._-=,", *s)) *s = '_';
    base_str_add(&net, "%s.net", name.failed ? "" : name.s);
    *p = (place){name.s, net.s};
    if (name.failed || net.failed) return base_nomem(err, name.len);
    return t->net ? base_write_file(p->net, t->net, strlen(t->net), err) : BASE_OK;
}

static void clear_place(const probe_bench *b, const probe_trial *t, place *p)
{
    rundir run;
    if (!b->keep && p->run && rundir_open_to_remove(p->run, &run, NULL) == BASE_OK) {
        rundir_remove(&run, NULL);
        rundir_close(&run);
    }
    if (!b->keep && p->net && t->net) unlink(p->net);
    free(p->run);
    free(p->net);
}

static void on_step(void *ctx, const train_progress *p)
{
    const probe_bench *b = ctx;
    cli_progress_note(b->c, "epoch %lld/%lld  accuracy %.2f %%", (long long)p->epoch,
                      (long long)p->epochs, 100 * p->accuracy);
    cli_progress_at(b->c, b->done);
}

static base_status train(probe_bench *b, const probe_trial *t, int seed, const place *p,
                         base_err *err)
{
    char seed_text[32], *list[PROBE_OVERRIDES + 2];
    base_str file = {0};
    int n = 0;
    if (b->noverrides > PROBE_OVERRIDES)
        return base_fail(err, BASE_USAGE, "more than %d settings", PROBE_OVERRIDES);
    for (; n < b->noverrides; n++) list[n] = b->overrides[n];
    snprintf(seed_text, sizeof seed_text, "train.seed=%llu",
             (unsigned long long)b->c->seed + (unsigned)seed);
    list[n++] = seed_text;
    base_str_add(&file, "model.file=%s", p->net);
    if (file.failed) return base_nomem(err, file.len);
    if (t->net) list[n++] = file.s;
    train_setup setup;
    config *cfg;
    base_status status = probe_config(t->probe, t->features, list, n, &setup, &cfg, err);
    const train_hooks hooks = {
        .ctx = b, .step = on_step, .stop = cli_interrupt(b->c), .threads = b->c->threads};
    if (status == BASE_OK) {
        status = probe_train(&setup, cfg, p->run, &hooks, err);
        config_free(cfg);
    }
    base_str_free(&file);
    return status;
}

/* What the trained model says, and what it costs. */
static base_status judge(const probe_bench *b, probe_trial *t, int seed, const place *p,
                         base_err *err)
{
    bool *right = NULL;
    size_t n = 0;
    base_status status = quant_right(p->run, b->pack, b->split, b->c->threads, &right, &n, err);
    if (status == BASE_OK && !t->right) {
        t->n = n;
        t->right = base_alloc(n * (size_t)b->seeds, sizeof *t->right);
        status = t->right ? BASE_OK : base_nomem(err, n);
    }
    if (status == BASE_OK) memcpy(t->right + (size_t)seed * n, right, n * sizeof *right);
    base_free(right);
    if (status != BASE_OK || seed > 0) return status;
    char *file = NULL;
    BASE_TRY(nn_model_path(p->run, &file, err));
    status = quant_workload_of_model(file, &t->work, err);
    free(file);
    return status == BASE_OK ? quant_workload_listen(&t->work, 0, err) : status;
}

base_status probe_trial_run(probe_bench *b, probe_trial *t, base_err *err)
{
    base_status status = BASE_OK;
    for (int seed = 0; seed < b->seeds && status == BASE_OK; seed++) {
        place p = {0};
        const double began = base_seconds();
        cli_progress_begin(b->c, t->name, "probes", b->total);
        cli_progress_at(b->c, b->done);
        status = make_place(b, t, seed, &p, err);
        if (status == BASE_OK) status = train(b, t, seed, &p, err);
        if (status == BASE_OK) status = judge(b, t, seed, &p, err);
        cli_progress_end(b->c);
        clear_place(b, t, &p);
        b->done++;
        if (status == BASE_OK)
            cli_say(b->c, "%lld/%lld  %s on %s, seed %llu: %.2f %%, %.1f s", (long long)b->done,
                    (long long)b->total, t->probe->name, t->name,
                    (unsigned long long)b->c->seed + (unsigned)seed,
                    100 * probe_trial_accuracy(t, seed), base_seconds() - began);
    }
    return status;
}

void probe_trial_free(probe_trial *t)
{
    base_free(t->right);
    quant_workload_free(&t->work);
    t->right = NULL;
}

/* ---- how they did ---- */

double probe_trial_accuracy(const probe_trial *t, int seed)
{
    size_t right = 0;
    for (size_t i = 0; i < t->n; i++) right += t->right[(size_t)seed * t->n + i];
    return (double)right / (double)t->n;
}

double probe_trial_mean(const probe_trial *t, int seeds, double *deviation)
{
    double sum = 0, squares = 0;
    for (int i = 0; i < seeds; i++) sum += probe_trial_accuracy(t, i);
    const double mean = sum / seeds;
    for (int i = 0; i < seeds; i++) {
        const double d = probe_trial_accuracy(t, i) - mean;
        squares += d * d;
    }
    *deviation = seeds > 1 ? sqrt(squares / (seeds - 1)) : (double)NAN;
    return mean;
}
