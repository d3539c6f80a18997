/* sotto sweep ask: the next trial. */
#include "train/cli.h"
#include "train/sweep.h"

#include <unistd.h>

base_status cmd_sweep_ask(cli *c, int argc, char **argv, base_err *err)
{
    const cli_spec spec = {
        .usage = "SWEEP",
        .about = "Prints one line: the trial's number and its section.key=value words, as in\n"
                 "  while t=$(sotto sweep ask s); do set -- $t; id=$1; shift; ...; done\n"
                 "Fails when the sweep has had all its trials.",
        .min_args = 1,
        .max_args = 1};
    if (!cli_parse(c, argc, argv, &spec, NULL, err)) return err->status;
    sweep s;
    BASE_TRY(sweep_open(c->args[0], &s, err));
    if (s.damaged) cli_warn(c, "%s/journal.jsonl:%d: damaged, skipped", s.dir, s.damaged);
    int64_t id;
    char worker[32];
    snprintf(worker, sizeof worker, "shell:%ld", (long)getppid());
    base_status status = sweep_ask(&s, worker, NULL, &id, err);
    if (status == BASE_OK && id == 0)
        status = base_fail(err, BASE_FAILED, "'%s' has had all its %zu trials", s.dir, s.n);
    if (status == BASE_OK) {
        printf("%lld", (long long)id);
        const char *key;
        json_t *value;
        json_object_foreach(json_object_get(s.trials[id - 1].asked, "values"), key, value)
            printf(" %s=%s", key, json_string_value(value));
        printf("\n");
    }
    sweep_close(&s);
    return status;
}
