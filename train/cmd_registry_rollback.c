/* sotto registry rollback: an alias becomes again what it was before. */
#include "train/cli.h"
#include "train/registry.h"
#include "train/registry_options.h"

static base_status rollback(cli *c, registry *r, registry_change change, base_err *err)
{
    char version[REGISTRY_NAME];
    const char *now = registry_alias(r, change.alias);
    const char *before = registry_previous(r, change.alias);
    if (!before)
        return base_fail(err, BASE_DATA, "there is no version that was %s before %s", change.alias,
                         now ? now : "any");
    BASE_TRY(registry_find(r, before, version, err));
    base_str damage = {0};
    base_status status = registry_verify(r, version, &damage, err);
    if (status == BASE_OK && damage.len) {
        status = base_fail(err, BASE_MISMATCH, "%s is damaged", version);
        base_hint(err, "sotto registry verify %s; promote another version instead", version);
    }
    base_str_free(&damage);
    if (status != BASE_OK) return status;
    change.version = version;
    BASE_TRY(registry_change_alias(r, change, err));
    cli_put_text(c, "alias", change.alias);
    cli_put_text(c, "version", version);
    cli_put_text(c, "previous", now);
    return BASE_OK;
}

base_status cmd_registry_rollback(cli *c, int argc, char **argv, base_err *err)
{
    const cli_spec spec = {.about = "Once more goes back one more.", .max_args = 0};
    const char *dir = "registry";
    registry_change change = {.what = "rollback", .alias = "production"};
    const struct poptOption options[] = {
        REGISTRY_OPTION(&dir),
        {"as", 0, POPT_ARG_STRING, &change.alias, 0, "production or candidate", "ALIAS"},
        {"reason", 0, POPT_ARG_STRING, &change.reason, 0, "why, for the journal", "TEXT"},
        POPT_TABLEEND};
    if (!cli_parse(c, argc, argv, &spec, options, err)) return err->status;
    BASE_TRY(registry_check_alias(change.alias, err));
    registry r;
    BASE_TRY(registry_open(dir, true, &r, err));
    if (r.damage.len) cli_warn(c, "%s", r.damage.s);
    const base_status status = rollback(c, &r, change, err);
    registry_close(&r);
    return status;
}
