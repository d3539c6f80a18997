/* The battery as cmocka tests: every operator of the registry times every check. */
#include "tests/battery.h"

#include "tests/check.h"
#include "tests/oracle.h"

#include <stdlib.h>
#include <string.h>

const battery_check battery_checks[] = {
    {"text", battery_text},
    {"shapes", battery_shapes},
    {"params", battery_params},
    {"cost", battery_cost},
    {"forward", battery_forward},
    {"observed", battery_observed},
    {"nan", battery_nan},
    {"in_place", battery_in_place},
    {"singles", battery_singles},
    {"random", battery_random},
    {"streaming", battery_streaming},
    {"gradient", battery_gradient},
    {"accumulates", battery_accumulates},
    {"fresh", battery_fresh},
    {"clamped", battery_clamped},
    {"clamped_evaluation", battery_clamped_evaluation},
    {"saved_model", battery_saved_model},
    {"threads", battery_threads},
};
const int battery_n_checks = BASE_COUNT(battery_checks);

typedef struct battery_job {
    const nn_op *op;
    const battery_check *check;
    char name[80];
} battery_job;

/* Prints every case that fails, so that it can be repeated. */
static void run_job(void **state)
{
    const battery_job *job = *state;
    int failed = 0;
    for (int i = 0; i < job->op->n_cases; i++) {
        base_str why = {0};
        job->check->run(&(battery_case){.text = job->op->cases[i]}, &why);
        if (why.len > 0) {
            failed++;
            print_error("%s on \"%s\":\n%srepeat: " BATTERY_PROGRAM " %s\n", job->name,
                        job->op->cases[i], why.s, job->name);
        }
        base_str_free(&why);
    }
    if (failed > 0) fail_msg("%s: %d of %d cases", job->name, failed, job->op->n_cases);
}

static void run_descriptor(void **state)
{
    const battery_job *job = *state;
    base_str why = {0};
    battery_descriptor(job->op, &why);
    if (why.len > 0) print_error("%s:\n%s", job->name, why.s);
    bool bad = why.len > 0;
    base_str_free(&why);
    if (bad) fail_msg("%s: the descriptor is not complete", job->name);
}

/* Adds a test unless the filter says no. */
static void add_test(struct CMUnitTest *tests, int *n, battery_job *job, CMUnitTestFunction run,
                     const char *filter)
{
    snprintf(job->name, sizeof job->name, "%s/%s", job->op ? job->op->name : "battery",
             job->check ? job->check->name
             : job->op  ? "descriptor"
                        : "sabotage");
    if (filter && !strstr(job->name, filter)) return;
    tests[(*n)++] = (struct CMUnitTest){.name = job->name, .test_func = run, .initial_state = job};
}

int battery_main(const char *suite, int argc, char **argv)
{
    const char *filter = argc > 1 ? argv[1] : getenv("BATTERY");
    size_t most = (size_t)nn_n_ops * ((size_t)battery_n_checks + 1) + 1;
    struct CMUnitTest *tests = calloc(most, sizeof *tests);
    battery_job *jobs = calloc(most, sizeof *jobs), *job = jobs;
    int n = 0;
    for (int i = 0; i < nn_n_ops; i++) {
        *job = (battery_job){.op = nn_ops[i]};
        add_test(tests, &n, job++, run_descriptor, filter);
        for (int k = 0; k < battery_n_checks && oracle_find(nn_ops[i]->name); k++) {
            *job = (battery_job){.op = nn_ops[i], .check = &battery_checks[k]};
            add_test(tests, &n, job++, run_job, filter);
        }
    }
    add_test(tests, &n, job, battery_sabotage, filter);
    int failed = n == 0 ? 1 : _cmocka_run_group_tests(suite, tests, (size_t)n, NULL, NULL);
    if (n == 0) print_error("no test has '%s' in its name\n", filter);
    free(tests);
    free(jobs);
    return failed;
}
