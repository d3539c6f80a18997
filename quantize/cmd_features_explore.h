/* cmd_features_explore: what `sotto features explore` and `ablate` share: probes that are trained
 * and judged.
 */
#ifndef QUANTIZE_CMD_FEATURES_EXPLORE_H
#define QUANTIZE_CMD_FEATURES_EXPLORE_H

#include "data/paired.h"
#include "quantize/workload.h"
#include "train/cli.h"
#include "train/probe.h"

enum { PROBE_OVERRIDES = 256 };

/* Where and how often probes are trained. */
typedef struct probe_bench {
    cli *c;
    data_pack *pack;
    data_split split; /* that judges them */
    const char *keep; /* folder that their runs stay in; NULL: none does */
    char *dir;        /* that they are trained in */
    int seeds;        /* --seed and those that follow it */
    char **overrides; /* of settings, borrowed; data.pack is among them */
    int noverrides;
    int64_t done, total;
} probe_bench;

/* A probe on features, once a seed. */
typedef struct probe_trial {
    const probe *probe;
    const char *name; /* of the run, with the seed behind it */
    const dsp_config *features;
    const char *net; /* graph text for model.file; NULL: the probe's own */
    bool *right;     /* [seeds, n]: which clips it has right; owned */
    size_t n;
    quant_workload work; /* of the first seed's model; owned */
} probe_trial;

/* Opens data.pack of the overrides and makes the folder. total: trials to come. */
base_status probe_bench_open(probe_bench *b, int64_t total, base_err *err);
void probe_bench_close(probe_bench *b);

base_status probe_trial_run(probe_bench *b, probe_trial *t, base_err *err);
void probe_trial_free(probe_trial *t);
/* Share of clips that seed `seed` has right. */
double probe_trial_accuracy(const probe_trial *t, int seed);
/* Mean over the seeds, and the standard deviation of one (NAN of a single one). */
double probe_trial_mean(const probe_trial *t, int seeds, double *deviation);

/* ---- explore ---- */

typedef struct explore_options {
    const char *target, *probes, *split, *by, *keep;
    int seeds;
} explore_options;

/* What is to be had little of. */
typedef enum explore_cost {
    EXPLORE_CYCLES,
    EXPLORE_RAM,
    EXPLORE_FLASH,
    EXPLORE_COSTS
} explore_cost;

/* A probe on a candidate. */
typedef struct explore_entry {
    const char *name;
    dsp_config features;
    probe_trial trial;
    double accuracy, deviation;
    data_difference worse; /* than the best; value <= 0 */
    double p;              /* of Holm */
    quant_front_cost front;
    quant_estimate net;         /* the probe's */
    double cost[EXPLORE_COSTS]; /* INFINITY: not known */
    bool is_worse, on_front;
} explore_entry;

/* All entries of one probe, the candidates in order. */
typedef struct explore_contest {
    const probe *probe;
    explore_entry *list;
    size_t n, best, pays;
    base_str why; /* pays does */
} explore_contest;

typedef struct explorer {
    cli *c;
    explore_options o;
    int by; /* explore_cost */
    quant_target target;
    probe_bench bench;
    explore_contest *contests;
    size_t n;
} explorer;

/* "best", "noise" or "worse". */
const char *explore_verdict(const explore_contest *k, size_t i);
/* The page of -o. */
base_status explore_page(const explorer *x, base_err *err);

#endif
