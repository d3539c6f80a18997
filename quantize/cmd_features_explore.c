/* sotto features explore: whether features pay for their memory and time. */
#include "quantize/cmd_features_explore.h"

#include "data/metrics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const cli_spec spec = {
    .usage = "[FEATURES...] --target BOARD data.pack=PACK",
    .about =
        "Trains a small probe on each kind of features and shows its accuracy beside what the\n"
        "features cost on a board, in integers: flash (tables, code), RAM (state, work, features\n"
        "of an inference), cycles of a second of audio. Features are presets, or presets with "
        "keys\n"
        "of [features] changed: mfcc_49x10 logmel_40x101:mels=20,hop_ms=20 (all presets).\n"
        "\"on the front\": no others are as good and as cheap in all of these and better in one.\n"
        "\"noise\" are those whose difference from the best may be luck (paired over clips and\n"
        "seeds, p of Holm above 0.05). Of the best and those, the cheapest pay.\n"
        "Probes: cnn, four convolutions over time (tcn); lda and logistic, linear classifiers of\n"
        "means over five segments of time. [data], [augment], [model] and [train] may be set. The\n"
        "probe's own flash, RAM and time depend on the shape of the features too: they are in the\n"
        "last columns, and not part of the front.",
    .max_args = -1,
    .output = "a page with charts to write (HTML)",
    .takes = CLI_SEED | CLI_THREADS | CLI_OVERRIDES,
};

static const char *const cost_names[] = {"cycles", "ram", "flash", NULL}; /* explore_cost */

/* ---- what is asked ---- */

static base_status parse_candidate(const char *text, explore_entry *e, base_err *err)
{
    e->name = text;
    e->features = (dsp_config){.normalize = DSP_NORMALIZE_FEATURE};
    return dsp_variant(text, &e->features, err);
}

static base_status open_contest(explorer *x, const char *name, base_err *err)
{
    size_t presets;
    const char *const *names = dsp_preset_names(&presets);
    explore_contest *k = &x->contests[x->n++];
    BASE_TRY(probe_find(name, &k->probe, err));
    const size_t n = x->c->nargs > 0 ? (size_t)x->c->nargs : presets;
    k->list = base_alloc(n, sizeof *k->list);
    if (!k->list) return base_nomem(err, n * sizeof *k->list);
    for (; k->n < n; k->n++) {
        explore_entry *e = &k->list[k->n];
        BASE_TRY(parse_candidate(x->c->nargs > 0 ? x->c->args[k->n] : names[k->n], e, err));
        e->trial = (probe_trial){.probe = k->probe, .name = e->name, .features = &e->features};
    }
    return BASE_OK;
}

/* "lda,cnn" */
static base_status open_contests(explorer *x, base_err *err)
{
    char *list = base_strdup(x->o.probes), *rest = list;
    x->contests = base_alloc(strlen(x->o.probes) + 1, sizeof *x->contests);
    base_status status = list && x->contests ? BASE_OK : base_nomem(err, sizeof *x->contests);
    while (status == BASE_OK && rest) {
        char *end = strchr(rest, ',');
        if (end) *end = '\0';
        status = open_contest(x, rest, err);
        rest = end ? end + 1 : NULL;
    }
    free(list);
    return status;
}

/* --target, or target.board of the overrides. */
static base_status find_target(explorer *x, base_err *err)
{
    const char *board = x->o.target;
    for (int i = 0; !board && i < x->c->noverrides; i++)
        if (strncmp(x->c->overrides[i], "target.board=", 13) == 0) board = x->c->overrides[i] + 13;
    if (board) return quant_target_load(board, &x->target, err);
    base_fail(err, BASE_USAGE, "which board is not said");
    return base_hint(err, "--target NAME; `sotto estimate --list` shows those there are");
}

/* ---- costs ---- */

static base_status add_costs(const explorer *x, explore_entry *e, base_err *err)
{
    const quant_workload *w = &e->trial.work;
    const quant_use use = {.runtime = QUANT_SOTTO,
                           .features = &w->features,
                           .frames = w->frames,
                           .front = w->front.kept ? &w->front : NULL};
    BASE_TRY(quant_estimate_run(&w->deployed, &x->target, use, &e->net, err));
    for (int i = 0; i < EXPLORE_COSTS; i++) e->cost[i] = (double)INFINITY;
    if (!use.front) {
        cli_warn(x->c, "%s: integers cannot compute these features, so their costs are not known",
                 e->name);
        e->front = (quant_front_cost){.flash.value = (double)NAN,
                                      .ram.value = (double)NAN,
                                      .frame.value = (double)NAN,
                                      .cycles = (double)NAN,
                                      .share = (double)NAN};
        return BASE_OK;
    }
    e->front = quant_front_estimate(use.front, &w->features, &x->target);
    if (isfinite(e->front.cycles)) e->cost[EXPLORE_CYCLES] = e->front.cycles;
    if (isfinite(e->front.ram.value)) e->cost[EXPLORE_RAM] = e->front.ram.value;
    if (isfinite(e->front.flash.value)) e->cost[EXPLORE_FLASH] = e->front.flash.value;
    return BASE_OK;
}

/* Whether b is as good and as cheap as a in everything, and better in something. */
static bool beats(const explore_entry *b, const explore_entry *a)
{
    bool better = b->accuracy > a->accuracy;
    if (b->accuracy < a->accuracy) return false;
    for (int i = 0; i < EXPLORE_COSTS; i++) {
        if (b->cost[i] > a->cost[i]) return false;
        better = better || b->cost[i] < a->cost[i];
    }
    return better;
}

/* ---- judging ---- */

/* Why what pays does, in words. */
static base_status explain(const explorer *x, explore_contest *k, base_err *err)
{
    static const char *const names[] = {"cycles", "RAM", "flash"};
    const explore_entry *pays = &k->list[k->pays], *best = &k->list[k->best];
    double nearest = (double)INFINITY;
    for (size_t i = 0; i < k->n; i++)
        if (k->list[i].cost[x->by] < pays->cost[x->by])
            nearest = fmin(nearest, -k->list[i].worse.value);
    if (pays == best)
        base_str_add(&k->why, "it is the best");
    else
        base_str_add(&k->why,
                     "%s gets %.2f points more, which may be luck, for %.2f times the cycles, %.2f "
                     "times the RAM and %.2f times the flash",
                     best->name, -100 * pays->worse.value, best->front.cycles / pays->front.cycles,
                     best->front.ram.value / pays->front.ram.value,
                     best->front.flash.value / pays->front.flash.value);
    if (isfinite(nearest))
        base_str_add(&k->why, "; all that take less (%s) are worse, by %.2f points or more",
                     names[x->by], 100 * nearest);
    else
        base_str_add(&k->why, "; nothing here takes less (%s)", names[x->by]);
    return k->why.failed ? base_nomem(err, k->why.len) : BASE_OK;
}

/* Differences from the best, the front, and what pays. */
static base_status judge(const explorer *x, explore_contest *k, base_err *err)
{
    double *p = base_alloc(k->n, sizeof *p);
    if (!p) return base_nomem(err, k->n * sizeof *p);
    for (size_t i = 1; i < k->n; i++) {
        const explore_entry *e = &k->list[i], *best = &k->list[k->best];
        const bool cheaper = e->cost[x->by] < best->cost[x->by];
        if (e->accuracy > best->accuracy || (e->accuracy == best->accuracy && cheaper)) k->best = i;
    }
    size_t tests = 0;
    for (size_t i = 0; i < k->n; i++) {
        explore_entry *e = &k->list[i];
        e->worse = (data_difference){.value = 0, .lo = (double)NAN, .hi = (double)NAN, .p = 1};
        if (i == k->best) continue;
        e->worse = data_paired_repeats(e->trial.right, k->list[k->best].trial.right, e->trial.n,
                                       (size_t)x->o.seeds);
        p[tests++] = e->worse.p;
    }
    data_holm(p, tests);
    tests = 0;
    k->pays = k->best;
    for (size_t i = 0; i < k->n; i++) {
        explore_entry *e = &k->list[i];
        e->p = i == k->best ? 1 : p[tests++];
        e->is_worse = e->p < DATA_PAIRED_LEVEL;
        e->on_front = true;
        for (size_t j = 0; j < k->n; j++) e->on_front = e->on_front && !beats(&k->list[j], e);
        if (!e->is_worse && e->cost[x->by] < k->list[k->pays].cost[x->by]) k->pays = i;
    }
    base_free(p);
    return explain(x, k, err);
}

static base_status try_all(explorer *x, base_err *err)
{
    for (size_t i = 0; i < x->n; i++) {
        explore_contest *k = &x->contests[i];
        for (size_t j = 0; j < k->n; j++) {
            explore_entry *e = &k->list[j];
            BASE_TRY(probe_trial_run(&x->bench, &e->trial, err));
            e->accuracy = probe_trial_mean(&e->trial, x->o.seeds, &e->deviation);
            BASE_TRY(add_costs(x, e, err));
        }
        BASE_TRY(judge(x, k, err));
    }
    return BASE_OK;
}

/* ---- the result ---- */

const char *explore_verdict(const explore_contest *k, size_t i)
{
    return i == k->best ? "best" : k->list[i].is_worse ? "worse" : "noise";
}

static cli_table *result_table(cli *c)
{
    static const cli_column wide[] = {{"probe", NULL, CLI_TEXT, 0},
                                      {"features", NULL, CLI_TEXT, 0},
                                      {"frames", NULL, CLI_INT, 0},
                                      {"bins", NULL, CLI_INT, 0},
                                      {"accuracy", NULL, CLI_PERCENT, 2},
                                      {"accuracy_lo", NULL, CLI_PERCENT, 2},
                                      {"accuracy_hi", NULL, CLI_PERCENT, 2},
                                      {"deviation", NULL, CLI_PERCENT, 2},
                                      {"difference", NULL, CLI_PERCENT, 2},
                                      {"difference_lo", NULL, CLI_PERCENT, 2},
                                      {"difference_hi", NULL, CLI_PERCENT, 2},
                                      {"p_holm", NULL, CLI_REAL, 4},
                                      {"verdict", NULL, CLI_TEXT, 0},
                                      {"front", NULL, CLI_BOOL, 0},
                                      {"flash_bytes", NULL, CLI_BYTES, 1},
                                      {"ram_bytes", NULL, CLI_BYTES, 1},
                                      {"cycles_per_s", NULL, CLI_REAL, 0},
                                      {"share", NULL, CLI_PERCENT, 1},
                                      {"frame_ms", NULL, CLI_REAL, 2},
                                      {"probe_flash_bytes", NULL, CLI_BYTES, 1},
                                      {"probe_ram_bytes", NULL, CLI_BYTES, 1},
                                      {"probe_ms", NULL, CLI_REAL, 1},
                                      {"whole_flash_bytes", NULL, CLI_BYTES, 1},
                                      {"whole_ram_bytes", NULL, CLI_BYTES, 1}};
    static const cli_column narrow[] = {{"probe", NULL, CLI_TEXT, 0},
                                        {"features", NULL, CLI_TEXT, 0},
                                        {"accuracy", NULL, CLI_PERCENT, 2},
                                        {"deviation", "+-", CLI_PERCENT, 2},
                                        {"difference", NULL, CLI_PERCENT, 2},
                                        {"difference_lo", "from", CLI_PERCENT, 2},
                                        {"difference_hi", "to", CLI_PERCENT, 2},
                                        {"verdict", NULL, CLI_TEXT, 0},
                                        {"front", "on the front", CLI_BOOL, 0},
                                        {"flash_bytes", "flash", CLI_BYTES, 1},
                                        {"ram_bytes", "RAM", CLI_BYTES, 1},
                                        {"mcycles_per_s", "Mcycles/s", CLI_REAL, 2},
                                        {"share", "of the CPU", CLI_PERCENT, 1},
                                        {"probe_flash_bytes", "probe: flash", CLI_BYTES, 1},
                                        {"probe_ram_bytes", "RAM", CLI_BYTES, 1},
                                        {"probe_ms", "ms", CLI_REAL, 1}};
    return c->format == CLI_FORMAT_TABLE ? cli_table_new(c, "features", narrow, BASE_COUNT(narrow))
                                         : cli_table_new(c, "features", wide, BASE_COUNT(wide));
}

static void put_bytes(cli_table *t, quant_figure f)
{
    if (isfinite(f.value))
        cli_cell_int(t, (int64_t)f.value);
    else
        cli_cell_text(t, NULL);
}

static void put_wide(cli_table *t, const explore_contest *k, size_t i)
{
    int frames, bins;
    double lo, hi;
    const explore_entry *e = &k->list[i];
    dsp_config_shape(&e->features, &frames, &bins);
    data_wilson((int64_t)round(e->accuracy * (double)e->trial.n), (int64_t)e->trial.n, &lo, &hi);
    cli_cell_text(t, k->probe->name);
    cli_cell_text(t, e->name);
    cli_cell_int(t, frames);
    cli_cell_int(t, bins);
    cli_cell_real(t, e->accuracy);
    cli_cell_real(t, lo);
    cli_cell_real(t, hi);
    cli_cell_real(t, e->deviation);
    cli_cell_real(t, e->worse.value);
    cli_cell_real(t, e->worse.lo);
    cli_cell_real(t, e->worse.hi);
    cli_cell_real(t, e->p);
    cli_cell_text(t, explore_verdict(k, i));
    cli_cell_int(t, e->on_front);
    put_bytes(t, e->front.flash);
    put_bytes(t, e->front.ram);
    cli_cell_real(t, e->front.cycles);
    cli_cell_real(t, e->front.share);
    cli_cell_real(t, e->front.frame.value);
    put_bytes(t, e->net.flash);
    put_bytes(t, e->net.ram);
    cli_cell_real(t, e->net.latency.value);
    put_bytes(t, e->net.whole_flash);
    put_bytes(t, e->net.whole_ram);
}

static void put_narrow(cli_table *t, const explore_contest *k, size_t i)
{
    const explore_entry *e = &k->list[i];
    cli_cell_text(t, k->probe->name);
    cli_cell_text(t, e->name);
    cli_cell_real(t, e->accuracy);
    cli_cell_real(t, e->deviation);
    cli_cell_real(t, e->worse.value);
    cli_cell_real(t, e->worse.lo);
    cli_cell_real(t, e->worse.hi);
    cli_cell_text(t, explore_verdict(k, i));
    cli_cell_int(t, e->on_front);
    put_bytes(t, e->front.flash);
    put_bytes(t, e->front.ram);
    cli_cell_real(t, e->front.cycles * 1e-6);
    cli_cell_real(t, e->front.share);
    put_bytes(t, e->net.flash);
    put_bytes(t, e->net.ram);
    cli_cell_real(t, e->net.latency.value);
}

static void put_result(const explorer *x)
{
    static const cli_column verdicts[] = {{"probe", NULL, CLI_TEXT, 0},
                                          {"best", NULL, CLI_TEXT, 0},
                                          {"pays", NULL, CLI_TEXT, 0},
                                          {"why", NULL, CLI_TEXT, 0}};
    cli *c = x->c;
    const quant_figure time = x->contests[0].list[0].front.frame;
    cli_put_text(c, "target", x->target.name);
    cli_put_text(c, "split", x->o.split);
    cli_put_int(c, "n", (int64_t)x->contests[0].list[0].trial.n);
    cli_put_int(c, "seeds", x->o.seeds);
    cli_put_real(c, "cycles_error_percent", time.error, 0);
    cli_table *t = result_table(c);
    for (size_t i = 0; i < x->n; i++)
        for (size_t j = 0; j < x->contests[i].n; j++)
            if (c->format == CLI_FORMAT_TABLE)
                put_narrow(t, &x->contests[i], j);
            else
                put_wide(t, &x->contests[i], j);
    t = cli_table_new(c, "verdicts", verdicts, BASE_COUNT(verdicts));
    for (size_t i = 0; i < x->n; i++) {
        const explore_contest *k = &x->contests[i];
        cli_cell_text(t, k->probe->name);
        cli_cell_text(t, k->list[k->best].name);
        cli_cell_text(t, k->list[k->pays].name);
        cli_cell_text(t, k->why.s);
    }
}

/* ---- the command ---- */

static base_status explore(explorer *x, base_err *err)
{
    BASE_TRY(cli_check_choice("--by", x->o.by, cost_names, &x->by, err));
    BASE_TRY(cli_check_range("--seeds", x->o.seeds, 1, 1000, err));
    x->bench = (probe_bench){.c = x->c,
                             .overrides = x->c->overrides,
                             .noverrides = x->c->noverrides,
                             .keep = x->o.keep,
                             .seeds = x->o.seeds};
    BASE_TRY(data_split_parse(x->o.split, &x->bench.split, err));
    BASE_TRY(find_target(x, err));
    BASE_TRY(open_contests(x, err));
    int64_t trials = 0;
    for (size_t i = 0; i < x->n; i++) trials += (int64_t)x->contests[i].n;
    BASE_TRY(probe_bench_open(&x->bench, trials, err));
    BASE_TRY(try_all(x, err));
    put_result(x);
    return x->c->output ? explore_page(x, err) : BASE_OK;
}

static void close_all(explorer *x)
{
    for (size_t i = 0; i < x->n; i++) {
        explore_contest *k = &x->contests[i];
        for (size_t j = 0; j < k->n; j++) {
            probe_trial_free(&k->list[j].trial);
            quant_estimate_free(&k->list[j].net);
        }
        base_free(k->list);
        base_str_free(&k->why);
    }
    base_free(x->contests);
    probe_bench_close(&x->bench);
}

base_status cmd_features_explore(cli *c, int argc, char **argv, base_err *err)
{
    explorer x = {.c = c,
                  .o = {.probes = "cnn", .split = "validation", .by = "cycles", .seeds = 1}};
    const struct poptOption table[] = {
        {"target", 't', POPT_ARG_STRING, &x.o.target, 0, "the board (target.board)", "NAME"},
        {"probe", 'p', POPT_ARG_STRING, &x.o.probes, 0, "cnn, lda or logistic, or some of them",
         "NAME,..."},
        {"seeds", 0, POPT_ARG_INT, &x.o.seeds, 0, "how often each probe is trained", "N"},
        {"split", 0, POPT_ARG_STRING, &x.o.split, 0, "clips that judge: validation, test, train",
         "NAME"},
        {"by", 0, POPT_ARG_STRING, &x.o.by, 0, "the cheapest is by cycles, ram or flash", "COST"},
        {"keep", 0, POPT_ARG_STRING, &x.o.keep, 0,
         "keep the probes' runs; those that are there already are not trained again", "DIR"},
        POPT_TABLEEND};
    if (!cli_parse(c, argc, argv, &spec, table, err)) return err->status;
    const base_status status = explore(&x, err);
    close_all(&x);
    return status;
}
