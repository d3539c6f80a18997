/* gates: requirements that a model is measured against, the section [gates] of a config:
 *
 *     accuracy >= 0.93
 *     flash_kb <= 64
 *     recall.stop >= 0.9
 *
 * Each metric has one direction: a rate of right answers is a least value, a cost a most. inih cuts
 * such a line at '=', so the key that config hands over is "accuracy >" and its value "0.93".
 */
#ifndef TRAIN_GATES_H
#define TRAIN_GATES_H

#include "train/config.h"

enum { GATES_MAX = 32 };

typedef struct gate {
    char name[56]; /* "accuracy", "recall.stop" */
    bool most;     /* value <= limit, else value >= limit */
    double limit;
} gate;

/* [gates], in the order in which they were first set. */
typedef struct gate_settings {
    gate list[GATES_MAX];
    int n;
} gate_settings;

/* The section over s, which must outlive the config. */
config_section gates_section(gate_settings *s);
const gate *gates_find(const gate_settings *s, const char *name); /* NULL: none of that name */

typedef enum gate_verdict { GATE_PASS, GATE_FAIL, GATE_UNSURE, GATE_NOT_MEASURED } gate_verdict;
const char *gate_verdict_name(gate_verdict v); /* "pass", "fail", "unsure", "not measured" */

/* A measured value and the interval that it lies in: pass when all of the interval is within the
 * limit, fail when none of it is, else unsure. A value that is not finite was not measured. */
gate_verdict gate_judge(const gate *g, double value, double lo, double hi);
/* Whether the value itself is within the limit: what an unsure gate counts as. */
bool gate_holds(const gate *g, double value);

#endif
