/* See train/checkpoint.h. */
#include "train/checkpoint.h"

#include "nn/h5.h"

#include <stdlib.h>
#include <string.h>

enum { VERSION = 1 };

typedef struct number {
    const char *name;
    size_t offset;
} number;

static const number ints[] = {
    {"epoch", offsetof(checkpoint, epoch)},
    {"step", offsetof(checkpoint, step)},
    {"seen", offsetof(checkpoint, seen)},
    {"correct", offsetof(checkpoint, correct)},
    {"best_epoch", offsetof(checkpoint, best_epoch)},
    {"optim_steps", offsetof(checkpoint, optim_steps)},
};
static const number reals[] = {
    {"loss", offsetof(checkpoint, loss)},
    {"seconds", offsetof(checkpoint, seconds)},
    {"epoch_seconds", offsetof(checkpoint, epoch_seconds)},
    {"best_accuracy", offsetof(checkpoint, best_accuracy)},
};

/* What only some runs have. */
static base_status write_extras(const checkpoint *c, h5_file *f, base_err *err)
{
    int64_t n = (int64_t)nn_graph_params(c->graph), m = (int64_t)c->n_state;
    if (m > 0) BASE_TRY(h5_write(f, "optimizer", NN_H5_REAL, 1, &m, c->state, err));
    if (c->ema) BASE_TRY(h5_write(f, "ema", NN_H5_REAL, 1, &n, c->ema, err));
    if (c->quant) BASE_TRY(nn_quant_write(f, c->quant, (size_t)nn_graph_nodes(c->model), err));
    if (c->grad_norm) BASE_TRY(h5_set_real(f, "/", "grad_norm", *c->grad_norm, err));
    if (!c->plateau) return BASE_OK;
    BASE_TRY(h5_set_real(f, "/", "plateau_best", c->plateau->best, err));
    BASE_TRY(h5_set_int(f, "/", "plateau_waited", c->plateau->waited, err));
    return h5_set_int(f, "/", "plateau_reductions", c->plateau->reductions, err);
}

static base_status read_extras(checkpoint *c, h5_file *f, base_err *err)
{
    size_t n = nn_graph_params(c->graph);
    if (c->n_state > 0) BASE_TRY(h5_read(f, "optimizer", NN_H5_REAL, c->state, c->n_state, err));
    if (c->ema) BASE_TRY(h5_read(f, "ema", NN_H5_REAL, c->ema, n, err));
    if (c->quant) BASE_TRY(nn_quant_read(f, c->model, c->quant, err));
    if (c->grad_norm) BASE_TRY(h5_get_real(f, "/", "grad_norm", c->grad_norm, err));
    if (!c->plateau) return BASE_OK;
    BASE_TRY(h5_get_real(f, "/", "plateau_best", &c->plateau->best, err));
    BASE_TRY(h5_get_int(f, "/", "plateau_waited", &c->plateau->waited, err));
    return h5_get_int(f, "/", "plateau_reductions", &c->plateau->reductions, err);
}

static base_status write_all(const checkpoint *c, h5_file *f, const char *graph, base_err *err)
{
    int64_t n = (int64_t)nn_graph_params(c->graph);
    BASE_TRY(h5_stamp(f, "checkpoint", VERSION, err));
    for (size_t i = 0; i < BASE_COUNT(ints); i++)
        BASE_TRY(h5_set_int(f, "/", ints[i].name,
                            *(const int64_t *)((const char *)c + ints[i].offset), err));
    for (size_t i = 0; i < BASE_COUNT(reals); i++)
        BASE_TRY(h5_set_real(f, "/", reals[i].name,
                             *(const double *)((const char *)c + reals[i].offset), err));
    BASE_TRY(h5_write_text(f, "graph", graph, err));
    BASE_TRY(h5_write(f, "weights", NN_H5_REAL, 1, &n, c->weights, err));
    return write_extras(c, f, err);
}

base_status checkpoint_save(const checkpoint *c, const char *path, base_err *err)
{
    h5_file *f;
    base_str graph = {0};
    nn_print(c->graph, &graph);
    if (graph.failed) return base_nomem(err, graph.len);
    base_status s = h5_create(path, &f, err);
    if (s == BASE_OK) {
        s = write_all(c, f, graph.s, err);
        if (s == BASE_OK)
            s = h5_commit(f, err);
        else
            h5_close(f);
    }
    base_str_free(&graph);
    return s;
}

static base_status check_graph(const checkpoint *c, h5_file *f, base_err *err)
{
    char *text;
    base_str graph = {0};
    BASE_TRY(h5_read_text(f, "graph", &text, err));
    nn_print(c->graph, &graph);
    base_status s = BASE_OK;
    if (graph.failed)
        s = base_nomem(err, graph.len);
    else if (strcmp(graph.s, text) != 0) {
        s = base_fail(err, BASE_DATA, "'%s' is of another architecture than the config",
                      h5_path(f));
        base_hint(err, "the config.ini of a run must not be changed before resuming");
    }
    base_str_free(&graph);
    free(text);
    return s;
}

static base_status read_all(checkpoint *c, h5_file *f, base_err *err)
{
    BASE_TRY(h5_check(f, "checkpoint", VERSION, err));
    BASE_TRY(check_graph(c, f, err));
    for (size_t i = 0; i < BASE_COUNT(ints); i++)
        BASE_TRY(h5_get_int(f, "/", ints[i].name, (int64_t *)((char *)c + ints[i].offset), err));
    for (size_t i = 0; i < BASE_COUNT(reals); i++)
        BASE_TRY(h5_get_real(f, "/", reals[i].name, (double *)((char *)c + reals[i].offset), err));
    BASE_TRY(h5_read(f, "weights", NN_H5_REAL, c->weights, nn_graph_params(c->graph), err));
    return read_extras(c, f, err);
}

base_status checkpoint_load(checkpoint *c, const char *path, base_err *err)
{
    h5_file *f;
    BASE_TRY(h5_open(path, &f, err));
    base_status s = read_all(c, f, err);
    h5_close(f);
    return s;
}

base_status checkpoint_simulates(const char *path, bool *does, base_err *err)
{
    h5_file *f;
    BASE_TRY(h5_open(path, &f, err));
    *does = h5_has(f, "quant");
    h5_close(f);
    return BASE_OK;
}
