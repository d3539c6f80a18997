/* explore: what a data set sounds like: means of its classes, where its clips lie among each other,
 * which lie apart (sotto data explore).
 */
#ifndef DATA_EXPLORE_H
#define DATA_EXPLORE_H

#include "data/summary.h"

enum { DATA_MOST_CLASSES = 64 }; /* that a page has room for */

typedef struct data_explore_options {
    const char *keywords; /* as for data_classes_new */
    data_split split;     /* DATA_SPLITS: all */
    size_t most;          /* clips that are listened to, chosen alike of each class */
    size_t mapped;        /* points of the map, of these */
    size_t outliers;      /* that are listed, spread over the classes */
    /* Where each clip of r is, width numbers for it, as a model sees it; NULL: its sound decides.
     */
    const float *points;
    size_t width;
    uint64_t seed; /* of the choice */
    int threads;
    const volatile int *stop; /* as in data_import, like the rest */
    void (*progress)(void *ctx, const char *what, int64_t done, int64_t total);
    void *ctx;
} data_explore_options;

/* The clips that were listened to. */
typedef struct data_heard {
    size_t n;
    size_t *clip;  /* index into the recordings, ascending */
    int *of;       /* class */
    float *points; /* n x width: mean power in 20 bands and 10 equal parts of the word, less that
                    * of the word, ln; or those that were given */
    size_t width;
    float *mean; /* (classes + 1) x frames x bins: mean spectrograms, ln of power; last: all */
    int frames, bins;
    float *axes;   /* n x n_axes: the points along their principal components */
    double *share; /* of these in the variance */
    size_t n_axes;
    double *apart; /* local outlier factor within the class; NaN where the class is too small */
    double *away;  /* distance from the mean of the class along the axes */
    size_t *worst; /* the most apart, n_worst of them: indices into clip */
    size_t n_worst;
} data_heard;

/* Some of the clips, on a plane. */
typedef struct data_map {
    size_t n;
    size_t *at;  /* index into data_heard.clip, ascending; the worst are among them */
    float *pca;  /* n x 2: the first two components, */
    float *tsne; /* and van der Maaten's map; NULL: too few points for one */
    double perplexity, start, end; /* divergence before and after */
    double trust_pca, trust_tsne;  /* trustworthiness at 12 neighbours; NaN: too few points */
} data_map;

typedef struct data_exploration {
    const data_recordings *r;
    data_facts *facts;
    data_classes classes;
    data_groups groups; /* readable clips of the split by class */
    data_heard heard;
    data_map map;
} data_exploration;

/* BASE_USAGE: too many classes; BASE_DATA: no readable clip. Nothing in it depends on the number of
 * threads. Free with data_exploration_free, also on failure. */
base_status data_explore(const data_recordings *r, const data_explore_options *o,
                         data_exploration *e, base_err *err);
void data_exploration_free(data_exploration *e);

/* The steps of it. */
base_status data_listen(data_exploration *e, const data_explore_options *o, base_err *err);
base_status data_arrange(data_exploration *e, const data_explore_options *o, base_err *err);

/* What a model makes of the clips; all NULL without one. */
typedef struct data_explore_model {
    const char *path;
    const char *const *heard; /* of each clip of r, the class; NULL: not listened to */
} data_explore_model;

/* The page about it. Its size does not grow with the clips. */
base_status data_explore_page(const data_exploration *e, const char *title,
                              const data_explore_model *model, base_str *out, base_err *err);

#endif
