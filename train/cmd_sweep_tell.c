/* sotto sweep tell: what a trial came to. */
#include "train/cli.h"
#include "train/sweep.h"

#include <string.h>

/* name=number words as an object; NULL: err says which is none. */
static json_t *results(cli *c, base_err *err)
{
    json_t *o = json_object();
    for (int i = 2; i < c->nargs; i++) {
        const char *equals = strchr(c->args[i], '=');
        double v;
        char name[64];
        bool good = equals && equals > c->args[i] && equals - c->args[i] < 64 &&
                    base_parse_double(equals + 1, &v);
        if (!good) {
            base_fail(err, BASE_USAGE, "'%.200s' is not name=number", c->args[i]);
            base_hint(err, "for example accuracy=0.93 flash_kb=31");
            json_decref(o);
            return NULL;
        }
        snprintf(name, sizeof name, "%.*s", (int)(equals - c->args[i]), c->args[i]);
        json_object_set_new(o, name, json_real(v));
    }
    return o;
}

base_status cmd_sweep_tell(cli *c, int argc, char **argv, base_err *err)
{
    const char *failed = NULL;
    const struct poptOption options[] = {{"failed", '\0', POPT_ARG_STRING, &failed, 0,
                                          "the trial came to nothing, and why", "REASON"},
                                         POPT_TABLEEND};
    const cli_spec spec = {.usage = "SWEEP TRIAL name=number ...",
                           .about =
                               "The names that [sweep] maximizes and minimizes, and any other.",
                           .min_args = 2,
                           .max_args = -1};
    if (!cli_parse(c, argc, argv, &spec, options, err)) return err->status;
    int64_t id;
    if (!base_parse_int(c->args[1], 1, INT64_MAX, &id))
        return base_fail(err, BASE_USAGE, "'%.60s' is no number of a trial", c->args[1]);
    if (!failed && c->nargs < 3)
        return base_fail(err, BASE_USAGE, "trial %s: no result given", c->args[1]);
    json_t *o = results(c, err);
    if (!o) return err->status;
    sweep s;
    base_status status = sweep_open(c->args[0], &s, err);
    if (status != BASE_OK) {
        json_decref(o);
        return status;
    }
    if (s.damaged) cli_warn(c, "%s/journal.jsonl:%d: damaged, skipped", s.dir, s.damaged);
    if (failed) {
        json_decref(o);
        status = sweep_fail(&s, id, failed, err);
    } else
        status = sweep_tell(&s, id, o, err);
    sweep_close(&s);
    return status;
}
