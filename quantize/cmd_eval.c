/* sotto eval: how well a float or an int8 model tells the clips of a pack apart. */
#include "data/metrics.h"
#include "quantize/evaluate.h"
#include "train/cli.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

base_status cmd_eval(cli *c, int argc, char **argv, base_err *err);

static const cli_spec spec = {
    .usage = "RUN|MODEL PACK",
    .about =
        "Features are computed as the model's own settings say; the classes are its labels.\n"
        "An int8 model runs with the kernels that `sotto export` writes. Intervals are Wilson's\n"
        "95 %. Exit 4 when the accuracy is below --min-accuracy.",
    .min_args = 2,
    .max_args = 2,
    .takes = CLI_THREADS,
};

static void put_classes(cli *c, const nn_model *m, const int64_t *confusion)
{
    static const cli_column columns[] = {
        {"label", NULL, CLI_TEXT, 0},        {"n", NULL, CLI_INT, 0},
        {"precision", NULL, CLI_PERCENT, 1}, {"recall", NULL, CLI_PERCENT, 1},
        {"f1", "F1", CLI_PERCENT, 1},
    };
    cli_table *t = cli_table_new(c, "per_class", columns, BASE_COUNT(columns));
    for (size_t k = 0; k < m->n_labels; k++) {
        const data_class_score s = data_score_class(confusion, (int)m->n_labels, (int)k);
        cli_cell_text(t, m->labels[k]);
        cli_cell_int(t, s.n);
        cli_cell_real(t, s.precision);
        cli_cell_real(t, s.recall);
        cli_cell_real(t, s.f1);
    }
}

/* Rows are what was said, columns what was heard. */
static base_status put_confusion(cli *c, const nn_model *m, const int64_t *confusion, base_err *err)
{
    const size_t n = m->n_labels;
    cli_column *columns = base_alloc(n + 1, sizeof *columns);
    json_t *labels = json_array();
    if (!columns || !labels) {
        base_free(columns);
        json_decref(labels);
        return base_nomem(err, n * sizeof *columns);
    }
    columns[0] = (cli_column){.name = "truth", .type = CLI_TEXT};
    for (size_t k = 0; k < n; k++) {
        columns[k + 1] = (cli_column){.name = m->labels[k], .type = CLI_INT};
        json_array_append_new(labels, json_string(m->labels[k]));
    }
    cli_put_json(c, "labels", labels);
    cli_table *t = cli_table_new(c, "confusion", columns, (int)n + 1);
    for (size_t i = 0; i < n; i++) {
        cli_cell_text(t, m->labels[i]);
        for (size_t k = 0; k < n; k++) cli_cell_int(t, confusion[i * n + k]);
    }
    base_free(columns);
    return BASE_OK;
}

static base_status put_result(cli *c, const quant_subject *s, data_split split,
                              const int64_t *confusion, double least, base_err *err)
{
    const data_score score = data_score_all(confusion, (int)s->model->n_labels);
    cli_put_text(c, "model", c->args[0]);
    cli_put_text(c, "kind", s->q8 ? "int8" : "float");
    cli_put_text(c, "split", data_split_name(split));
    cli_put_int(c, "n", score.n);
    cli_put_int(c, "correct", score.correct);
    cli_put_percent(c, "accuracy", score.accuracy, 2);
    cli_put_percent(c, "accuracy_lo", score.lo, 2);
    cli_put_percent(c, "accuracy_hi", score.hi, 2);
    cli_put_percent(c, "macro_f1", score.macro_f1, 2);
    put_classes(c, s->model, confusion);
    BASE_TRY(put_confusion(c, s->model, confusion, err));
    if (score.accuracy >= least) return BASE_OK;
    return base_fail(err, BASE_GATE, "accuracy %.4f is below the required %g", score.accuracy,
                     least);
}

static void show(void *ctx, int64_t done, int64_t total)
{
    (void)total;
    cli_progress_at(ctx, done);
}

static base_status evaluate(cli *c, const quant_subject *s, const data_pack *pack, data_split split,
                            double least, base_err *err)
{
    const size_t cells = s->model->n_labels * s->model->n_labels;
    quant_source source = {
        .model = s->model, .split = split, .threads = c->threads, .progress = show, .ctx = c};
    data_task *task = NULL;
    BASE_TRY(quant_task(s->model, pack, &task, err));
    source.task = task;
    int64_t *confusion = base_alloc(cells, sizeof *confusion);
    base_status status = confusion ? BASE_OK : base_nomem(err, cells * sizeof *confusion);
    cli_progress_begin(c, "evaluating", "clips", (int64_t)data_task_count(task, split, -1));
    if (status == BASE_OK)
        status = quant_evaluate(&source, s->float_model, s->q8, s->q8 ? NULL : confusion,
                                s->q8 ? confusion : NULL, err);
    cli_progress_end(c);
    if (status == BASE_OK) status = put_result(c, s, split, confusion, least, err);
    base_free(confusion);
    data_task_free(task);
    return status;
}

base_status cmd_eval(cli *c, int argc, char **argv, base_err *err)
{
    const char *split_name = "test";
    double least = 0;
    const struct poptOption options[] = {
        {"split", 's', POPT_ARG_STRING, &split_name, 0, "train, validation or test", "SPLIT"},
        {"min-accuracy", 0, POPT_ARG_DOUBLE, &least, 0, "the gate, a fraction", "X"},
        POPT_TABLEEND};
    if (!cli_parse(c, argc, argv, &spec, options, err)) return err->status;
    BASE_TRY(cli_check_range("--min-accuracy", least, 0, 1, err));
    data_split split;
    BASE_TRY(data_split_parse(split_name, &split, err));
    quant_subject s;
    data_pack *pack = NULL;
    base_status status = quant_subject_load(c->args[0], &s, err);
    if (status == BASE_OK) status = data_pack_open(c->args[1], &pack, err);
    if (status == BASE_OK) status = evaluate(c, &s, pack, split, least, err);
    data_pack_close(pack);
    quant_subject_free(&s);
    return status;
}
