/* sotto quantize: an int8 model from a trained one, and what that costs in accuracy. */
#include "data/metrics.h"
#include "quantize/evaluate.h"
#include "train/cli.h"

base_status cmd_quantize(cli *c, int argc, char **argv, base_err *err);

static const cli_spec spec = {
    .usage = "RUN|MODEL",
    .about =
        "Folds batchnorm, chooses a range for every activation from training clips of the pack,\n"
        "and writes the int8 model (TFLite's scheme: weights symmetric per output channel,\n"
        "activations asymmetric per tensor). Then both models run on the validation and test\n"
        "clips of the pack; intervals are Wilson's 95 %.",
    .min_args = 1,
    .max_args = 1,
    .output = "the int8 model to write",
    .takes = CLI_OUTPUT_NEEDED | CLI_SEED | CLI_THREADS,
};

static const char *const ranges[] = {"minmax", "percentile", "mse", NULL};

typedef struct settings {
    const char *pack;
    int clips, range;
} settings;

static void show(void *ctx, int64_t done, int64_t total)
{
    (void)total;
    cli_progress_at(ctx, done);
}

static base_status calibrated(cli *c, const settings *set, const nn_model *m, const data_task *task,
                              q8_model **q8, base_err *err)
{
    size_t n = (size_t)set->clips;
    nn_real *inputs = NULL;
    base_str text = {0};
    quant_source source = {.model = m,
                           .task = task,
                           .split = DATA_TRAIN,
                           .threads = c->threads,
                           .progress = show,
                           .ctx = c};
    cli_progress_begin(c, "calibrating", "clips", set->clips);
    base_status status = quant_inputs(&source, c->seed, &n, &inputs, err);
    cli_progress_end(c);
    BASE_TRY(status);
    base_str_add(&text,
                 "calibration.pack = %s\ncalibration.clips = %zu\ncalibration.seed = %llu\n"
                 "calibration.range = %s\n",
                 set->pack, n, (unsigned long long)c->seed, ranges[set->range]);
    status = text.failed ? base_nomem(err, text.len)
                         : q8_quantize(m, inputs, n, (q8_range)set->range, text.s, q8, err);
    base_free(inputs);
    base_str_free(&text);
    return status;
}

/* ---- the result ---- */

static void put_model(cli *c, const settings *set, const q8_model *q)
{
    size_t weights, tables;
    char hash[65];
    q8_table_bytes(q, &weights, &tables);
    cli_put_text(c, "model", c->output);
    cli_put_text(c, "range", ranges[set->range]);
    cli_put_int(c, "layers", q->n_layers);
    cli_put_bytes(c, "float_bytes", (int64_t)(nn_graph_params(q->folded.graph) * sizeof(float)));
    cli_put_bytes(c, "weight_bytes", (int64_t)weights);
    cli_put_bytes(c, "table_bytes", (int64_t)tables);
    cli_put_bytes(c, "work_bytes", (int64_t)q->work);
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
static base_status compare(cli *c, cli_table *t, const nn_model *m, const q8_model *q,
                           const data_task *task, data_split split, base_err *err)
{
    const size_t classes = m->n_labels, cells = classes * classes;
    const quant_source source = {.model = m,
                                 .task = task,
                                 .split = split,
                                 .threads = c->threads,
                                 .progress = show,
                                 .ctx = c};
    const int64_t clips = (int64_t)data_task_count(task, split, -1);
    int64_t *confusion = base_alloc(2 * cells, sizeof *confusion);
    if (!confusion) return base_nomem(err, 2 * cells * sizeof *confusion);
    cli_progress_begin(c, data_split_name(split), "clips", clips);
    const base_status status = quant_evaluate(&source, m, q, confusion, confusion + cells, err);
    cli_progress_end(c);
    if (status == BASE_OK) {
        put_row(t, data_split_name(split), "float", confusion, classes);
        put_row(t, data_split_name(split), "int8", confusion + cells, classes);
    }
    base_free(confusion);
    return status;
}

static base_status quantize(cli *c, const settings *set, const nn_model *m, const data_task *task,
                            base_err *err)
{
    static const cli_column columns[] = {
        {"split", NULL, CLI_TEXT, 0},
        {"kind", NULL, CLI_TEXT, 0},
        {"n", NULL, CLI_INT, 0},
        {"accuracy", NULL, CLI_PERCENT, 2},
        {"accuracy_lo", "from", CLI_PERCENT, 2},
        {"accuracy_hi", "to", CLI_PERCENT, 2},
    };
    q8_model *q = NULL;
    BASE_TRY(calibrated(c, set, m, task, &q, err));
    put_model(c, set, q);
    cli_table *t = cli_table_new(c, "results", columns, BASE_COUNT(columns));
    base_status status = BASE_OK;
    for (int s = DATA_VALIDATION; s <= DATA_TEST && status == BASE_OK; s++)
        if (data_task_count(task, (data_split)s, -1) > 0)
            status = compare(c, t, m, q, task, (data_split)s, err);
    if (status == BASE_OK) status = q8_save(q, c->output, err);
    q8_model_free(q);
    return status;
}

static base_status run(cli *c, const settings *set, base_err *err)
{
    nn_model *m = NULL;
    data_pack *pack = NULL;
    data_task *task = NULL;
    base_status status = quant_float_model(c->args[0], &m, err);
    if (status == BASE_OK) status = data_pack_open(set->pack, &pack, err);
    if (status == BASE_OK) status = quant_task(m, pack, &task, err);
    if (status == BASE_OK) status = quantize(c, set, m, task, err);
    data_task_free(task);
    data_pack_close(pack);
    nn_model_free(m);
    return status;
}

base_status cmd_quantize(cli *c, int argc, char **argv, base_err *err)
{
    settings set = {.clips = 512};
    const char *range = "mse";
    const struct poptOption options[] = {
        {"calibrate", 'c', POPT_ARG_STRING, &set.pack, 0, "pack whose training clips set ranges",
         "PACK"},
        {"clips", 'n', POPT_ARG_INT, &set.clips, 0, "how many of them, a choice by --seed", "N"},
        {"range", 'r', POPT_ARG_STRING, &range, 0, "minmax, percentile or mse", "RULE"},
        POPT_TABLEEND};
    if (!cli_parse(c, argc, argv, &spec, options, err)) return err->status;
    BASE_TRY(cli_check_range("--clips", set.clips, 1, 1000000, err));
    BASE_TRY(cli_check_choice("--range", range, ranges, &set.range, err));
    if (set.pack) return run(c, &set, err);
    base_fail(err, BASE_USAGE, "the clips to calibrate with are missing");
    return base_hint(err, "add --calibrate PACK (made by `sotto data import`)");
}
