/* space: the [sweep] section: which keys a sweep varies and how the next values are chosen.
 *
 *     train.lr = log 1e-4 1e-1       log-uniform        x = uniform 0 1
 *     model.width = int 4 64         whole numbers      model.arch = ds_cnn gru    choices
 *
 * `features` stands for features.preset. A point of the space is one double a parameter: the place
 * in 0 .. 1 of a number (log: of its logarithm), the index of a choice.
 */
#ifndef TRAIN_SPACE_H
#define TRAIN_SPACE_H

#include "train/config.h"

enum { SWEEP_PARAMS = 16, SWEEP_TEXT = 200 };

typedef enum sweep_kind { SWEEP_CHOICE, SWEEP_UNIFORM, SWEEP_LOG, SWEEP_INT } sweep_kind;
typedef enum sweep_method { SWEEP_RANDOM, SWEEP_GRID, SWEEP_TPE } sweep_method;
typedef enum sweep_stopping { SWEEP_STOP_NONE, SWEEP_STOP_ASHA } sweep_stopping;

typedef struct sweep_param {
    char key[64], text[SWEEP_TEXT]; /* as written: "train.lr", "log 1e-4 1e-1" */
    sweep_kind kind;
    double lo, hi; /* of numbers */
    int choices;   /* of SWEEP_CHOICE: words of text */
} sweep_param;

typedef struct sweep_space {
    int method;   /* sweep_method */
    int stopping; /* sweep_stopping, with asha (asha.h): */
    int64_t reduction, min_epochs;
    int64_t trials, seed;
    char maximize[SWEEP_TEXT], minimize[SWEEP_TEXT]; /* results by name; the first is what guides */
    sweep_param params[SWEEP_PARAMS];
    int n;
} sweep_space;

sweep_space sweep_space_default(void);
config_section sweep_section(sweep_space *s); /* [sweep] over s */

/* The value at a place, added to out as text. */
void sweep_value(const sweep_param *p, double at, base_str *out);
/* The place of a value; false when it is none of p's. */
bool sweep_place(const sweep_param *p, const char *value, double *at);
/* Points of a grid; 0: a parameter is no list of choices. */
int64_t sweep_grid_size(const sweep_space *s);
void sweep_grid(const sweep_space *s, int64_t i, double *at);
void sweep_random(const sweep_space *s, int64_t id, double *at);

/* Tree-structured Parzen estimator (Bergstra, Bardenet, Bengio, Kegl, "Algorithms for
 * hyper-parameter optimization", NIPS 2011): of n points (n * s->n places) with scores (higher is
 * better, -INFINITY: failed or not known yet) the best make one density, the others a second; of 24
 * points drawn from the first, the one where the ratio is largest. Random for the first 10. */
base_status sweep_tpe(const sweep_space *s, int64_t id, const double *points, const double *scores,
                      size_t n, double *at, base_err *err);

#endif
