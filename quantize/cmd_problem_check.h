/* cmd_problem_check: the gates of a config, measured and judged, as `sotto problem check` and
 * `sotto report` show them.
 */
#ifndef QUANTIZE_CMD_PROBLEM_CHECK_H
#define QUANTIZE_CMD_PROBLEM_CHECK_H

#include "quantize/gauge.h"
#include "train/cli.h"
#include "train/setup.h"

typedef struct gate_check {
    train_setup setup;                 /* of the config */
    quant_gauge gauge;                 /* what is measured, and how */
    bool strict;                       /* unsure and not measured are not met */
    double threshold;                  /* of the recording; NAN: none was heard */
    quant_reading readings[GATES_MAX]; /* of setup.gates */
} gate_check;

/* Nothing is named; what `sotto stream` does is how a recording is heard. */
gate_check gate_check_default(cli *c);
/* The config that a model is measured against: path, or what a run keeps without it. *file is NULL
 * where there is neither; freed with free(). */
base_status gate_check_file(const char *path, const char *model, char **file, base_err *err);
/* The config with the overrides of the command. */
base_status gate_check_config(gate_check *k, const cli *c, const char *path, base_err *err);
/* Of what is named: gauge.model, int8, pack (else data.pack), recording; threshold: that of
 * detections, negative: the one that the gate fa_per_hour allows. The board is target.board, else
 * gauge.board. */
base_status gate_check_measure(gate_check *k, cli *c, double threshold, base_err *err);

gate_verdict gate_check_verdict(const gate_check *k, int i);
/* Whether gate i counts as met: 1, 0; -1: it does not count. */
int gate_check_met(const gate_check *k, int i);
/* "accuracy >= 0.93" */
void gate_check_text(const gate_check *k, int i, char text[96]);

#endif
