/* file: int8 models in HDF5. Beside the folded float model (nn/model.c):
 *
 *   /q8               rounding
 *   /q8/scale, zero   quantization of every node of the graph, in its order
 *   /q8/wide          scales of 16-bit values, 0 where a node has 8 bits; absent: all have
 *   /q8/layers        names of the layers in the order they run
 *   /q8/<layer>/      inputs: the nodes it reads; attributes kernel and its integers, by the
 *                     kernel's field table; one dataset for each of its arrays that has elements
 *                     (weights of 4 bits as they run, two a byte: kernels ending in _w4)
 *   /q8/golden_in, golden_out   inputs of the self-test and what they give
 *
 * Loading lays the layers out anew from graph and quantization (so a damaged file cannot make a
 * kernel read outside its buffers), demands that every integer agrees with the file, and takes the
 * arrays from the file.
 */
#include "nn/h5.h"
#include "quantize/internal.h"
#include "quantize/runtime/int4.h"

#include <stdlib.h>
#include <string.h>

enum { NAME = NN_MAX_NAME + 64 };

/* ---- writing ---- */

static base_status save_array(const nn_q8_layer *l, const nn_q8_field *field, int array,
                              const char *group, h5_file *f, base_err *err)
{
    char name[2 * NAME];
    const q8_array a = q8_field_stored(l, field, array);
    const int64_t n = (int64_t)a.n;
    if (n == 0) return BASE_OK;
    snprintf(name, sizeof name, "%s/%s", group, field->name);
    return h5_write(f, name, a.bytes ? H5_I8 : H5_I32, 1, &n, a.v, err);
}

static base_status save_layer(const q8_model *m, const q8_layer *layer, h5_file *f, base_err *err)
{
    const nn_q8_layer *l = &layer->l;
    const nn_node *n = nn_graph_node(m->folded.graph, layer->node);
    const char *in[NN_MAX_IN];
    char group[NAME], name[2 * NAME];
    snprintf(group, sizeof group, "q8/%s", layer->name);
    snprintf(name, sizeof name, "%s/inputs", group);
    for (int k = 0; k < layer->n_in; k++) in[k] = (layer->converts ? n : n->in[k])->name;
    BASE_TRY(h5_write_list(f, name, in, (size_t)layer->n_in, err));
    BASE_TRY(h5_set_text(f, group, "kernel", l->kernel->name, err));
    for (int i = 0, array = 0; i < l->kernel->n_fields; i++) {
        const nn_q8_field *field = &l->kernel->fields[i];
        if (field->type == NN_Q8_INT)
            BASE_TRY(h5_set_int(f, group, field->name, *q8_field_int(l, field), err));
        else
            BASE_TRY(save_array(l, field, array++, group, f, err));
    }
    return BASE_OK;
}

static base_status save_quant(const q8_model *m, h5_file *f, base_err *err)
{
    const int64_t n = nn_graph_nodes(m->folded.graph);
    double *scale = base_alloc((size_t)n, sizeof *scale);
    int32_t *zero = base_alloc((size_t)n, sizeof *zero);
    base_status status = scale && zero ? BASE_OK : base_nomem(err, (size_t)n * 8);
    for (int64_t i = 0; status == BASE_OK && i < n; i++) {
        scale[i] = m->quant[i].scale;
        zero[i] = m->quant[i].zero;
    }
    if (status == BASE_OK) status = h5_write(f, "q8/scale", H5_F64, 1, &n, scale, err);
    if (status == BASE_OK) status = h5_write(f, "q8/zero", H5_I32, 1, &n, zero, err);
    if (status == BASE_OK && m->wide) status = h5_write(f, "q8/wide", H5_F64, 1, &n, m->wide, err);
    base_free(scale);
    base_free(zero);
    return status;
}

static base_status save_golden(const q8_model *m, h5_file *f, base_err *err)
{
    const int64_t in[] = {(int64_t)m->n_golden, (int64_t)q8_input_size(m)};
    const int64_t out[] = {(int64_t)m->n_golden, (int64_t)q8_output_size(m)};
    int8_t *y;
    BASE_TRY(q8_golden_outputs(m, &y, err));
    base_status status = h5_write(f, "q8/golden_in", H5_I8, 2, in, m->golden, err);
    if (status == BASE_OK) status = h5_write(f, "q8/golden_out", H5_I8, 2, out, y, err);
    base_free(y);
    return status;
}

static base_status save(const q8_model *m, h5_file *f, base_err *err)
{
    BASE_TRY(nn_model_write(&m->folded, f, err));
    BASE_TRY(save_quant(m, f, err));
    BASE_TRY(h5_set_text(f, "q8", "rounding", q8_rounding_name(m->rounding), err));
    const char **names = base_arena_alloc(m->arena, (size_t)m->n_layers, sizeof *names);
    if (!names) return base_nomem(err, (size_t)m->n_layers);
    for (int i = 0; i < m->n_layers; i++) names[i] = m->layers[i].name;
    BASE_TRY(h5_write_list(f, "q8/layers", names, (size_t)m->n_layers, err));
    for (int i = 0; i < m->n_layers; i++) BASE_TRY(save_layer(m, &m->layers[i], f, err));
    return save_golden(m, f, err);
}

base_status q8_save(const q8_model *m, const char *path, base_err *err)
{
    h5_file *f;
    BASE_TRY(h5_create(path, &f, err));
    const base_status status = save(m, f, err);
    if (status == BASE_OK) return h5_commit(f, err);
    h5_close(f);
    return status;
}

/* ---- reading ---- */

static base_status damaged(h5_file *f, const char *layer, const char *what, int64_t found,
                           int64_t wanted, base_err *err)
{
    return base_fail(err, BASE_DATA,
                     "'%s': layer '%s' does not fit its graph: %s is %lld, not %lld", h5_path(f),
                     layer, what, (long long)found, (long long)wanted);
}

static bool ends_in(const char *name, const char *end)
{
    const size_t length = strlen(name), n = strlen(end);
    return length >= n && strcmp(name + length - n, end) == 0;
}

/* Shifts and multipliers that sotto_requant is not made for. */
static base_status check_array(h5_file *f, const char *layer, const char *name, const int32_t *v,
                               size_t count, base_err *err)
{
    const bool shift = ends_in(name, "shift"), multiplier = ends_in(name, "multiplier");
    for (size_t i = 0; i < count; i++) {
        if (shift && (v[i] < -31 || v[i] > 30)) return damaged(f, layer, "a shift", v[i], 0, err);
        if (multiplier && v[i] == INT32_MIN) return damaged(f, layer, "a multiplier", v[i], 0, err);
    }
    return BASE_OK;
}

/* Each half of a byte is -7 .. 7, a half beyond the last weight 0. */
static base_status check_packed(h5_file *f, const q8_layer *layer, const int8_t *v, size_t count,
                                base_err *err)
{
    for (size_t i = 0; i < nn_q8_stored(NN_Q8_I4S, count); i++)
        if (sotto_int4_low(v[i]) == -8 || sotto_int4_high(v[i]) == -8)
            return damaged(f, layer->name, "a weight of 4 bits", -8, -7, err);
    const int beyond = count % 2 ? sotto_int4_high(v[count / 2]) : 0;
    return beyond ? damaged(f, layer->name, "what follows the last weight", beyond, 0, err)
                  : BASE_OK;
}

static base_status load_array(h5_file *f, const q8_layer *layer, const nn_q8_field *field,
                              int array, const char *group, base_err *err)
{
    char name[2 * NAME];
    const q8_array a = q8_field_stored(&layer->l, field, array);
    if (a.n == 0) return BASE_OK;
    snprintf(name, sizeof name, "%s/%s", group, field->name);
    void *v = (void *)(uintptr_t)a.v; /* the arena's memory, made by the lowering */
    BASE_TRY(h5_read(f, name, a.bytes ? H5_I8 : H5_I32, v, a.n, err));
    if (field->type == NN_Q8_I4S) return check_packed(f, layer, v, layer->l.count[array], err);
    return a.bytes ? BASE_OK : check_array(f, layer->name, field->name, v, a.n, err);
}

static base_status load_layer(h5_file *f, const q8_layer *layer, base_err *err)
{
    const nn_q8_kernel *kernel = layer->l.kernel;
    char group[NAME], *name = NULL;
    snprintf(group, sizeof group, "q8/%s", layer->name);
    BASE_TRY(h5_get_text(f, group, "kernel", &name, err));
    const bool same = strcmp(name, kernel->name) == 0;
    if (!same)
        base_fail(err, BASE_DATA, "'%s': layer '%s' uses kernel '%s', its graph '%s'", h5_path(f),
                  layer->name, name, kernel->name);
    free(name);
    if (!same) return BASE_DATA;
    for (int i = 0, array = 0; i < kernel->n_fields; i++) {
        const nn_q8_field *field = &kernel->fields[i];
        if (field->type != NN_Q8_INT) {
            BASE_TRY(load_array(f, layer, field, array++, group, err));
            continue;
        }
        int64_t v = 0;
        const int64_t wanted = *q8_field_int(&layer->l, field);
        BASE_TRY(h5_get_int(f, group, field->name, &v, err));
        if (v != wanted) return damaged(f, layer->name, field->name, v, wanted, err);
    }
    return BASE_OK;
}

static base_status load_rounding(q8_model *m, h5_file *f, base_err *err)
{
    char *name = NULL;
    BASE_TRY(h5_get_text(f, "q8", "rounding", &name, err));
    int r = 0;
    while (r < Q8_ROUNDINGS && strcmp(name, q8_rounding_name((q8_rounding)r)) != 0) r++;
    m->rounding = (q8_rounding)r;
    if (r == Q8_ROUNDINGS)
        base_fail(err, BASE_DATA, "'%s': rounding '%s' is not known here (tflm and single are)",
                  h5_path(f), name);
    free(name);
    return r < Q8_ROUNDINGS ? BASE_OK : BASE_DATA;
}

static base_status load_quant(q8_model *m, h5_file *f, base_err *err)
{
    const size_t n = (size_t)nn_graph_nodes(m->folded.graph);
    double *scale = base_arena_alloc(m->arena, n, sizeof *scale);
    int32_t *zero = base_arena_alloc(m->arena, n, sizeof *zero);
    m->quant = base_arena_alloc(m->arena, n, sizeof *m->quant);
    if (!scale || !zero || !m->quant) return base_nomem(err, n * sizeof *m->quant);
    BASE_TRY(h5_read(f, "q8/scale", H5_F64, scale, n, err));
    BASE_TRY(h5_read(f, "q8/zero", H5_I32, zero, n, err));
    for (size_t i = 0; i < n; i++) m->quant[i] = (nn_quant){scale[i], zero[i]};
    if (!h5_has(f, "q8/wide")) return BASE_OK;
    m->wide = base_arena_alloc(m->arena, n, sizeof *m->wide);
    if (!m->wide) return base_nomem(err, n * sizeof *m->wide);
    return h5_read(f, "q8/wide", H5_F64, m->wide, n, err);
}

static base_status load_golden(q8_model *m, h5_file *f, base_err *err)
{
    int rank;
    int64_t dims[4];
    BASE_TRY(h5_shape(f, "q8/golden_in", &rank, dims, err));
    const size_t in = q8_input_size(m), out = q8_output_size(m);
    if (rank != 2 || dims[0] < 0 || dims[0] > 4096 || dims[1] != (int64_t)in)
        return base_fail(err, BASE_DATA, "'%s': golden inputs are not of %zu values", h5_path(f),
                         in);
    m->n_golden = (size_t)dims[0];
    m->golden = base_arena_alloc(m->arena, m->n_golden * in + 1, 1);
    int8_t *wanted = base_arena_alloc(m->arena, m->n_golden * out + 1, 1), *y = NULL;
    if (!m->golden || !wanted) return base_nomem(err, m->n_golden * in);
    BASE_TRY(h5_read(f, "q8/golden_in", H5_I8, m->golden, m->n_golden * in, err));
    BASE_TRY(h5_read(f, "q8/golden_out", H5_I8, wanted, m->n_golden * out, err));
    BASE_TRY(q8_golden_outputs(m, &y, err));
    size_t i = 0;
    while (i < m->n_golden * out && y[i] == wanted[i]) i++;
    base_free(y);
    if (i == m->n_golden * out) return BASE_OK;
    return base_fail(err, BASE_MISMATCH,
                     "'%s': golden input %zu gives another result than was recorded", h5_path(f),
                     i / out + 1);
}

static base_status load(q8_model *m, h5_file *f, base_err *err)
{
    BASE_TRY(h5_check(f, "model", 1, err));
    if (!h5_has(f, "q8")) {
        base_fail(err, BASE_DATA, "'%s' is a float model, not an int8 one", h5_path(f));
        return base_hint(err,
                         "make one with `sotto quantize %.80s --calibrate PACK -o OUT.int8.h5`",
                         h5_path(f));
    }
    m->arena = base_arena_new();
    if (!m->arena) return base_nomem(err, 1);
    BASE_TRY(nn_model_read(f, &m->folded, err));
    BASE_TRY(load_rounding(m, f, err));
    BASE_TRY(load_quant(m, f, err));
    if (q8_lower(m, err) != BASE_OK) {
        if (err) err->status = BASE_DATA; /* nobody typed this graph: the file is wrong */
        return BASE_DATA;
    }
    base_status status = BASE_OK;
    for (int i = 0; i < m->n_layers && status == BASE_OK; i++)
        status = load_layer(f, &m->layers[i], err);
    if (status == BASE_OK) status = load_golden(m, f, err);
    if (status != BASE_OK)
        base_hint(err, "the file is damaged, or was made by another version: quantize again");
    return status;
}

base_status q8_load(const char *path, q8_model **m, base_err *err)
{
    h5_file *f;
    *m = NULL;
    BASE_TRY(h5_open(path, &f, err));
    q8_model *q = calloc(1, sizeof *q);
    const base_status status = q ? load(q, f, err) : base_nomem(err, sizeof *q);
    h5_close(f);
    if (status == BASE_OK)
        *m = q;
    else
        q8_model_free(q);
    return status;
}

base_status q8_is_model(const char *path, bool *is, base_err *err)
{
    h5_file *f;
    BASE_TRY(h5_open(path, &f, err));
    const base_status status = h5_check(f, "model", 1, err);
    *is = status == BASE_OK && h5_has(f, "q8");
    h5_close(f);
    return status;
}
