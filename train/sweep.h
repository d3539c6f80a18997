/* sweep: a folder of trials that many workers share, also from several machines on one file system.
 *
 *     config.ini     what is trained, with [sweep]
 *     journal.jsonl  all there is to know: one line (one write, synced) an event, only ever added
 *                    to, under flock: ask (id, values, costs, worker), reject (the same and a
 *                    reason: never trained), take (again, after its worker died), report
 *                    (results at a rung before the last), promote (on to the next rung), tell
 *                    (results), fail (reason)
 *     trials/ID      the run of a trial; trials/ID.lock is held (flock) while it is worked on
 *
 * A worker that dies loses its lock, so its trial is free for the next; no clock is looked at. A
 * line that a crash cut is skipped and named. A trial asked for from a shell has no lock and waits
 * for its tell.
 */
#ifndef TRAIN_SWEEP_H
#define TRAIN_SWEEP_H

#include "train/asha.h"
#include "train/setup.h"

#include <jansson.h>

typedef enum sweep_state {
    SWEEP_ASKED,
    SWEEP_TOLD,
    SWEEP_FAILED,
    SWEEP_REJECTED, /* not within the limits: never trained */
    SWEEP_PAUSED,   /* at its rung; goes on if it is among the best there */
    SWEEP_STATES
} sweep_state;
const char *sweep_state_name(sweep_state s); /* "asked" */

typedef struct sweep_trial {
    sweep_state state;
    bool locked;               /* asked for by a worker that holds a lock */
    int takes;                 /* how often it was begun */
    int rung;                  /* that it is trained to, or has come to */
    json_t *asked;             /* the event ask or reject: id, worker, values, costs */
    json_t *told[SWEEP_RUNGS]; /* its report or tell at each rung; NULL: none yet */
    json_t *ended;             /* tell, fail or reject; NULL: none yet */
} sweep_trial;

/* What the values of a trial cost without training, into *costs (figures by name, NULL: none are
 * known), and why it is not to be trained, into reason ("": it is). */
struct sweep;
typedef base_status (*sweep_judge)(const struct sweep *s, const json_t *values, json_t **costs,
                                   char reason[SWEEP_TEXT], base_err *err);

/* An open sweep holds the lock of the journal: others wait. */
typedef struct sweep {
    char *dir;
    int fd; /* of the journal */
    sweep_space space;
    int64_t rungs[SWEEP_RUNGS]; /* epochs at each */
    int n_rungs;
    sweep_judge judge; /* of the trials that sweep_ask makes up; NULL after sweep_open: none */
    int64_t busy; /* of sweep_ask: a trial at which others are, and which may leave something to do
                   */
    sweep_trial *trials; /* trial id is trials[id - 1] */
    size_t n, cap;
    int damaged; /* line of the journal that cannot be read, the first; 0: none */
    bool torn;   /* the last line has no end */
} sweep;

/* A new one; config_text is its config.ini. BASE_USAGE when dir holds one already. */
base_status sweep_create(const char *dir, const char *config_text, base_err *err);
base_status sweep_open(const char *dir, sweep *s, base_err *err);
void sweep_close(sweep *s);

/* The next trial's id, to be trained to its rung, or 0 when there is nothing to do: s->busy tells
 * whether for good (0). lock: NULL, or takes a trial whose worker died first, and *lock is then a
 * descriptor that holds the trial until it is closed, which programs started meanwhile inherit.
 * Trials that s->judge rejects are journaled and do not count for [sweep] trials, but ten times as
 * many end the sweep. */
base_status sweep_ask(sweep *s, const char *worker, int *lock, int64_t *id, base_err *err);
/* Wait until nobody is at the trial. BASE_INTERRUPTED when a signal came. */
base_status sweep_wait(const char *dir, int64_t id, base_err *err);
/* Results by name, at its rung. BASE_USAGE when there is no such trial or it is not being worked
 * on. Takes over the reference. */
base_status sweep_tell(sweep *s, int64_t id, json_t *results, base_err *err);
base_status sweep_fail(sweep *s, int64_t id, const char *reason, base_err *err);

/* Result of a trial by name, of the last rung with one, or its cost; NAN when it has neither. */
double sweep_result(const sweep_trial *t, const char *name);
/* Epochs it has been trained for, as far as told of. */
int64_t sweep_epochs(const sweep *s, const sweep_trial *t);
size_t sweep_count(const sweep *s, sweep_state state);
/* Objective i by name (first the maximized, then the minimized), or NULL; *sign: 1 or -1. */
const char *sweep_objective(const sweep_space *s, int i, char name[64], int *sign);
/* Whether it is told and no other told trial is at least as good in all objectives and better in
 * one. */
bool sweep_on_front(const sweep *s, size_t i);

#endif
