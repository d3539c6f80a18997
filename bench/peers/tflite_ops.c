/* tflite_ops: the operators of int8 .tflite files, one at a time, in sotto and in TensorFlow Lite's
 * own C library (tflite.sh runs it): random shapes, attributes, weights, scales over nine decades,
 * zero points and biases at their ends, inputs of every kind.
 *
 * usage: tflite_ops LIBRARY CASES [OPERATOR]
 *        tflite_ops LIBRARY record OUT.h5      some of each, for tests/test_tflite.c
 *
 * A line an operator: cases; of these refused by sotto and by the library; values, those that
 * differ, and the largest difference. Exit code 1 when any differ.
 */
#include "bench/peers/tflite_library.h"
#include "nn/h5.h"
#include "quantize/tflite.h"

#include <math.h>

enum { TENSORS = 8, INPUTS = 6, MOST = 1 << 16 };

/* A model in the making. */
typedef struct rig {
    base_rng r;
    tfl_tensor t[TENSORS];
    tfl_op op[2];
    float scale[TENSORS][64];
    int32_t zero[TENSORS][64];
    char name[TENSORS][16];
    int n, n_ops;
    base_arena *arena;
} rig;

static int between(rig *g, int lo, int hi)
{
    return lo + (int)base_rng_below(&g->r, (uint32_t)(hi - lo + 1));
}

static bool maybe(rig *g)
{
    return between(g, 0, 1);
}

static float any_scale(rig *g)
{
    return (float)(maybe(g) ? exp(base_rng_uniform(&g->r) * 20.7 - 13.8)
                            : exp(base_rng_normal(&g->r) - 3));
}

static int any_zero(rig *g)
{
    const int kind = between(g, 0, 3);
    return kind == 0 ? -128 : kind == 1 ? 127 : kind == 2 ? 0 : between(g, -128, 127);
}

/* ---- tensors ---- */

static int tensor(rig *g, int type, int rank, const int *dim)
{
    tfl_tensor *t = &g->t[g->n];
    *t = (tfl_tensor){.type = type, .rank = rank};
    snprintf(g->name[g->n], sizeof g->name[0], "t%d", g->n);
    t->name = g->name[g->n];
    for (int i = 0; i < rank; i++) t->dim[i] = dim[i];
    return g->n++;
}

static void set_quant(rig *g, int i, float scale, int zero)
{
    g->scale[i][0] = scale;
    g->zero[i][0] = zero;
    g->t[i].scale = g->scale[i];
    g->t[i].zero = g->zero[i];
    g->t[i].n_scales = 1;
}

static int value(rig *g, int rank, const int *dim, float scale, int zero)
{
    const int i = tensor(g, TFL_INT8, rank, dim);
    set_quant(g, i, scale, zero);
    return i;
}

static int any_value(rig *g, int rank, const int *dim)
{
    const float scale = any_scale(g);
    return value(g, rank, dim, scale, any_zero(g));
}

static void *data_of(rig *g, int i, size_t size)
{
    g->t[i].bytes = size * (size_t)tflite_count(&g->t[i]);
    void *data = base_arena_alloc(g->arena, g->t[i].bytes, 1);
    if (!data) exit(2);
    g->t[i].data = data;
    return data;
}

static int integers(rig *g, int n, const int *v)
{
    const int i = tensor(g, TFL_INT32, 1, &n);
    memcpy(data_of(g, i, 4), v, (size_t)n * 4);
    return i;
}

static tfl_op *operator(rig *g, int code, int version, int out, int n_in, const int *in)
{
    tfl_op *op = &g->op[g->n_ops++];
    *op = (tfl_op){.code = code, .version = version, .n_in = n_in, .out = out};
    for (int i = 0; i < n_in; i++) op->in[i] = in[i];
    return op;
}

/* ---- operators ---- */

static void map_of(rig *g, int dim[4])
{
    dim[0] = 1;
    dim[1] = between(g, 1, 9);
    dim[2] = between(g, 1, 7);
    dim[3] = between(g, 1, 9);
}

/* Scale of an output so that sums of `fan` products fill it somewhat, or do not fit. */
static float out_scale(rig *g, double unit, int fan)
{
    return (float)(unit * 40 * sqrt(fan) * exp((base_rng_uniform(&g->r) - 0.4) * 5));
}

/* Weights with a scale for each output or one, and biases. */
static void weights(rig *g, int i, int axis, int outputs, int bias, float in, bool each)
{
    int8_t *w = data_of(g, i, 1);
    int32_t *b = data_of(g, bias, 4);
    const int most = maybe(g) ? 127 : 20;
    for (int64_t k = 0; k < tflite_count(&g->t[i]); k++) w[k] = (int8_t)between(g, -most, most);
    const float common = any_scale(g);
    g->t[i].axis = axis;
    g->t[i].n_scales = g->t[bias].n_scales = each ? outputs : 1;
    g->t[i].scale = g->scale[i], g->t[i].zero = g->zero[i];
    g->t[bias].scale = g->scale[bias], g->t[bias].zero = g->zero[bias];
    for (int o = 0; o < g->t[i].n_scales; o++) {
        g->scale[i][o] = common * (float)exp(base_rng_normal(&g->r));
        g->scale[bias][o] = in * g->scale[i][o];
    }
    const int size = between(g, 0, 3);
    for (int o = 0; o < outputs; o++)
        b[o] = size == 0 ? 0 : between(g, -(1 << 8 * size) + 1, (1 << 8 * size) - 1);
}

/* The length of the output along one axis; 0: the window does not fit. */
static int windows(int in, int kernel, int stride, int dilation, bool same)
{
    const int reach = (kernel - 1) * dilation + 1;
    return same ? (in + stride - 1) / stride : in < reach ? 0 : (in - reach) / stride + 1;
}

/* The library does not look at the activation of an int8 DEPTHWISE_CONV_2D: files have ranges that
 * end with it. */
static bool make_conv(rig *g, int code)
{
    const bool depthwise = code == TFL_DEPTHWISE_CONV_2D, same = maybe(g);
    const int many = between(g, 1, 3), multiplier = depthwise ? (maybe(g) ? 1 : many) : 0;
    int d[4], y[4] = {1};
    map_of(g, d);
    const int outputs = depthwise ? d[3] * multiplier : between(g, 1, 12);
    const int w[] = {depthwise ? 1 : outputs, between(g, 1, 4), between(g, 1, 4),
                     depthwise ? outputs : d[3]};
    const int stride = between(g, 1, 2), dilation = stride == 1 ? between(g, 1, 2) : 1;
    for (int i = 1; i < 3; i++)
        if ((y[i] = windows(d[i], w[i], stride, dilation, same)) < 1) return false;
    y[3] = outputs;
    const int x = any_value(g, 4, d), wi = tensor(g, TFL_INT8, 4, w);
    const int b = tensor(g, TFL_INT32, 1, &outputs);
    weights(g, wi, depthwise ? 3 : 0, outputs, b, g->scale[x][0], true);
    const float s = out_scale(g, (double)g->scale[x][0] * (double)g->scale[wi][0] * 40,
                              w[1] * w[2] * (depthwise ? 1 : d[3]));
    const int out = value(g, 4, y, s, any_zero(g));
    operator(g, code, 3, out, 3, (const int[]){x, wi, b})->o =
        (tfl_options){.padding = same ? TFL_SAME : TFL_VALID,
                      .stride_h = stride,
                      .stride_w = stride,
                      .dilation_h = dilation,
                      .dilation_w = dilation,
                      .depth_multiplier = multiplier,
                      .activation = depthwise ? 0 : between(g, 0, 3)};
    return true;
}

static bool make_dense(rig *g, int code)
{
    const int d[] = {1, between(g, 1, 60)}, y[] = {1, between(g, 1, 20)}, w[] = {y[1], d[1]};
    const int x = any_value(g, 2, d), wi = tensor(g, TFL_INT8, 2, w);
    const int b = tensor(g, TFL_INT32, 1, &y[1]);
    weights(g, wi, 0, y[1], b, g->scale[x][0], false);
    const float s = out_scale(g, (double)g->scale[x][0] * (double)g->scale[wi][0] * 40, d[1]);
    operator(g, code, 4, value(g, 2, y, s, any_zero(g)), 3, (const int[]){x, wi, b})->o.activation =
        between(g, 0, 3);
    return true;
}

static bool make_pool(rig *g, int code)
{
    int d[4], y[4];
    map_of(g, d);
    const bool same = maybe(g);
    const int kernel[] = {between(g, 1, d[1]), between(g, 1, d[2])}, stride = between(g, 1, 3);
    memcpy(y, d, sizeof y);
    y[1] = windows(d[1], kernel[0], stride, 1, same);
    y[2] = windows(d[2], kernel[1], stride, 1, same);
    const int x = any_value(g, 4, d);
    const int out = value(g, 4, y, g->scale[x][0], g->zero[x][0]);
    operator(g, code, 2, out, 1, &x)->o = (tfl_options){.padding = same ? TFL_SAME : TFL_VALID,
                                                        .stride_h = stride,
                                                        .stride_w = stride,
                                                        .kernel_h = kernel[0],
                                                        .kernel_w = kernel[1],
                                                        .activation = between(g, 0, 3)};
    return true;
}

/* The input and a pooled or clamped copy of it. */
static bool make_pair(rig *g, int code)
{
    int d[4];
    map_of(g, d);
    const int x = any_value(g, 4, d), axes = integers(g, 2, (const int[]){1, 2});
    const int small[] = {1, 1, 1, d[3]};
    const int kind = between(g, 0, 2);
    int in[] = {x, x};
    if (kind) { /* the other by broadcasting, or the first */
        const int other = value(g, 4, small, g->scale[x][0], g->zero[x][0]);
        operator(g, TFL_REDUCE_MAX, 2, other, 2, (const int[]){x, axes})->o.keep_dims = true;
        in[kind - 1] = other;
    }
    const double s = (double)g->scale[x][0] * (code == TFL_ADD ? 2 : 60 * (double)g->scale[x][0]);
    const float y = (float)(s * exp((base_rng_uniform(&g->r) - 0.5) * 4));
    operator(g, code, 2, value(g, 4, d, y, any_zero(g)), 2, in)->o.activation = between(g, 0, 3);
    return true;
}

/* Pairs of any two scales, and everything else that takes two: a concatenation of x and itself. */
static bool make_concat(rig *g, int code)
{
    int d[4], y[4];
    map_of(g, d);
    const int x = any_value(g, 4, d), axis = between(g, 1, 3);
    memcpy(y, d, sizeof y);
    y[axis] *= 2;
    const int out = value(g, 4, y, g->scale[x][0], g->zero[x][0]);
    operator(g, code, 2, out, 2, (const int[]){x, x})->o.axis = maybe(g) ? axis : axis - 4;
    return true;
}

static bool make_reduce(rig *g, int code)
{
    int d[4], y[4] = {1}, axes[3], n = 0, rank = 1;
    map_of(g, d);
    const bool keep = maybe(g);
    const int which = maybe(g) ? 3 : between(g, 1, 7); /* time and frequency are usual */
    for (int i = 1; i < 4; i++) {
        if (which >> (i - 1) & 1) axes[n++] = i;
        if (keep || !(which >> (i - 1) & 1)) y[rank++] = which >> (i - 1) & 1 ? 1 : d[i];
    }
    if (rank < 2) return false; /* a scalar has no batch */
    const int x = any_value(g, 4, d), a = integers(g, n, axes);
    const bool same = code == TFL_REDUCE_MAX || maybe(g);
    const float s = g->scale[x][0] * (float)exp((base_rng_uniform(&g->r) - 0.7) * 2);
    const int z = any_zero(g);
    const int out = value(g, rank, y, same ? g->scale[x][0] : s, same ? g->zero[x][0] : z);
    operator(g, code, 2, out, 2, (const int[]){x, a})->o.keep_dims = keep;
    return true;
}

static bool make_unary(rig *g, int code)
{
    int d[4];
    map_of(g, d);
    const int x = any_value(g, 4, d);
    float s = g->scale[x][0];
    int z = g->zero[x][0];
    if (code == TFL_SOFTMAX || code == TFL_LOGISTIC) s = 1.0F / 256, z = -128;
    if (code == TFL_TANH) s = 1.0F / 128, z = 0;
    if (code == TFL_HARD_SWISH) {
        s *= (float)exp((base_rng_uniform(&g->r) - 0.5) * 3);
        z = any_zero(g);
    }
    const bool two = code == TFL_SOFTMAX;
    tfl_op *op = operator(g, code, code == TFL_HARD_SWISH || code == TFL_RELU_N1_TO_1 ? 1 : 2,
                          value(g, 4, d, s, z), 1, &x);
    if (two) op->o.beta = 1;
    return true;
}

static bool make_bound(rig *g, int code)
{
    int d[4];
    map_of(g, d);
    const int x = any_value(g, 4, d),
              c = value(g, 1, (const int[]){1}, g->scale[x][0], g->zero[x][0]);
    *(int8_t *)data_of(g, c, 1) = (int8_t)between(g, -128, 127);
    operator(g, code, 2, value(g, 4, d, g->scale[x][0], g->zero[x][0]), 2, (const int[]){x, c});
    return true;
}

static bool make_pad(rig *g, int code)
{
    int d[4], y[4], p[8] = {0};
    map_of(g, d);
    memcpy(y, d, sizeof y);
    for (int i = 2; i < 6; i++) y[i / 2] += p[i] = between(g, 0, 3);
    const int x = any_value(g, 4, d), c = tensor(g, TFL_INT32, 2, (const int[]){4, 2});
    memcpy(data_of(g, c, 4), p, sizeof p);
    operator(g, code, 2, value(g, 4, y, g->scale[x][0], g->zero[x][0]), 2, (const int[]){x, c});
    return true;
}

static bool make_slice(rig *g, int code)
{
    int d[4], y[4], begin[4] = {0}, end[4];
    map_of(g, d);
    memcpy(y, d, sizeof y);
    memcpy(end, d, sizeof end);
    const int axis = between(g, 1, 3);
    begin[axis] = between(g, 0, d[axis] - 1);
    end[axis] = between(g, begin[axis] + 1, d[axis]);
    y[axis] = end[axis] - begin[axis];
    if (y[axis] == d[axis]) return false; /* nothing to compute */
    const int x = any_value(g, 4, d), b = integers(g, 4, begin), e = integers(g, 4, end);
    const int s = integers(g, 4, (const int[]){1, 1, 1, 1});
    operator(g, code, 2, value(g, 4, y, g->scale[x][0], g->zero[x][0]), 4,
             (const int[]){x, b, e, s});
    return true;
}

static bool make_transpose(rig *g, int code)
{
    static const int orders[][4] = {
        {0, 1, 3, 2}, {0, 2, 1, 3}, {0, 2, 3, 1}, {0, 3, 1, 2}, {0, 3, 2, 1}};
    int d[4], y[4];
    map_of(g, d);
    const int *order = orders[between(g, 0, 4)];
    for (int i = 0; i < 4; i++) y[i] = d[order[i]];
    const int x = any_value(g, 4, d), c = integers(g, 4, order);
    operator(g, code, 2, value(g, 4, y, g->scale[x][0], g->zero[x][0]), 2, (const int[]){x, c});
    return true;
}

/* Behind a maximum over an axis, as a reshape alone computes nothing. */
static bool make_reshape(rig *g, int code)
{
    int d[4];
    map_of(g, d);
    const int x = any_value(g, 4, d), axis = integers(g, 1, (const int[]){2});
    const int m[] = {1, d[1], 1, d[3]}, y[] = {1, d[1] * d[3]};
    const int most = value(g, 4, m, g->scale[x][0], g->zero[x][0]);
    const int out = value(g, 2, y, g->scale[x][0], g->zero[x][0]), shape = integers(g, 2, y);
    operator(g, TFL_REDUCE_MAX, 2, most, 2, (const int[]){x, axis})->o.keep_dims = true;
    operator(g, code, 1, out, 2, (const int[]){most, shape});
    return true;
}

static const struct {
    int code;
    bool (*make)(rig *g, int code);
} kinds[] = {
    {TFL_CONV_2D, make_conv},
    {TFL_DEPTHWISE_CONV_2D, make_conv},
    {TFL_FULLY_CONNECTED, make_dense},
    {TFL_AVERAGE_POOL_2D, make_pool},
    {TFL_MAX_POOL_2D, make_pool},
    {TFL_ADD, make_pair},
    {TFL_MUL, make_pair},
    {TFL_MEAN, make_reduce},
    {TFL_REDUCE_MAX, make_reduce},
    {TFL_CONCATENATION, make_concat},
    {TFL_PAD, make_pad},
    {TFL_STRIDED_SLICE, make_slice},
    {TFL_TRANSPOSE, make_transpose},
    {TFL_RESHAPE, make_reshape},

    {TFL_SOFTMAX, make_unary},
    {TFL_LOGISTIC, make_unary},
    {TFL_TANH, make_unary},
    {TFL_HARD_SWISH, make_unary},
    {TFL_RELU, make_unary},
    {TFL_RELU6, make_unary},
    {TFL_RELU_N1_TO_1, make_unary},
    {TFL_MAXIMUM, make_bound},
    {TFL_MINIMUM, make_bound},
};

/* ---- comparing ---- */

typedef struct tally {
    size_t cases, refused, refused_there, values, differ;
    int worst;
} tally;

static void inputs(rig *g, int8_t *x, size_t one)
{
    for (size_t i = 0; i < INPUTS * one; i++) {
        const size_t k = i / one;
        x[i] = (int8_t)(k == 0   ? -128
                        : k == 1 ? 127
                        : k == 2 ? (maybe(g) ? 127 : -128)
                        : k == 3 ? between(g, -6, 5)
                                 : between(g, -128, 127));
    }
}

static void count(tally *t, const int8_t *a, const int8_t *b, size_t n)
{
    t->values += n;
    for (size_t i = 0; i < n; i++) {
        const int d = abs(a[i] - b[i]);
        t->differ += d != 0;
        t->worst = d > t->worst ? d : t->worst;
    }
}

static tfl_model model_of(const rig *g)
{
    return (tfl_model){.file = "op",
                       .description = "",
                       .tensor = (tfl_tensor *)g->t,
                       .op = (tfl_op *)g->op,
                       .n_tensors = g->n,
                       .n_ops = g->n_ops,
                       .input = 0,
                       .output = g->op[g->n_ops - 1].out,
                       .arena = g->arena};
}

static void run_case(const library *l, rig *g, tally *t, const char *why)
{
    base_err err = {0};
    base_str bytes = {0};
    nn_model *m = NULL;
    q8_model *q = NULL;
    static int8_t x[INPUTS * MOST], a[INPUTS * MOST], b[INPUTS * MOST];
    const tfl_model file = model_of(g);
    const size_t in = (size_t)tflite_count(&g->t[0]),
                 out = (size_t)tflite_count(&g->t[file.output]);
    t->cases++;
    if (tflite_print(&file, &bytes, &err) != BASE_OK ||
        tflite_import(&file, &(tflite_given){0}, &m, &q, &err) != BASE_OK) {
        t->refused++;
        if (why) printf("# %s\n", err.message);
    } else {
        inputs(g, x, in);
        int8_t *work = base_alloc(q->work + 1, 1);
        for (size_t i = 0; i < INPUTS; i++) q8_run(q, x + i * in, a + i * out, work);
        base_free(work);
        if (library_run(l, &bytes, INPUTS, x, in, b, out))
            t->refused_there++;
        else
            count(t, a, b, INPUTS * out);
    }
    base_str_free(&bytes);
    nn_model_free(m);
    q8_model_free(q);
}

/* Makes case `seed` of kind k; false when there is none. */
static bool make(rig *g, size_t k, uint64_t seed)
{
    *g = (rig){.r = base_rng_at(seed, BASE_RNG_TEST, (uint32_t)kinds[k].code, 0),
               .arena = base_arena_new()};
    if (!g->arena) exit(2);
    if (!kinds[k].make(g, kinds[k].code)) {
        base_arena_free(g->arena);
        return false;
    }
    tfl_op *last = &g->op[g->n_ops - 1];
    /* there the library's bounds of RELU6 and RELU_N1_TO_1 overflow */
    if (g->t[last->out].scale[0] < 1e-8F && last->o.activation > TFL_ACT_RELU)
        last->o.activation = TFL_NONE;
    return true;
}

/* ---- vectors ---- */

static void put(h5_file *f, const char *group, const char *name, int64_t rows, int64_t n,
                const void *v)
{
    char path[64];
    base_err err = {0};
    snprintf(path, sizeof path, "%s/%s", group, name);
    const int64_t dims[] = {rows ? rows : n, n};
    if (h5_write(f, path, H5_I8, rows ? 2 : 1, dims, v, &err) == BASE_OK) return;
    fprintf(stderr, "%s\n", err.message);
    exit(2);
}

static void record_case(const library *l, h5_file *f, rig *g, const char *group)
{
    base_err err = {0};
    base_str bytes = {0};
    static int8_t x[INPUTS * MOST], y[INPUTS * MOST];
    const tfl_model file = model_of(g);
    const size_t in = (size_t)tflite_count(&g->t[0]),
                 out = (size_t)tflite_count(&g->t[file.output]);
    inputs(g, x, in);
    if (tflite_print(&file, &bytes, &err) != BASE_OK ||
        library_run(l, &bytes, INPUTS, x, in, y, out))
        exit(2);
    put(f, group, "file", 0, (int64_t)bytes.len, bytes.s);
    put(f, group, "x", INPUTS, (int64_t)in, x);
    put(f, group, "y", INPUTS, (int64_t)out, y);
    base_str_free(&bytes);
}

static int record(const library *l, const char *path)
{
    base_err err = {0};
    h5_file *f = NULL;
    char group[32];
    int n = 0;
    if (h5_create(path, &f, &err) != BASE_OK || h5_stamp(f, "tflite vectors", 1, &err) != BASE_OK)
        return 2;
    for (size_t k = 0; k < BASE_COUNT(kinds); k++) {
        const int code = kinds[k].code, most = code == TFL_MEAN         ? 9
                                               : code == TFL_HARD_SWISH ? 3
                                                                        : 1;
        uint64_t seed = 0;
        for (int i = 0; i < most && code != TFL_SOFTMAX; seed++) {
            static rig g;
            if (!make(&g, k, seed)) continue;
            snprintf(group, sizeof group, "%d", n++);
            record_case(l, f, &g, group);
            base_arena_free(g.arena);
            i++;
        }
    }
    return h5_set_int(f, "/", "operators", n, &err) != BASE_OK || h5_commit(f, &err) != BASE_OK;
}

int main(int argc, char **argv)
{
    if (argc < 3) return 2;
    const library l = library_open(argv[1]);
    bool same = true;
    if (argc > 3 && strcmp(argv[2], "record") == 0) return record(&l, argv[3]);
    printf("operator\tcases\trefused\tby the library\tvalues\tdifferent\tlargest\n");
    for (size_t k = 0; k < BASE_COUNT(kinds); k++) {
        char buf[32];
        const char *name = tflite_op_name(kinds[k].code, buf);
        tally t = {0};
        if (argc > 3 && strcmp(name, argv[3]) != 0) continue;
        for (uint64_t seed = 0; (int)t.cases < atoi(argv[2]); seed++) {
            static rig g;
            if (!make(&g, k, seed)) continue;
            run_case(&l, &g, &t, argc > 3 ? name : NULL);
            base_arena_free(g.arena);
        }
        printf("%s\t%zu\t%zu\t%zu\t%zu\t%zu\t%d\n", name, t.cases, t.refused, t.refused_there,
               t.values, t.differ, t.worst);
        fflush(stdout);
        same &= t.differ == 0 || kinds[k].code == TFL_SOFTMAX; /* a table of floats there */
    }
    return !same;
}
