/* report: what `sotto report` knows of models, and the sections of its page.
 */
#ifndef QUANTIZE_REPORT_H
#define QUANTIZE_REPORT_H

#include "data/metrics.h"
#include "quantize/gauge.h"
#include "quantize/workload.h"

/* The journal and the config of a run; all empty for a model file. */
typedef struct report_run {
    char *config;                                              /* text of config.ini; NULL: none */
    double *epoch, *loss, *accuracy, *val_loss, *val_accuracy; /* n each, NAN where not known */
    size_t n;
} report_run;

/* dir: a run directory, or anything else, which has neither. A line that is damaged, as by a crash,
 * is left out. Freed with report_run_free. */
base_status report_run_read(const char *dir, report_run *run, base_err *err);
/* The value of a key of the run's config as text; false where it has none, or a longer one. */
bool report_run_key(const report_run *run, const char *section, const char *key, char value[64]);
void report_run_free(report_run *run);

/* A model on a pack. */
typedef struct report_model {
    const char *path;      /* as it was named */
    quant_workload work;   /* owns the model */
    const nn_model *model; /* of work: labels, features */
    data_task *task;
    int64_t *confusion;      /* labels x labels */
    int64_t *fixed;          /* the same from features in integers; NULL: none */
    quant_outcome *outcomes; /* of every clip of the split */
    bool *right;             /* which of these it has right */
    data_score score;
    quant_estimate estimate; /* on the first board */
    report_run run;
} report_model;

typedef struct report_board {
    quant_target target;
    quant_estimate estimate; /* of the model to deploy */
} report_board;

/* A requirement of the config and what became of it. */
typedef struct report_gate {
    char text[96]; /* "accuracy >= 0.93" */
    quant_reading reading;
    const char *verdict, *met; /* met: NULL where it does not count */
} report_gate;

typedef struct report {
    const data_pack *pack;
    data_split split;
    report_model *models; /* the first one is what the page is about; the int8 model comes last */
    size_t n_models;
    const report_model *deploy; /* the int8 model where there is one, else the first */
    report_board *boards;
    size_t n_boards;
    const char *config; /* text of the config whose problem and gates these are; NULL: none */
    const report_gate *gates;
    size_t n_gates;
    const char *gates_board; /* that they were measured on; NULL: none */
    double threshold;        /* of the recording; NAN: none was heard */
    size_t errors;           /* at most so many of the worst are shown */
} report;

const char *report_kind(const report_model *m); /* "float", "int8" */

/* The sections. What there is nothing to say about is not there. */
void report_summary(const report *r, base_str *out);
void report_problem(const report *r, base_str *out); /* [problem] and [gates] of the config */
base_status report_data(const report *r, base_str *out, base_err *err);
void report_curves(const report *r, base_str *out);
void report_classes(const report *r, base_str *out); /* confusion, precision, recall */
base_status report_errors(const report *r, base_str *out, base_err *err);
void report_int8(const report *r, base_str *out);
void report_layers(const report *r, base_str *out);
void report_boards(const report *r, base_str *out);
base_status report_compare(const report *r, base_str *out, base_err *err);
void report_config(const report *r, base_str *out);

/* The whole page. */
base_status report_page(const report *r, base_str *out, base_err *err);

#endif
