/* summary: clips grouped by class, speaker or split, and what is to be said of each group (sotto
 * data stats, explore).
 */
#ifndef DATA_SUMMARY_H
#define DATA_SUMMARY_H

#include "data/survey.h"

/* Which class each word is. */
typedef struct data_classes {
    const char **names; /* n of them, borrowed from the recordings but _unknown_ */
    size_t n;
    int *of_word; /* index into names */
} data_classes;
/* keywords ("yes,no"): these in order, then _unknown_ and _silence_: all other words, and clips of
 * that word, where there are any. NULL: every word that has a clip is a class. BASE_USAGE when a
 * keyword is no word of r. */
base_status data_classes_new(const data_recordings *r, const char *keywords, data_classes *c,
                             base_err *err);
void data_classes_free(data_classes *c);

/* Clips that are readable and of a split (DATA_SPLITS: of all), in n groups. */
typedef struct data_groups {
    size_t n;
    size_t *start; /* n + 1: those of group g are clip[start[g]] .. clip[start[g + 1] - 1], */
    size_t *clip;  /* indices, ascending */
} data_groups;
/* group: of each clip of r, 0 .. n - 1. */
base_status data_groups_new(const data_recordings *r, const data_facts *facts, data_split split,
                            const int *group, size_t n, data_groups *g, base_err *err);
void data_groups_free(data_groups *g);

/* 10 %, 50 %, 90 % of some numbers, linear between neighbours (type 7 of Hyndman and Fan, "Sample
 * quantiles in statistical packages", The American Statistician 1996); NaN of none. */
typedef struct data_quantiles {
    double low, median, high;
} data_quantiles;
/* Sorts v. */
data_quantiles data_quantiles_of(double *v, size_t n);

typedef struct data_summary {
    int64_t clips, split[DATA_SPLITS], words, speakers;
    int64_t no_word;         /* clips in which nothing stands out of the noise (data_level) */
    double seconds;          /* of all */
    data_quantiles level;    /* data_level: rms_db, */
    data_quantiles peak;     /* peak as dBFS, */
    data_quantiles snr;      /* snr_db, of clips with a word */
    data_quantiles duration; /* seconds */
    double most;             /* share of the clips that the speaker with most of them has */
    double gini; /* of clips per speaker: 0: all have as many, towards 1: one has them all (Gini,
                  * "Variabilita e mutabilita", 1912) */
} data_summary;
/* Of n clips. */
base_status data_summarize(const data_recordings *r, const data_facts *facts, const size_t *clips,
                           size_t n, data_summary *s, base_err *err);

/* What a quantity of a clip is, dBFS, dB or seconds; NaN: SNR of a clip without a word. */
typedef enum data_quantity {
    DATA_LEVEL,
    DATA_PEAK,
    DATA_SNR,
    DATA_DURATION,
    DATA_QUANTITIES,
} data_quantity;
double data_quantity_of(const data_facts *f, data_quantity q);

/* Clips of each of r's speakers among n clips. */
void data_count_speakers(const data_recordings *r, const size_t *clips, size_t n, int64_t *count);

#endif
