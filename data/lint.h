/* lint: what is wrong with a data set, clip by clip and as a whole.
 */
#ifndef DATA_LINT_H
#define DATA_LINT_H

#include "data/survey.h"

typedef enum data_problem {
    DATA_UNREADABLE,
    DATA_SILENT,    /* loudest 10 ms below -50 dBFS */
    DATA_NO_WORD,   /* nothing stands out of the noise (data_level) */
    DATA_CLIPPED,   /* 0.1 % of the samples or more in flat tops (data_level) */
    DATA_OFFSET,    /* mean beyond 1 % of full scale */
    DATA_CUT_START, /* a sound at the first 20 ms: within 12 dB of the loudest block and 10 dB above
                     * the noise */
    DATA_CUT_END,   /* the same at the last 20 ms */
    DATA_FORMAT,    /* a file that is not 16 kHz mono */
    DATA_LENGTH,    /* shorter or longer than is wanted */
    DATA_DUPLICATE, /* equal samples */
    DATA_NEAR,      /* the same recording (duplicates.h) */
    DATA_SPEAKER,   /* a speaker in two splits */
    DATA_IMBALANCE, /* a word of less than half or more than twice the median of the words' training
                     * clips, or without clips in a split */
    DATA_SUSPECT,   /* perhaps another word: a model hears another, by the loss of what is said */
    DATA_PROBLEMS,
} data_problem;
const char *data_problem_name(data_problem p); /* "no_word" */
const char *data_problem_help(data_problem p);
/* Whether clips with this are better left out without another look. */
bool data_problem_is_clear(data_problem p);
/* "silent,near_duplicate" as a set of bits 1 << data_problem; BASE_USAGE with the nearest name. */
base_status data_problems_parse(const char *list, unsigned *set, base_err *err);

typedef struct data_finding {
    data_problem problem;
    int64_t clip;  /* index; -1: of a speaker or a word */
    int64_t other; /* the clip that it equals, or -1 */
    double value; /* in the unit of the problem: dBFS, dB, share, seconds, Hz, correlation, clips */
    char detail[96];
} data_finding;

typedef struct data_findings {
    data_finding *list; /* by problem, then by clip, suspects by loss; freed with free() */
    size_t n, cap;
    bool failed; /* no memory for all of them */
} data_findings;

typedef struct data_lint_options {
    unsigned problems;             /* set of bits: which are looked for */
    double seconds_lo, seconds_hi; /* lengths that are right */
    const bool *counted;           /* of each word: whether imbalance looks at it; NULL: all */
    int threads;
} data_lint_options;

/* Everything but suspects. facts: of all of r; with prints when near duplicates are looked for. */
base_status data_lint_run(const data_recordings *r, const data_facts *facts,
                          const data_lint_options *o, data_findings *found, base_err *err);
/* Another finding; false when there is no memory. */
bool data_findings_add(data_findings *found, const data_finding *f);

/* The findings as a list that data/exclude.h reads: clips with a clear problem, others and all of
 * the test split commented out; problems in `named` count as clear. */
base_status data_lint_write(const data_recordings *r, const data_findings *found, unsigned named,
                            const char *path, base_err *err);

#endif
