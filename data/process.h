/* process: running another program (espeak-ng, curl, tar) and waiting for it, from any thread. */
#ifndef DATA_PROCESS_H
#define DATA_PROCESS_H

#include "nn/base.h"

typedef struct data_process {
    const char *const *argv;  /* ended by NULL; argv[0] is looked up in PATH */
    base_str *out, *errors;   /* gather its stdout and stderr; NULL: thrown away */
    bool tied;                /* terminated, too, when the calling thread dies, however it does */
    const volatile int *stop; /* when it becomes nonzero the program is terminated; may be NULL */
    void (*tick)(void *ctx);  /* called some times a second while it runs; may be NULL */
    void *ctx;
} data_process;

/* Run to the end. *code: its exit code, or 128 + the signal that ended it. BASE_FAILED when it
 * cannot be started, BASE_INTERRUPTED when stop was set. */
base_status data_process_run(const data_process *process, int *code, base_err *err);

/* Whether PATH has a program of this name. */
bool data_process_found(const char *program);

/* The last line of what a program said, without its newline: a pointer into text, which is cut.
 * "" when it said nothing. */
const char *data_process_last_line(base_str *text);

#endif
