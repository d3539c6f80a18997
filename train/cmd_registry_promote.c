/* sotto registry promote: a version becomes production or candidate. */
#include "train/cli.h"
#include "train/registry.h"
#include "train/registry_options.h"

#include <jansson.h>
#include <string.h>

/* Why a version may not be what it is to become, or OK. */
static base_status check_gates(cli *c, const registry *r, const char *version, const char *alias,
                               base_err *err)
{
    json_t *v = registry_version(r, version);
    const json_t *gates = json_object_get(v, "gates"), *met = json_object_get(gates, "met");
    const json_int_t missing = json_integer_value(json_object_get(gates, "not_measured"));
    const bool none = !met || (size_t)missing >= json_array_size(json_object_get(gates, "gates"));
    const bool failed = json_is_false(met);
    if (!failed && !none && missing > 0)
        cli_warn(c, "%lld of its gates were not measured", (long long)missing);
    json_decref(v);
    if (failed)
        base_fail(err, BASE_GATE, "%s does not meet its gates", version);
    else if (none && strcmp(alias, "production") == 0)
        base_fail(err, BASE_GATE, "the gates of %s were never measured", version);
    else
        return BASE_OK;
    return base_hint(err,
                     failed ? "sotto registry show %s --format json has them; --force with "
                              "--reason overrules"
                            : "add the model of %s again with --gates CHECK.json, which "
                              "sotto problem check --format json writes",
                     version);
}

static base_status check_files(const registry *r, const char *version, base_err *err)
{
    base_str damage = {0};
    base_status status = registry_verify(r, version, &damage, err);
    if (status == BASE_OK && damage.len)
        status = base_fail(err, BASE_MISMATCH, "%s is not what was added: %.300s", version,
                           strtok(damage.s, "\n"));
    base_str_free(&damage);
    return status;
}

static base_status promote(cli *c, registry *r, registry_change change, base_err *err)
{
    char version[REGISTRY_NAME];
    BASE_TRY(registry_find(r, c->args[0], version, err));
    BASE_TRY(check_files(r, version, err));
    const base_status gates = check_gates(c, r, version, change.alias, err);
    if (gates != BASE_OK && !change.forced) return gates;
    change.forced = gates != BASE_OK;
    change.version = version;
    const char *before = registry_alias(r, change.alias);
    if (before && strcmp(before, version) == 0) {
        cli_say(c, "%s is %s already", version, change.alias);
    } else {
        BASE_TRY(registry_change_alias(r, change, err));
    }
    cli_put_text(c, "alias", change.alias);
    cli_put_text(c, "version", version);
    cli_put_text(c, "previous", before ? before : "");
    cli_put_bool(c, "forced", change.forced);
    return BASE_OK;
}

base_status cmd_registry_promote(cli *c, int argc, char **argv, base_err *err)
{
    const cli_spec spec = {
        .usage = "VERSION|ALIAS",
        .about = "Refused with exit 4 when gates of the version are not met, for production also "
                 "when they\nwere never measured; with exit 6 when its files are not what was "
                 "added.",
        .min_args = 1,
        .max_args = 1};
    const char *dir = "registry";
    int force = 0;
    registry_change change = {.what = "promote", .alias = "production"};
    const struct poptOption options[] = {
        REGISTRY_OPTION(&dir),
        {"as", 0, POPT_ARG_STRING, &change.alias, 0, "production or candidate", "ALIAS"},
        {"force", 0, POPT_ARG_NONE, &force, 0, "although its gates are not met; needs --reason",
         NULL},
        {"reason", 0, POPT_ARG_STRING, &change.reason, 0, "why, for the journal", "TEXT"},
        POPT_TABLEEND};
    if (!cli_parse(c, argc, argv, &spec, options, err)) return err->status;
    BASE_TRY(registry_check_alias(change.alias, err));
    if (force && !(change.reason && change.reason[0]))
        return base_fail(err, BASE_USAGE, "--force needs --reason");
    change.forced = force != 0;
    registry r;
    BASE_TRY(registry_open(dir, true, &r, err));
    if (r.damage.len) cli_warn(c, "%s", r.damage.s);
    const base_status status = promote(c, &r, change, err);
    registry_close(&r);
    if (status == BASE_OK) *err = (base_err){0};
    return status;
}
