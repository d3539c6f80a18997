/* sotto registry verify: whether versions are what was added. */
#include "train/cli.h"
#include "train/registry.h"
#include "train/registry_options.h"

#include <stdlib.h>
#include <string.h>

/* What is wrong with a version, a row each; one row when nothing is. */
static base_status verify(const registry *r, cli_table *t, const char *version, size_t *damaged,
                          base_err *err)
{
    base_str damage = {0};
    const base_status status = registry_verify(r, version, &damage, err);
    char *rest = NULL, *line = damage.s ? strtok_r(damage.s, "\n", &rest) : NULL;
    *damaged += line != NULL;
    do {
        cli_cell_text(t, version);
        cli_cell_text(t, line ? "damaged" : "ok");
        cli_cell_text(t, line);
    } while (line && (line = strtok_r(NULL, "\n", &rest)));
    base_str_free(&damage);
    return status;
}

static base_status verify_all(cli *c, const registry *r, size_t *damaged, base_err *err)
{
    static const cli_column columns[] = {
        {"version", NULL, CLI_TEXT, 0}, {"state", NULL, CLI_TEXT, 0}, {"what", NULL, CLI_TEXT, 0}};
    char version[REGISTRY_NAME];
    cli_table *t = cli_table_new(c, "versions", columns, BASE_COUNT(columns));
    base_status status = BASE_OK;
    for (int i = 0; i < c->nargs; i++) {
        BASE_TRY(registry_find(r, c->args[i], version, err));
        BASE_TRY(verify(r, t, version, damaged, err));
    }
    if (c->nargs > 0) return BASE_OK;
    int64_t *list;
    size_t n;
    BASE_TRY(registry_versions(r, &list, &n, err));
    for (size_t i = 0; i < n && status == BASE_OK; i++) {
        snprintf(version, sizeof version, "v%lld", (long long)list[i]);
        status = verify(r, t, version, damaged, err);
    }
    free(list);
    return status;
}

base_status cmd_registry_verify(cli *c, int argc, char **argv, base_err *err)
{
    const cli_spec spec = {.usage = "[VERSION|ALIAS...]",
                           .about = "Hashes every file of the versions, all without arguments. "
                                    "Exit 6 when one is not what\nwas added, or the journal is "
                                    "damaged.",
                           .max_args = -1};
    const char *dir = "registry";
    const struct poptOption options[] = {REGISTRY_OPTION(&dir), POPT_TABLEEND};
    if (!cli_parse(c, argc, argv, &spec, options, err)) return err->status;
    registry r;
    size_t damaged = 0;
    BASE_TRY(registry_open(dir, false, &r, err));
    base_status status = verify_all(c, &r, &damaged, err);
    if (r.damage.len) cli_warn(c, "%s", r.damage.s);
    if (status == BASE_OK && damaged > 0)
        status = base_fail(err, BASE_MISMATCH, "%zu version%s damaged", damaged,
                           damaged == 1 ? " is" : "s are");
    else if (status == BASE_OK && r.damage.len)
        status = base_fail(err, BASE_MISMATCH, "the journal is damaged");
    registry_close(&r);
    return status;
}
