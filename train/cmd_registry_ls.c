/* sotto registry ls: the versions of a registry. */
#include "train/cli.h"
#include "train/registry.h"
#include "train/registry_options.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Of a gate or, without, of the run's last validation. */
static double accuracy_of(const json_t *v)
{
    size_t i;
    json_t *g;
    json_array_foreach(json_object_get(json_object_get(v, "gates"), "gates"), i, g)
    {
        const char *name = json_string_value(json_object_get(g, "gate"));
        const json_t *value = json_object_get(g, "value");
        if (name && strcmp(name, "accuracy") == 0 && json_is_number(value))
            return json_number_value(value);
    }
    const json_t *val = json_object_get(json_object_get(v, "metrics"), "val_accuracy");
    return json_is_number(val) ? json_number_value(val) : (double)NAN;
}

static const char *gates_of(const json_t *v)
{
    const json_t *met = json_object_get(json_object_get(v, "gates"), "met");
    return json_is_true(met) ? "met" : json_is_false(met) ? "not met" : "unchecked";
}

static void put_version(const registry *r, cli_table *t, int64_t number)
{
    char version[REGISTRY_NAME], aliases[40] = "";
    snprintf(version, sizeof version, "v%lld", (long long)number);
    const char *production = registry_alias(r, "production");
    const char *candidate = registry_alias(r, "candidate");
    const bool is_production = production && strcmp(production, version) == 0;
    const bool is_candidate = candidate && strcmp(candidate, version) == 0;
    snprintf(aliases, sizeof aliases, "%s%s%s", is_production ? "production" : "",
             is_production && is_candidate ? "," : "", is_candidate ? "candidate" : "");
    json_t *v = registry_version(r, version);
    cli_cell_text(t, version);
    cli_cell_text(t, aliases);
    cli_cell_text(t, v ? gates_of(v) : "damaged");
    cli_cell_real(t, accuracy_of(v));
    cli_cell_text(t, json_string_value(json_object_get(v, "added")));
    cli_cell_text(t, json_string_value(json_object_get(v, "from")));
    cli_cell_text(t, json_string_value(json_object_get(v, "note")));
    json_decref(v);
}

base_status cmd_registry_ls(cli *c, int argc, char **argv, base_err *err)
{
    const cli_spec spec = {.about = "Accuracy is that of the gates, else of the run's validation.",
                           .max_args = 0};
    static const cli_column columns[] = {
        {"version", NULL, CLI_TEXT, 0}, {"alias", NULL, CLI_TEXT, 0},
        {"gates", NULL, CLI_TEXT, 0},   {"accuracy", NULL, CLI_PERCENT, 2},
        {"added", NULL, CLI_TEXT, 0},   {"from", NULL, CLI_TEXT, 0},
        {"note", NULL, CLI_TEXT, 0},
    };
    const char *dir = "registry";
    const struct poptOption options[] = {REGISTRY_OPTION(&dir), POPT_TABLEEND};
    if (!cli_parse(c, argc, argv, &spec, options, err)) return err->status;
    registry r;
    int64_t *list;
    size_t n;
    BASE_TRY(registry_open(dir, false, &r, err));
    const base_status status = registry_versions(&r, &list, &n, err);
    if (r.damage.len) cli_warn(c, "%s", r.damage.s);
    cli_table *t = cli_table_new(c, "versions", columns, BASE_COUNT(columns));
    for (size_t i = 0; i < n; i++) put_version(&r, t, list[i]);
    free(list);
    registry_close(&r);
    return status;
}
