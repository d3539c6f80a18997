/* sweep: a folder of trials that many workers share, also from several machines on one file system.
 *
 *     config.ini     what is trained, with [sweep]
 *     journal.jsonl  all there is to know: one line (one write, synced) an event, only ever added
 *                    to, under flock: ask (id, values, worker), take (again, after its worker
 *                    died), tell (results), fail (reason)
 *     trials/ID      the run of a trial; trials/ID.lock is held (flock) while it is worked on
 *
 * A worker that dies loses its lock, so its trial is free for the next; no clock is looked at. A
 * line that a crash cut is skipped and named. A trial asked for from a shell has no lock and waits
 * for its tell.
 */
#ifndef TRAIN_SWEEP_H
#define TRAIN_SWEEP_H

#include "train/setup.h"

#include <jansson.h>

typedef enum sweep_state { SWEEP_ASKED, SWEEP_TOLD, SWEEP_FAILED } sweep_state;

typedef struct sweep_trial {
    sweep_state state;
    bool locked;   /* asked for by a worker that holds a lock */
    int takes;     /* how often it was begun */
    json_t *asked; /* the event: id, worker, values */
    json_t *ended; /* tell or fail; NULL: none yet */
} sweep_trial;

/* An open sweep holds the lock of the journal: others wait. */
typedef struct sweep {
    char *dir;
    int fd; /* of the journal */
    sweep_space space;
    sweep_trial *trials; /* trial id is trials[id - 1] */
    size_t n, cap;
    int damaged; /* line of the journal that cannot be read, the first; 0: none */
    bool torn;   /* the last line has no end */
} sweep;

/* A new one; config_text is its config.ini. BASE_USAGE when dir holds one already. */
base_status sweep_create(const char *dir, const char *config_text, base_err *err);
base_status sweep_open(const char *dir, sweep *s, base_err *err);
void sweep_close(sweep *s);

/* The next trial's id, or 0 when all have been asked for. lock: NULL, or takes a trial whose worker
 * died first, and *lock is then a descriptor that holds the trial until it is closed, which
 * programs started meanwhile inherit. */
base_status sweep_ask(sweep *s, const char *worker, int *lock, int64_t *id, base_err *err);
/* Results by name. BASE_USAGE when there is no such trial or it has ended already. Takes over the
 * reference. */
base_status sweep_tell(sweep *s, int64_t id, json_t *results, base_err *err);
base_status sweep_fail(sweep *s, int64_t id, const char *reason, base_err *err);

/* Result of a told trial by name, NAN when it has none. */
double sweep_result(const sweep_trial *t, const char *name);
/* Objective i by name (first the maximized, then the minimized), or NULL; *sign: 1 or -1. */
const char *sweep_objective(const sweep_space *s, int i, char name[64], int *sign);
/* Whether no told trial is at least as good in all objectives and better in one. */
bool sweep_on_front(const sweep *s, size_t i);

#endif
