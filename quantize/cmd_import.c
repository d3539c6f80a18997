/* sotto import: a .tflite file as a model file. */
#include "dsp/dsp.h"
#include "quantize/tflite.h"
#include "train/cli.h"

#include <stdlib.h>
#include <string.h>

static const cli_spec spec = {
    .usage = "MODEL.tflite",
    .about =
        "Reads a TensorFlow Lite model, int8 or float. `sotto eval`, `sotto estimate` and\n"
        "`sotto export` work on the result; an int8 model gives the bits that TensorFlow Lite's\n"
        "own kernels give. A file made elsewhere does not say which features it takes, nor what\n"
        "its outputs are called: --features and --labels do.",
    .min_args = 1,
    .max_args = 1,
    .output = "the model file to write",
    .takes = CLI_OUTPUT_NEEDED,
};

/* "mfcc_49x10,level=none": presets and keys, each on top of what is before it. */
static base_status parse_features(const char *list, base_str *text, base_err *err)
{
    dsp_config cfg = {0};
    char *copy = base_strdup(list), *rest = NULL;
    if (!copy) return base_nomem(err, strlen(list));
    base_status status = BASE_OK;
    for (char *item = strtok_r(copy, ",", &rest); item && status == BASE_OK;
         item = strtok_r(NULL, ",", &rest)) {
        char *value = strchr(item, '=');
        if (value) *value++ = '\0';
        status = value ? dsp_config_set(&cfg, item, value, err) : dsp_preset(item, &cfg, err);
    }
    free(copy);
    BASE_TRY(status);
    BASE_TRY(dsp_config_check(&cfg, err));
    dsp_config_print(&cfg, text);
    return text->failed ? base_nomem(err, text->len) : BASE_OK;
}

/* Splits "a,b,c" in place: list has room for all. */
static size_t split(char *labels, char **list)
{
    size_t n = 0;
    char *rest = NULL;
    for (char *s = strtok_r(labels, ",", &rest); s; s = strtok_r(NULL, ",", &rest)) list[n++] = s;
    return n;
}

static base_status check_labels(const nn_model *m, base_err *err)
{
    const int64_t outputs = nn_count(nn_graph_output(m->graph)->shape);
    if (m->n_labels == 0 || (int64_t)m->n_labels == outputs) return BASE_OK;
    return base_fail(err, BASE_USAGE, "there are %zu labels for %lld outputs", m->n_labels,
                     (long long)outputs);
}

static void put_result(cli *c, const nn_model *m, const q8_model *q)
{
    char shape[64], hash[65];
    const nn_node *x = nn_graph_input(m->graph, 0);
    cli_put_text(c, "model", c->output);
    cli_put_text(c, "kind", q ? "int8" : "float");
    cli_put_text(c, "input", nn_shape_text(x->shape, shape));
    if (q) {
        cli_put_real(c, "input_scale", q->values[0].quant.scale, 6);
        cli_put_int(c, "input_zero", q->values[0].quant.zero);
    }
    cli_put_int(c, "outputs", nn_count(nn_graph_output(m->graph)->shape));
    cli_put_int(c, "nodes", nn_graph_nodes(m->graph));
    cli_put_int(c, "parameters", (int64_t)nn_graph_params(m->graph));
    cli_put_int(c, "macs", nn_graph_cost(m->graph).macs);
    if (q && q8_hash(q, hash, NULL) == BASE_OK) cli_put_text(c, "model_hash", hash);
    if (!m->features || !*m->features)
        cli_say(c, "the file does not say which features it takes: --features tells");
    if (m->n_labels == 0) cli_say(c, "the file has no labels: --labels gives them");
}

static base_status import(cli *c, const tflite_given *given, base_err *err)
{
    tfl_model *t = NULL;
    nn_model *m = NULL;
    q8_model *q = NULL;
    base_status status = tflite_load(c->args[0], &t, err);
    if (status == BASE_OK) status = tflite_import(t, given, &m, &q, err);
    const nn_model *either = q ? &q->folded : m;
    if (status == BASE_OK) status = check_labels(either, err);
    if (status == BASE_OK)
        status = q ? q8_save(q, c->output, err) : nn_model_save(m, c->output, err);
    if (status == BASE_OK) put_result(c, either, q);
    q8_model_free(q);
    nn_model_free(m);
    tflite_free(t);
    return status;
}

base_status cmd_import(cli *c, int argc, char **argv, base_err *err)
{
    const char *features = NULL, *labels = NULL;
    const struct poptOption options[] = {
        {"features", 'f', POPT_ARG_STRING, &features, 0,
         "what the model takes: a preset and key=value,...", "LIST"},
        {"labels", 'l', POPT_ARG_STRING, &labels, 0, "names of its outputs in order", "A,B,..."},
        POPT_TABLEEND};
    if (!cli_parse(c, argc, argv, &spec, options, err)) return err->status;
    base_str text = {0};
    tflite_given given = {0};
    if (features) BASE_TRY(parse_features(features, &text, err));
    char *names = base_strdup(labels ? labels : "");
    char **list = names ? calloc(strlen(names) / 2 + 1, sizeof *list) : NULL;
    base_status status = list ? BASE_OK : base_nomem(err, 1);
    if (list) {
        given = (tflite_given){text.s, list, split(names, list)};
        status = import(c, &given, err);
    }
    free(list);
    free(names);
    base_str_free(&text);
    return status;
}
