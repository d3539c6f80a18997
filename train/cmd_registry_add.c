/* sotto registry add: a trained model and what was made of it become a version. */
#include "quantize/cmd_quantize.h"
#include "quantize/q8.h"
#include "train/cli.h"
#include "train/registry.h"
#include "train/registry_options.h"

/* Of files of models: others are no HDF5 files, and what is missing registry_add names. */
static base_status check_lineage(const registry_source *source, base_err *err)
{
    for (int i = 0; i < source->n; i++) {
        base_err none = {0};
        bool is = false;
        if (q8_is_model(source->files[i], &is, &none) == BASE_OK && is)
            BASE_TRY(quantize_lineage_check(source->from, source->files[i], err));
    }
    return BASE_OK;
}

base_status cmd_registry_add(cli *c, int argc, char **argv, base_err *err)
{
    const cli_spec spec = {
        .usage = "RUN|MODEL [FILE...]",
        .about =
            "Copies the model, the run's config, manifest and metrics, and the files (int8 model,\n"
            "header, ...) into a version that never changes, with hashes of all and where they "
            "come\nfrom: data, config, code, run. --gates keeps how it did: sotto problem check "
            "... --format\njson. Makes the registry where there is none.",
        .min_args = 1,
        .max_args = -1};
    const char *dir = "registry";
    registry_source source = {0};
    const struct poptOption options[] = {
        REGISTRY_OPTION(&dir),
        {"gates", 0, POPT_ARG_STRING, &source.gates, 0, "result of the check of these files",
         "FILE.json"},
        {"pack", 0, POPT_ARG_STRING, &source.pack, 0, "trained on (as the run's manifest says)",
         "FILE"},
        {"note", 0, POPT_ARG_STRING, &source.note, 0, "what is to be remembered of it", "TEXT"},
        POPT_TABLEEND};
    if (!cli_parse(c, argc, argv, &spec, options, err)) return err->status;
    registry r;
    char version[REGISTRY_NAME];
    source.from = c->args[0];
    source.files = (const char *const *)c->args + 1;
    source.n = c->nargs - 1;
    BASE_TRY(check_lineage(&source, err));
    BASE_TRY(registry_open(dir, true, &r, err));
    const base_status status = registry_add(&r, &source, version, err);
    if (r.damage.len) cli_warn(c, "%s", r.damage.s);
    if (status == BASE_OK) {
        cli_put_text(c, "registry", dir);
        cli_put_text(c, "version", version);
    }
    registry_close(&r);
    return status;
}
