/* Model files: see nn_model in nn/nn.h.
 *
 *   /               kind = "model", version
 *   /graph          the graph as text
 *   /labels         class names, in the order of the outputs
 *   /features       feature settings as text; /mean and /std per feature when there are any
 *   /provenance     where it came from, as text
 *   /quant          quantization that it was trained with: scale and zero of every node
 *   /weight_bits    4 or 8 for every node, where some have 4
 *   /weights/<node>/<parameter>
 */
#include "nn/h5.h"
#include "nn/op.h"

#include <stdlib.h>
#include <string.h>

enum { VERSION = 1 };

static base_status save_weights(const nn_model *m, h5_file *f, base_err *err)
{
    for (int i = 0; i < nn_graph_nodes(m->graph); i++) {
        const nn_node *n = nn_graph_node(m->graph, i);
        for (int k = 0; k < n->n_params; k++) {
            const nn_param *p = &n->param[k];
            char name[128];
            int64_t dims[NN_MAX_DIMS];
            for (int d = 0; d < p->shape.n; d++) dims[d] = p->shape.d[d];
            snprintf(name, sizeof name, "weights/%s/%s", n->name, p->name);
            BASE_TRY(h5_write(f, name, NN_H5_REAL, p->shape.n, dims, m->weights + p->offset, err));
        }
    }
    return BASE_OK;
}

static base_status save_stats(const nn_model *m, h5_file *f, base_err *err)
{
    int64_t n = (int64_t)m->n_stats;
    if (!m->mean) return BASE_OK;
    BASE_TRY(h5_write(f, "mean", H5_F32, 1, &n, m->mean, err));
    return h5_write(f, "std", H5_F32, 1, &n, m->std, err);
}

base_status nn_quant_write(h5_file *f, const nn_quant *quant, size_t n, base_err *err)
{
    const int64_t dim = (int64_t)n;
    double *scale = base_alloc(n, sizeof *scale);
    int32_t *zero = base_alloc(n, sizeof *zero);
    base_status s = scale && zero ? BASE_OK : base_nomem(err, n * sizeof *scale);
    for (size_t i = 0; s == BASE_OK && i < n; i++) {
        scale[i] = quant[i].scale;
        zero[i] = quant[i].zero;
    }
    if (s == BASE_OK) s = h5_write(f, "quant/scale", H5_F64, 1, &dim, scale, err);
    if (s == BASE_OK) s = h5_write(f, "quant/zero", H5_I32, 1, &dim, zero, err);
    base_free(scale);
    base_free(zero);
    return s;
}

static base_status save_bits(const nn_model *m, h5_file *f, base_err *err)
{
    const int64_t n = nn_graph_nodes(m->graph);
    return m->weight_bits ? h5_write(f, "weight_bits", H5_I32, 1, &n, m->weight_bits, err)
                          : BASE_OK;
}

base_status nn_model_write(const nn_model *m, h5_file *f, base_err *err)
{
    base_str graph = {0};
    nn_print(m->graph, &graph);
    base_status s = graph.failed ? base_nomem(err, graph.len) : BASE_OK;
    if (s == BASE_OK) s = h5_stamp(f, "model", VERSION, err);
    if (s == BASE_OK) s = h5_write_text(f, "graph", graph.s, err);
    base_str_free(&graph);
    BASE_TRY(s);
    BASE_TRY(h5_write_list(f, "labels", (const char *const *)m->labels, m->n_labels, err));
    BASE_TRY(h5_write_text(f, "features", m->features ? m->features : "", err));
    BASE_TRY(h5_write_text(f, "provenance", m->provenance ? m->provenance : "", err));
    BASE_TRY(save_stats(m, f, err));
    if (m->quant) BASE_TRY(nn_quant_write(f, m->quant, (size_t)nn_graph_nodes(m->graph), err));
    if (m->quant && m->rounds_once) BASE_TRY(h5_write_text(f, "quant/rounding", "single", err));
    BASE_TRY(save_bits(m, f, err));
    return save_weights(m, f, err);
}

base_status nn_model_save(const nn_model *m, const char *path, base_err *err)
{
    h5_file *f;
    BASE_TRY(h5_create(path, &f, err));
    base_status s = nn_model_write(m, f, err);
    if (s == BASE_OK) return h5_commit(f, err);
    h5_close(f);
    return s;
}

static base_status load_weights(nn_model *m, h5_file *f, base_err *err)
{
    size_t n = nn_graph_params(m->graph);
    m->weights = base_alloc(n, sizeof(nn_real));
    if (!m->weights) return base_nomem(err, n * sizeof(nn_real));
    for (int i = 0; i < nn_graph_nodes(m->graph); i++) {
        const nn_node *node = nn_graph_node(m->graph, i);
        for (int k = 0; k < node->n_params; k++) {
            const nn_param *p = &node->param[k];
            char name[128];
            snprintf(name, sizeof name, "weights/%s/%s", node->name, p->name);
            BASE_TRY(h5_read(f, name, NN_H5_REAL, m->weights + p->offset, p->count, err));
        }
    }
    return BASE_OK;
}

static base_status load_stats(nn_model *m, h5_file *f, base_err *err)
{
    int rank;
    int64_t dims[4];
    if (!h5_has(f, "mean")) return BASE_OK;
    BASE_TRY(h5_shape(f, "mean", &rank, dims, err));
    if (rank != 1)
        return base_fail(err, BASE_DATA, "'%s': mean has %d dimensions", h5_path(f), rank);
    m->n_stats = (size_t)dims[0];
    m->mean = base_alloc(m->n_stats, sizeof *m->mean);
    m->std = base_alloc(m->n_stats, sizeof *m->std);
    if (!m->mean || !m->std) return base_nomem(err, m->n_stats * sizeof *m->mean);
    BASE_TRY(h5_read(f, "mean", H5_F32, m->mean, m->n_stats, err));
    return h5_read(f, "std", H5_F32, m->std, m->n_stats, err);
}

base_status nn_quant_read(h5_file *f, const nn_graph *g, nn_quant *quant, base_err *err)
{
    const size_t n = (size_t)nn_graph_nodes(g);
    double *scale = base_alloc(n, sizeof *scale);
    int32_t *zero = base_alloc(n, sizeof *zero);
    base_status s = scale && zero ? BASE_OK : base_nomem(err, n * sizeof *scale);
    if (s == BASE_OK) s = h5_read(f, "quant/scale", H5_F64, scale, n, err);
    if (s == BASE_OK) s = h5_read(f, "quant/zero", H5_I32, zero, n, err);
    for (size_t i = 0; s == BASE_OK && i < n; i++) {
        quant[i] = (nn_quant){scale[i], zero[i]};
        if (!(scale[i] >= 0) || scale[i] > 1e30 || zero[i] < -128 || zero[i] > 127)
            s = base_fail(err, BASE_DATA, "'%s': quantization of node '%s' is %g, %d", h5_path(f),
                          nn_graph_node(g, (int)i)->name, scale[i], (int)zero[i]);
    }
    base_free(scale);
    base_free(zero);
    return s;
}

static base_status load_bits(nn_model *m, h5_file *f, base_err *err)
{
    const size_t n = (size_t)nn_graph_nodes(m->graph);
    if (!h5_has(f, "weight_bits")) return BASE_OK;
    m->weight_bits = base_alloc(n, sizeof *m->weight_bits);
    if (!m->weight_bits) return base_nomem(err, n * sizeof *m->weight_bits);
    BASE_TRY(h5_read(f, "weight_bits", H5_I32, m->weight_bits, n, err));
    for (size_t i = 0; i < n; i++) {
        const nn_node *node = nn_graph_node(m->graph, (int)i);
        if (m->weight_bits[i] != 8 && (m->weight_bits[i] != 4 || !(node->op->flags & NN_PACKS)))
            return base_fail(err, BASE_DATA, "'%s': weights of node '%s' (%s) in %d bits",
                             h5_path(f), node->name, node->op->name, m->weight_bits[i]);
    }
    return BASE_OK;
}

static base_status load_quant(nn_model *m, h5_file *f, base_err *err)
{
    const size_t n = (size_t)nn_graph_nodes(m->graph);
    m->quant = base_alloc(n, sizeof *m->quant);
    if (!m->quant) return base_nomem(err, n * sizeof *m->quant);
    m->rounds_once = h5_has(f, "quant/rounding");
    return nn_quant_read(f, m->graph, m->quant, err);
}

base_status nn_model_read(h5_file *f, nn_model *m, base_err *err)
{
    char *text = NULL;
    BASE_TRY(h5_check(f, "model", VERSION, err));
    BASE_TRY(h5_read_text(f, "graph", &text, err));
    base_status s = nn_parse(text, h5_path(f), &m->graph, err);
    free(text);
    if (s != BASE_OK) {
        if (err) err->status = BASE_DATA; /* nobody typed this graph: the file is wrong */
        return BASE_DATA;
    }
    BASE_TRY(h5_read_list(f, "labels", &m->labels, &m->n_labels, err));
    BASE_TRY(h5_read_text(f, "features", &m->features, err));
    BASE_TRY(h5_read_text(f, "provenance", &m->provenance, err));
    BASE_TRY(load_stats(m, f, err));
    if (h5_has(f, "quant")) BASE_TRY(load_quant(m, f, err));
    BASE_TRY(load_bits(m, f, err));
    return load_weights(m, f, err);
}

base_status nn_model_load(const char *path, nn_model **model, base_err *err)
{
    h5_file *f;
    *model = NULL;
    BASE_TRY(h5_open(path, &f, err));
    nn_model *m = calloc(1, sizeof *m);
    base_status s = m ? nn_model_read(f, m, err) : base_nomem(err, sizeof *m);
    h5_close(f);
    if (s == BASE_OK)
        *model = m;
    else
        nn_model_free(m);
    return s;
}

bool nn_model_has_labels(const nn_model *m, const char *const *labels, size_t n)
{
    if (m->n_labels != n) return false;
    for (size_t i = 0; i < n; i++)
        if (strcmp(m->labels[i], labels[i]) != 0) return false;
    return true;
}

void nn_model_free(nn_model *m)
{
    if (m) nn_model_clear(m);
    free(m);
}

void nn_model_clear(nn_model *m)
{
    nn_graph_free(m->graph);
    base_free(m->weights);
    base_free(m->mean);
    base_free(m->std);
    free(m->labels);
    free(m->features);
    free(m->provenance);
    base_free(m->quant);
    base_free(m->weight_bits);
    *m = (nn_model){0};
}

base_status nn_model_path(const char *path, char **file, base_err *err)
{
    *file = base_is_dir(path) ? base_path(path, "model.h5") : base_strdup(path);
    if (!*file) return base_nomem(err, strlen(path));
    if (base_exists(*file)) return BASE_OK;
    base_fail(err, BASE_DATA, "there is no model at '%s'", *file);
    if (base_is_dir(path))
        base_hint(err, "'%s' is no finished run: see `sotto runs ls`", path);
    else
        base_hint(err, "a model is a file or a run: `sotto runs ls` shows the runs there are");
    free(*file);
    *file = NULL;
    return BASE_DATA;
}
