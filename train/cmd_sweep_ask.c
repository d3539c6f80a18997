/* sotto sweep ask: the next trial. */
#include "train/cli.h"
#include "train/cmd_worker.h"

#include <unistd.h>

base_status cmd_sweep_ask(cli *c, int argc, char **argv, base_err *err)
{
    const cli_spec spec = {
        .usage = "SWEEP",
        .about = "Prints one line: the trial's number and its section.key=value words, as in\n"
                 "  while t=$(sotto sweep ask s); do set -- $t; id=$1; shift; ...; done\n"
                 "Before those, with stopping = asha, --until=EPOCH: what it is to be trained to\n"
                 "now, perhaps from where it was left. Trials over a limit of [gates] are\n"
                 "rejected and passed over. Fails when the sweep has had all its trials; exit 75\n"
                 "when that hangs on trials that are being worked on.",
        .min_args = 1,
        .max_args = 1};
    if (!cli_parse(c, argc, argv, &spec, NULL, err)) return err->status;
    sweep s;
    BASE_TRY(sweep_open(c->args[0], &s, err));
    if (s.damaged) cli_warn(c, "%s/journal.jsonl:%d: damaged, skipped", s.dir, s.damaged);
    int64_t id;
    char worker[32];
    snprintf(worker, sizeof worker, "shell:%ld", (long)getppid());
    s.judge = cmd_worker_judge;
    base_status status = sweep_ask(&s, worker, NULL, &id, err);
    if (status == BASE_OK && id == 0 && s.busy > 0 && s.n_rungs > 1)
        status = base_fail(err, BASE_AGAIN, "trial %lld of '%s' is still being worked on",
                           (long long)s.busy, s.dir);
    else if (status == BASE_OK && id == 0)
        status = base_fail(err, BASE_FAILED, "'%s' has had all its %zu trials", s.dir, s.n);
    if (status == BASE_OK) {
        printf("%lld", (long long)id);
        if (s.n_rungs > 1) printf(" --until=%lld", (long long)s.rungs[s.trials[id - 1].rung]);
        const char *key;
        json_t *value;
        json_object_foreach(json_object_get(s.trials[id - 1].asked, "values"), key, value)
            printf(" %s=%s", key, json_string_value(value));
        printf("\n");
    }
    sweep_close(&s);
    return status;
}
