/* sotto quantize: an int8 model from a trained one, what that costs in accuracy, and why. */
#include "quantize/cmd_quantize.h"

#include "data/metrics.h"
#include "quantize/auto.h"
#include "quantize/evaluate.h"
#include "quantize/explain.h"
#include "train/cli.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

base_status cmd_quantize(cli *c, int argc, char **argv, base_err *err);

static const cli_spec spec = {
    .usage = "RUN|MODEL",
    .about =
        "Folds batchnorm, chooses a range for every activation from training clips of the pack,\n"
        "and writes the int8 model (TFLite's scheme: weights symmetric per output channel,\n"
        "activations asymmetric per tensor). Before, channels between two layers are scaled to\n"
        "like ranges where that changes nothing in float; after, mean errors are taken out of\n"
        "the biases. Then both models run on the validation and test clips of the pack;\n"
        "intervals are Wilson's 95 %.\n"
        "\n"
        "--activations 16 gives 16-bit inputs and outputs to every layer that has such a form,\n"
        "c1=16,p1=16 to some, c1=8,16 to all but some: less is rounded, for twice the RAM.\n"
        "\n"
        "--weights says which layers have weights of 4 bits, two a byte, in place of 8: a number\n"
        "for all that can (conv2d, dwconv2d, dense), or words NAME=BITS between commas, of which\n"
        "the first that matches counts; names may be patterns. What no word matches has 8. "
        "Without\n"
        "it, a model that was trained with simulated int8 keeps the bits it was trained with.\n"
        "\n"
        "--auto finds the smallest model whose validation accuracy is at most --max-drop points\n"
        "below the float model's: where 8 bits alone lose more, layers get 16-bit activations, "
        "worst\n"
        "first; then layers get 4-bit weights, those first that add least error a byte saved, "
        "each\n"
        "kept while the model stays within the drop. Exit 4 when there is no such model.\n"
        "\n"
        "--range auto tries every rule, with and without equalization and bias correction, and\n"
        "keeps the first with the best validation accuracy; it never looks at the test clips.\n"
        "\n"
        "--explain (which needs no -o, and takes an int8 model as well) measures on validation\n"
        "clips what each layer adds to the error of the output, worst first: the share of its\n"
        "values beyond its range, the signal-to-quantization-noise ratio of its values in the\n"
        "int8 model (sqnr) and with only this layer in int8 (own_sqnr), in dB, the error at the\n"
        "output of the latter (error: mean square relative to the output's; share: of the sum\n"
        "over layers), and for the worst what to do.",
    .min_args = 1,
    .max_args = 1,
    .output = "the int8 model to write",
    .takes = CLI_SEED | CLI_THREADS,
};

enum { EXPLAINED_CLIPS = 128, AUTO = Q8_RANGE_KL + 1 };
static const double EXPLAINED_SHARE = 0.1; /* rows with at least this much get advice */

static const char *const ranges[] = {"minmax", "percentile", "mse", "kl", "auto", NULL};
static const char *const roundings[] = {"tflm", "single", NULL};

typedef struct settings {
    const char *pack, *plot;
    int clips, range, explain;
    int auto_bits; /* bits by search */
    double max_drop;
    quant_found found; /* by it */
    q8_options how;    /* --range auto: as found */
} settings;

/* What everything below works on. */
typedef struct subject {
    nn_model *float_model; /* NULL: q8 was given */
    q8_model *q8;
    data_pack *pack;
    data_task *task;
} subject;

static const nn_model *model_of(const subject *s)
{
    return s->float_model ? s->float_model : &s->q8->folded;
}

static void show(void *ctx, int64_t done, int64_t total)
{
    (void)total;
    cli_progress_at(ctx, done);
}

static quant_source source_of(cli *c, const subject *s, data_split split)
{
    return (quant_source){.model = model_of(s),
                          .task = s->task,
                          .split = split,
                          .threads = c->threads,
                          .progress = show,
                          .ctx = c};
}

static base_status clips_of(cli *c, const quant_source *source, const char *what, size_t *n,
                            nn_real **inputs, base_err *err)
{
    cli_progress_begin(c, what, "clips", (int64_t)*n);
    const base_status status = quant_inputs(source, c->seed, n, inputs, err);
    cli_progress_end(c);
    return status;
}

/* ---- the model ---- */

/* What the model remembers of how it was made. */
static base_status provenance_of(cli *c, const settings *set, const quant_source *source, size_t n,
                                 base_str *text, base_err *err)
{
    char hash[65];
    const q8_options *how = &set->how;
    BASE_TRY(quant_inputs_hash(source, c->seed, n, hash, err));
    BASE_TRY(quantize_lineage_add(c->args[0], text, err));
    base_str_add(text,
                 "calibration.pack = %s\ncalibration.split = %s\ncalibration.clips = %zu\n"
                 "calibration.seed = %llu\ncalibration.sha256 = %s\ncalibration.range = %s\n",
                 set->pack, data_split_name(source->split), n, (unsigned long long)c->seed, hash,
                 ranges[how->range]);
    if (how->range == Q8_RANGE_PERCENTILE) {
        base_str_add(text, "calibration.percentile = ");
        base_str_add_real(text, how->percentile);
        base_str_add(text, "\n");
    }
    if (how->activations) base_str_add(text, "calibration.activations = %s\n", how->activations);
    base_str_add(text, "calibration.equalize = %s\ncalibration.bias_correction = %s\n",
                 how->equalize ? "yes" : "no", how->correct_bias ? "yes" : "no");
    if (how->weight_bits) base_str_add(text, "calibration.weights = %s\n", how->weight_bits);
    return text->failed ? base_nomem(err, text->len) : BASE_OK;
}

/* Every way of quantizing by its accuracy on the validation clips; the best into set->how, the
 * first of equals. */
static base_status search(cli *c, settings *set, const subject *s, const nn_real *inputs, size_t n,
                          base_err *err)
{
    static const cli_column columns[] = {
        {"range", NULL, CLI_TEXT, 0},
        {"equalize", NULL, CLI_BOOL, 0},
        {"bias_correction", "bias correction", CLI_BOOL, 0},
        {"accuracy", "validation", CLI_PERCENT, 2},
    };
    enum { WAYS = AUTO * 4 };
    const quant_source source = source_of(c, s, DATA_VALIDATION);
    const size_t classes = s->float_model->n_labels;
    const q8_options given = set->how;
    double best = -1.0;
    cli_table *t = cli_table_new(c, "searched", columns, BASE_COUNT(columns));
    base_status status = BASE_OK;
    for (int i = 0; i < WAYS && status == BASE_OK; i++) {
        q8_options how = given;
        how.range = (q8_range)(i / 4);
        how.equalize = i & 2;
        how.correct_bias = i & 1;
        q8_model *q = NULL;
        int64_t *confusion = base_alloc(classes * classes, sizeof *confusion);
        status = confusion ? q8_quantize(s->float_model, inputs, n, how, NULL, &q, err)
                           : base_nomem(err, classes * classes);
        cli_progress_begin(c, ranges[how.range], "clips",
                           (int64_t)data_task_count(s->task, DATA_VALIDATION, -1));
        if (status == BASE_OK)
            status = quant_evaluate(&source, NULL, q, NULL, confusion, NULL, err);
        cli_progress_end(c);
        if (status == BASE_OK) {
            const double accuracy = data_score_all(confusion, (int)classes).accuracy;
            cli_cell_text(t, ranges[how.range]);
            cli_cell_int(t, how.equalize);
            cli_cell_int(t, how.correct_bias);
            cli_cell_real(t, accuracy);
            if (accuracy > best) {
                best = accuracy;
                set->how = how;
            }
        }
        base_free(confusion);
        q8_model_free(q);
    }
    return status;
}

static void put_trial(void *ctx, const quant_trial *t)
{
    cli_cell_text(ctx, t->layer);
    cli_cell_text(ctx, !t->layer ? NULL : t->activations ? "activations" : "weights");
    cli_cell_int(ctx, !t->layer ? 8 : t->activations ? 16 : 4);
    cli_cell_real(ctx, t->accuracy);
    cli_cell_int(ctx, (int64_t)t->bytes);
    cli_cell_int(ctx, t->kept);
}

/* Bits of layers by the accuracy on the validation clips into set->how. */
static base_status search_bits(cli *c, settings *set, const subject *s, const nn_real *inputs,
                               size_t n, base_err *err)
{
    static const cli_column columns[] = {
        {"layer", NULL, CLI_TEXT, 0}, {"of", NULL, CLI_TEXT, 0},
        {"bits", NULL, CLI_INT, 0},   {"accuracy", "validation", CLI_PERCENT, 2},
        {"bytes", NULL, CLI_INT, 0},  {"kept", NULL, CLI_BOOL, 0},
    };
    quant_source source = source_of(c, s, DATA_VALIDATION);
    source.progress = NULL;
    const quant_search search = {.model = s->float_model,
                                 .validation = &source,
                                 .inputs = inputs,
                                 .n = n,
                                 .how = set->how,
                                 .most_drop = set->max_drop / 100,
                                 .tried = put_trial,
                                 .ctx = cli_table_new(c, "bits", columns, BASE_COUNT(columns))};
    BASE_TRY(quant_find_bits(&search, &set->found, err));
    set->how.weight_bits = set->found.weights;
    set->how.activations = set->found.activations;
    return BASE_OK;
}

static base_status calibrated(cli *c, settings *set, subject *s, base_err *err)
{
    size_t n = (size_t)set->clips;
    nn_real *inputs = NULL;
    base_str text = {0};
    const quant_source source = source_of(c, s, DATA_TRAIN);
    base_status status = clips_of(c, &source, "calibrating", &n, &inputs, err);
    if (status == BASE_OK && set->range == AUTO) status = search(c, set, s, inputs, n, err);
    if (status == BASE_OK && set->auto_bits) status = search_bits(c, set, s, inputs, n, err);
    if (status == BASE_OK) status = provenance_of(c, set, &source, n, &text, err);
    if (status == BASE_OK)
        status = q8_quantize(s->float_model, inputs, n, set->how, text.s, &s->q8, err);
    base_free(inputs);
    base_str_free(&text);
    return status;
}

/* ---- the result ---- */

static void put_model(cli *c, const settings *set, const subject *s)
{
    const q8_model *q = s->q8;
    size_t weights, tables, work;
    char hash[65];
    q8_table_bytes(q, &weights, &tables);
    cli_put_text(c, "model", c->output ? c->output : c->args[0]);
    if (s->float_model) {
        cli_put_text(c, "range", ranges[set->how.range]);
        if (set->how.range == Q8_RANGE_PERCENTILE)
            cli_put_real(c, "percentile", set->how.percentile, 3);
        cli_put_bool(c, "equalize", set->how.equalize);
        cli_put_bool(c, "bias_correction", set->how.correct_bias);
    }
    cli_put_text(c, "rounding", q8_rounding_name(q->rounding));
    cli_put_int(c, "layers", q->n_layers);
    cli_put_bytes(c, "float_bytes", (int64_t)(nn_graph_params(q->folded.graph) * sizeof(float)));
    cli_put_bytes(c, "weight_bytes", (int64_t)weights);
    cli_put_bytes(c, "table_bytes", (int64_t)tables);
    if (q8_exported_work(q, &work, NULL) == BASE_OK) cli_put_bytes(c, "work_bytes", (int64_t)work);
    if (q8_hash(q, hash, NULL) == BASE_OK) cli_put_text(c, "model_hash", hash);
}

static void put_row(cli_table *t, const char *split, const char *kind, const int64_t *confusion,
                    size_t classes)
{
    const data_score s = data_score_all(confusion, (int)classes);
    cli_cell_text(t, split);
    cli_cell_text(t, kind);
    cli_cell_int(t, s.n);
    cli_cell_real(t, s.accuracy);
    cli_cell_real(t, s.lo);
    cli_cell_real(t, s.hi);
}

/* Float and int8 side by side on one split. */
static base_status compare(cli *c, cli_table *t, const subject *s, data_split split, base_err *err)
{
    const size_t classes = model_of(s)->n_labels, cells = classes * classes;
    const quant_source source = source_of(c, s, split);
    const int64_t clips = (int64_t)data_task_count(s->task, split, -1);
    int64_t *confusion = base_alloc(2 * cells, sizeof *confusion);
    if (!confusion) return base_nomem(err, 2 * cells * sizeof *confusion);
    cli_progress_begin(c, data_split_name(split), "clips", clips);
    const base_status status =
        quant_evaluate(&source, model_of(s), s->q8, confusion, confusion + cells, NULL, err);
    cli_progress_end(c);
    if (status == BASE_OK) {
        put_row(t, data_split_name(split), "float", confusion, classes);
        put_row(t, data_split_name(split), "int8", confusion + cells, classes);
    }
    base_free(confusion);
    return status;
}

static base_status compare_all(cli *c, const subject *s, base_err *err)
{
    static const cli_column columns[] = {
        {"split", NULL, CLI_TEXT, 0},
        {"kind", NULL, CLI_TEXT, 0},
        {"n", NULL, CLI_INT, 0},
        {"accuracy", NULL, CLI_PERCENT, 2},
        {"accuracy_lo", "from", CLI_PERCENT, 2},
        {"accuracy_hi", "to", CLI_PERCENT, 2},
    };
    cli_table *t = cli_table_new(c, "results", columns, BASE_COUNT(columns));
    for (int k = DATA_VALIDATION; k <= DATA_TEST; k++)
        if (data_task_count(s->task, (data_split)k, -1) > 0)
            BASE_TRY(compare(c, t, s, (data_split)k, err));
    return BASE_OK;
}

/* How the model says it was made; the rule of one that does not say is taken for minmax. */
static q8_options made_by(const q8_model *q)
{
    const char *text = q->folded.provenance;
    q8_options o = {.equalize = strstr(text, "calibration.equalize = yes"),
                    .correct_bias = strstr(text, "calibration.bias_correction = yes")};
    for (int i = 0; i < AUTO; i++) {
        char line[64];
        snprintf(line, sizeof line, "calibration.range = %s\n", ranges[i]);
        if (strstr(text, line)) o.range = (q8_range)i;
    }
    return o;
}

static base_status put_explanation(cli *c, q8_options how, const quant_explanation *x,
                                   base_err *err)
{
    static const cli_column columns[] = {
        {"layer", NULL, CLI_TEXT, 0},
        {"op", NULL, CLI_TEXT, 0},
        {"weight_bits", "bits", CLI_REAL, 0},
        {"from", NULL, CLI_REAL, 3},
        {"to", NULL, CLI_REAL, 3},
        {"scale", NULL, CLI_REAL, 5},
        {"saturated", NULL, CLI_PERCENT, 2},
        {"sqnr", "SQNR dB", CLI_REAL, 1},
        {"own_sqnr", "own dB", CLI_REAL, 1},
        {"error", NULL, CLI_REAL, 7},
        {"share", NULL, CLI_PERCENT, 1},
        {"advice", NULL, CLI_TEXT, 0},
    };
    cli_put_real(c, "output_error", x->error, 7);
    cli_put_real(c, "layer_errors", x->sum, 7);
    cli_table *t = cli_table_new(c, "explanation", columns, BASE_COUNT(columns));
    base_str advice = {0};
    for (int i = 0; i < x->n; i++) {
        const quant_row *r = &x->row[i];
        advice.len = 0;
        if (r->share >= EXPLAINED_SHARE) quant_advice(r, how, &advice);
        cli_cell_text(t, r->name);
        cli_cell_text(t, r->op);
        cli_cell_real(t, r->weight_bits ? r->weight_bits : (double)NAN);
        cli_cell_real(t, r->lo);
        cli_cell_real(t, r->hi);
        cli_cell_real(t, r->quant.scale);
        cli_cell_real(t, r->saturated);
        cli_cell_real(t, r->sqnr);
        cli_cell_real(t, r->own_sqnr);
        cli_cell_real(t, r->error);
        cli_cell_real(t, r->share);
        cli_cell_text(t, advice.len ? advice.s : NULL);
    }
    const base_status status = advice.failed ? base_nomem(err, advice.len) : BASE_OK;
    base_str_free(&advice);
    return status;
}

static base_status explain(cli *c, const settings *set, const subject *s, base_err *err)
{
    const q8_options how = made_by(s->q8);
    const bool held_out = data_task_count(s->task, DATA_VALIDATION, -1) > 0;
    const quant_source source = source_of(c, s, held_out ? DATA_VALIDATION : DATA_TRAIN);
    size_t n = EXPLAINED_CLIPS;
    nn_real *inputs = NULL;
    quant_explanation x = {0};
    base_status status = clips_of(c, &source, "explaining", &n, &inputs, err);
    if (status == BASE_OK)
        status = quant_explain(s->q8, inputs, n, how.correct_bias, c->threads, &x, err);
    base_free(inputs);
    if (status == BASE_OK) {
        cli_put_text(c, "explained_split", data_split_name(source.split));
        cli_put_int(c, "explained_clips", (int64_t)n);
        status = put_explanation(c, how, &x, err);
    }
    if (status == BASE_OK && set->plot) status = quant_plot(&x, set->plot, err);
    quant_explanation_free(&x);
    return status;
}

/* ---- running ---- */

static base_status load(const settings *set, const char *path, subject *s, base_err *err)
{
    char *file = NULL;
    bool int8 = false;
    BASE_TRY(nn_model_path(path, &file, err));
    base_status status = q8_is_model(file, &int8, err);
    if (status == BASE_OK && int8 && !set->explain) {
        status = base_fail(err, BASE_DATA, "'%s' is an int8 model already", file);
        base_hint(err, "quantize the float model it was made from, or ask to --explain it");
    }
    if (status == BASE_OK)
        status = int8 ? q8_load(file, &s->q8, err) : nn_model_load(file, &s->float_model, err);
    free(file);
    return status;
}

static base_status quantize(cli *c, settings *set, subject *s, base_err *err)
{
    if (s->float_model) BASE_TRY(calibrated(c, set, s, err));
    put_model(c, set, s);
    BASE_TRY(compare_all(c, s, err));
    if (set->explain) BASE_TRY(explain(c, set, s, err));
    return c->output ? q8_save(s->q8, c->output, err) : BASE_OK;
}

static base_status run(cli *c, settings *set, base_err *err)
{
    subject s = {0};
    base_status status = load(set, c->args[0], &s, err);
    if (status == BASE_OK && s.q8 && set->auto_bits)
        status = base_fail(err, BASE_USAGE, "'%s' is an int8 model already: --auto has no use",
                           c->args[0]);
    if (status == BASE_OK && s.q8 && c->output)
        status =
            base_fail(err, BASE_USAGE, "'%s' is an int8 model already: -o has no use", c->args[0]);
    if (status == BASE_OK && s.float_model && s.float_model->quant &&
        set->how.rounding == Q8_SINGLE && !s.float_model->rounds_once) {
        status = base_fail(err, BASE_USAGE, "'%s' was trained to be rounded as tflm, not single",
                           c->args[0]);
        base_hint(err, "train it with quantize.rounding=single, or leave --rounding out");
    }
    if (status == BASE_OK) status = data_pack_open(set->pack, &s.pack, err);
    if (status == BASE_OK) status = quant_task(model_of(&s), s.pack, &s.task, err);
    if (status == BASE_OK) status = quantize(c, set, &s, err);
    data_task_free(s.task);
    data_pack_close(s.pack);
    nn_model_free(s.float_model);
    q8_model_free(s.q8);
    quant_found_clear(&set->found);
    return status;
}

static base_status check(cli *c, const settings *set, base_err *err)
{
    BASE_TRY(cli_check_range("--clips", set->clips, 1, 1000000, err));
    BASE_TRY(cli_check_range("--percentile", set->how.percentile, 50, 100, err));
    BASE_TRY(cli_check_range("--max-drop", set->max_drop, 0, 100, err));
    if (set->auto_bits && (set->how.weight_bits || set->how.activations)) {
        base_fail(err, BASE_USAGE, "--auto chooses bits, and so does %s",
                  set->how.weight_bits ? "--weights" : "--activations");
        return base_hint(err, "give one of them");
    }
    if (!c->output && !set->explain) {
        base_fail(err, BASE_USAGE, "sotto quantize: -o PATH is missing");
        return base_hint(err, "-o names the int8 model to write; only --explain needs none");
    }
    if (!set->pack) {
        base_fail(err, BASE_USAGE, "the clips to calibrate with are missing");
        return base_hint(err, "add --calibrate PACK (made by `sotto data import`)");
    }
    return set->plot ? quant_plot_check(set->plot, err) : BASE_OK;
}

base_status cmd_quantize(cli *c, int argc, char **argv, base_err *err)
{
    settings set = {.clips = 512, .max_drop = 0.2, .how = {.percentile = 99.99}};
    const char *range = "mse", *rounding = "tflm";
    int uneven = 0, biased = 0, profile = Q8_TFLM;
    const struct poptOption options[] = {
        {"calibrate", 'c', POPT_ARG_STRING, &set.pack, 0, "pack whose training clips set ranges",
         "PACK"},
        {"clips", 'n', POPT_ARG_INT, &set.clips, 0, "how many of them, a choice by --seed", "N"},
        {"range", 'r', POPT_ARG_STRING, &range, 0, "minmax, percentile, mse, kl or auto", "RULE"},
        {"percentile", 0, POPT_ARG_DOUBLE, &set.how.percentile, 0,
         "the middle of the values that --range percentile keeps, in %", "X"},
        {"no-equalize", 0, POPT_ARG_NONE, &uneven, 0,
         "leave channels between layers as they were trained", NULL},
        {"no-bias-correction", 0, POPT_ARG_NONE, &biased, 0,
         "leave the mean error of each layer in", NULL},
        {"activations", 0, POPT_ARG_STRING, &set.how.activations, 0,
         "8 or 16 bits, of all layers that can or by name (8)", "BITS,LAYER=BITS,..."},
        {"rounding", 0, POPT_ARG_STRING, &rounding, 0,
         "of requantizations: tflm (twice, as TFLite Micro does) or single (once)", "PROFILE"},
        {"weights", 'w', POPT_ARG_STRING, &set.how.weight_bits, 0,
         "of 8 or 4 bits, for all layers or by name: conv1=8,*=4 (8)", "BITS"},
        {"auto", 'a', POPT_ARG_NONE, &set.auto_bits, 0,
         "choose bits of layers: the smallest model within --max-drop", NULL},
        {"max-drop", 0, POPT_ARG_DOUBLE, &set.max_drop, 0,
         "points of validation accuracy that --auto may lose against float", "X"},
        {"explain", 'e', POPT_ARG_NONE, &set.explain, 0, "what each layer adds to the error", NULL},
        {"plot", 0, POPT_ARG_STRING, &set.plot, 0, "the explanation as a picture (gnuplot)",
         "FILE.png|svg"},
        POPT_TABLEEND};
    if (!cli_parse(c, argc, argv, &spec, options, err)) return err->status;
    BASE_TRY(cli_check_choice("--range", range, ranges, &set.range, err));
    BASE_TRY(cli_check_choice("--rounding", rounding, roundings, &profile, err));
    set.how.rounding = (q8_rounding)profile;
    set.explain |= set.plot != NULL;
    if (set.range != AUTO) set.how.range = (q8_range)set.range;
    set.how.equalize = !uneven;
    set.how.correct_bias = !biased;
    BASE_TRY(check(c, &set, err));
    return run(c, &set, err);
}
