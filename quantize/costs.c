/* Costs of a graph: what inference fuses is fused, what a kernel holds is counted.
 */
#include "quantize/costs.h"

#include "nn/op.h"
#include "quantize/runtime/int4.h"

#include <stdlib.h>
#include <string.h>

enum { WORK_ALIGN = 4 };

/* ---- from a graph ---- */

/* What inference does for an operator: its kernel, 32-bit words of the kernel's struct, whether the
 * kernel may write over its input. For kind OTHER, an element costs `work` of what one costs in
 * add where its instructions were not counted, and code is `size` of add's: -O2 on a Cortex-M4,
 * of gru, lstm and svdf in whole exports. */
typedef struct lowered {
    const char *op, *kernel;
    quant_kind kind;
    int words;
    bool in_place;
    double work, size;
} lowered;

static lowered lowering(const nn_op *op)
{
    static const lowered known[] = {
        {"conv2d", "conv2d", QUANT_CONV, 24, false, 1, 1},
        {"dwconv2d", "dwconv2d", QUANT_DEPTHWISE, 22, false, 1, 1},
        {"batchnorm", "dwconv2d", QUANT_DEPTHWISE, 22, false, 1, 1},
        {"dense", "dense", QUANT_DENSE, 11, false, 1, 1},
        {"avgpool", "avgpool", QUANT_POOL, 13, false, 1, 1},
        {"maxpool", "maxpool", QUANT_POOL, 13, false, 1, 1},
        {"globalpool", "globalpool", QUANT_POOL, 4, false, 1, 1},
        {"add", "add", QUANT_ADD, 13, true, 1, 1},
        {"mul", "mul", QUANT_OTHER, 20, false, 0.7, 3.7},
        {"matmul", "matmul", QUANT_OTHER, 14, false, 0.55, 3.5},
        {"mean", "reduce_mean", QUANT_OTHER, 15, false, 0.16, 3.1},
        {"max", "reduce_max", QUANT_OTHER, 10, false, 0.15, 2.3},
        {"concat", "concat", QUANT_OTHER, 66, false, 0.6, 4.1},
        {"class_token", "class_token", QUANT_OTHER, 10, false, 0.6, 3.4},
        {"position", "add_constant", QUANT_OTHER, 14, true, 1, 6},
        {"slice", "slice", QUANT_OTHER, 6, false, 0.1, 1.6},
        {"split", "slice", QUANT_OTHER, 6, false, 0.1, 1.6},
        {"pad", "pad", QUANT_OTHER, 8, false, 0.1, 1.9},
        {"transpose", "transpose", QUANT_OTHER, 10, false, 0.22, 2},
        {"softmax", "softmax", QUANT_OTHER, 7, true, 4.7, 13},
        {"layernorm", "layernorm", QUANT_OTHER, 11, true, 1.1, 15},
        {"sigmoid", "lut", QUANT_OTHER, 2, true, 0.12, 0.83},
        {"tanh", "lut", QUANT_OTHER, 2, true, 0.12, 0.83},
        {"silu", "lut", QUANT_OTHER, 2, true, 0.12, 0.83},
        {"gelu", "lut", QUANT_OTHER, 2, true, 0.12, 0.83},
        {"hardsigmoid", "lut", QUANT_OTHER, 2, true, 0.12, 0.83},
        {"hardswish", "lut", QUANT_OTHER, 2, true, 0.12, 0.83},
        {"dtw", "dtw", QUANT_OTHER, 13, false, 1, 3},
        {"trees", "trees", QUANT_OTHER, 13, false, 60, 3},
        {"gru", "gru", QUANT_OTHER, 21, false, 11, 21},
        {"lstm", "lstm", QUANT_OTHER, 24, false, 11, 16},
        {"svdf", "svdf", QUANT_OTHER, 17, false, 1.2, 8.7},
        {"relu", "clamp", QUANT_OTHER, 3, true, 0.15, 1},
        {"relu6", "clamp", QUANT_OTHER, 3, true, 0.15, 1},
        {"clip", "clamp", QUANT_OTHER, 3, true, 0.15, 1},
    };
    for (size_t i = 0; i < BASE_COUNT(known); i++)
        if (!strcmp(op->name, known[i].op)) return known[i];
    return (lowered){op->name, NULL, QUANT_OTHER, 3, op->flags & NN_INPLACE, 1, 4};
}

/* used[i]: how many nodes that inference needs read node i; what only a loss reads has 0. */
static void count_uses(const nn_graph *g, int *used)
{
    for (int i = nn_graph_nodes(g) - 1; i >= 0; i--) {
        const nn_node *n = nn_graph_node(g, i);
        bool result = i == nn_graph_nodes(g) - 1;
        if (n->op->flags & NN_LOSS) {
            if (n->n_in) used[n->in[0]->index]++;
            continue;
        }
        if (!result && !used[i]) continue;
        for (int k = 0; k < n->n_in; k++) used[n->in[k]->index]++;
    }
}

/* Whether n has weights and may have a bias, to which a batchnorm can be added. */
static bool takes_affine(const nn_node *n)
{
    base_str text = {0};
    bool has = nn_attr_get(n, "bias", &text);
    base_str_free(&text);
    return has && n->n_params > 0 && n->param[0].role == NN_WEIGHT;
}

/* Whether inference folds n into the layer that makes its input. */
static bool fuses(const nn_node *n, quant_layer_cost *before, int readers)
{
    if (n->op->flags & NN_IDENTITY) return true;
    if (readers != 1 || before->is_input) return false;
    const int bands = n->op->affine ? n->op->affine(n, NULL, NULL, NULL) : 0;
    if (bands == 1 && before->takes_affine) return true;
    const bool by_band = bands > 1 && before->takes_bands;
    if (by_band) {
        before->kernel = "dwconv2d_bands";
        before->constants += 4; /* their number */
        before->channels *= bands;
    }
    if (by_band || n->op->clamp) before->takes_affine = before->takes_bands = false;
    return by_band || n->op->clamp;
}

/* "10x4" or "3" of an attribute; 1, 1 where there is none. */
static void find_pair(const nn_node *n, const char *key, int v[2])
{
    base_str text = {0};
    v[0] = v[1] = 1;
    if (nn_attr_get(n, key, &text) && !text.failed && sscanf(text.s, "%dx%d", &v[0], &v[1]) == 1)
        v[1] = v[0];
    base_str_free(&text);
}

static nn_pad find_pad(const nn_node *n)
{
    base_str text = {0};
    nn_pad pad = {.kind = NN_VALID};
    if (nn_attr_get(n, "pad", &text) && !text.failed) {
        int *p = pad.p;
        if (strcmp(text.s, "same") == 0) pad.kind = NN_SAME;
        if (sscanf(text.s, "%d,%d,%d,%d", &p[0], &p[1], &p[2], &p[3]) == 4) pad.kind = NN_EXPLICIT;
    }
    base_str_free(&text);
    return pad;
}

/* What the kernels of quantize/deploy.c ask of a convolution's windows. */
static void find_windows(const nn_node *n, quant_layer_cost *c)
{
    int kernel[2], stride[2], dilation[2];
    nn_window w[2];
    base_err ignored = {0};
    find_pair(n, "kernel", kernel);
    find_pair(n, "stride", stride);
    find_pair(n, "dilation", dilation);
    c->kernel_h = kernel[0];
    c->kernel_w = kernel[1];
    const bool slides = c->kind == QUANT_CONV || c->kind == QUANT_DEPTHWISE;
    if (!slides || nn_windows(n, kernel, stride, dilation, find_pad(n), w, &ignored) != BASE_OK)
        return;
    const bool one = stride[0] * stride[1] == 1 && w[0].in == w[0].out && w[1].in == w[1].out;
    c->in_channels = n->in[0]->shape.d[2];
    c->reach = one ? w[0].before * w[1].in + w[1].before : 0;
    c->pointwise = one && kernel[0] * kernel[1] == 1;
    c->flat = dilation[1] == 1 && w[1].before == 0 &&
              (kernel[0] == 1 || (dilation[0] == 1 && kernel[1] == w[1].in)) &&
              (w[1].out - 1) * stride[1] + kernel[1] <= w[1].in;
}

/* Of trees, were all of them balanced. */
static int64_t comparisons(const nn_node *n)
{
    const nn_shape nodes = n->param[0].shape;
    int depth = 0;
    while (1 << depth <= nodes.d[2]) depth++;
    return (int64_t)nodes.d[0] * nodes.d[1] * depth;
}

/* What the kernels of some operators hold beside weights and a channel's numbers. */
static void add_tables(quant_layer_cost *c, const nn_node *n)
{
    const int last = n->shape.d[n->shape.n - 1];
    if (!strcmp(c->kernel, "lut")) c->weights = 256;
    if (!strcmp(c->kernel, "trees")) c->rows = comparisons(n);
    if (!strcmp(c->kernel, "layernorm")) c->constants += 4 * 2 * last;
    if (!strcmp(c->kernel, "class_token") || !strcmp(c->kernel, "add_constant")) c->channels = 0;
    if (!strcmp(c->kernel, "add") && !nn_same_shape(n->in[0]->shape, n->in[1]->shape)) {
        c->kernel = "add_broadcast";
        c->constants += 4 * 12; /* axes, and steps along them */
        c->in_place = false;
    }
    if (!n->op->affine) return;
    const int bands = n->op->affine(n, NULL, NULL, NULL); /* behind no convolution: one of a tap */
    c->macs = c->outputs;
    c->weights = last;
    c->channels = (int64_t)last * bands;
    c->kernel = bands > 1 ? "dwconv2d_bands" : c->kernel;
    c->constants += bands > 1 ? 4 : 0;
}

static void fill(quant_layer_cost *c, const nn_node *n, const int *layer_of)
{
    const nn_cost cost = nn_node_cost(n);
    const lowered how = lowering(n->op);
    snprintf(c->name, sizeof c->name, "%s", n->name);
    snprintf(c->op, sizeof c->op, "%s", n->op->name);
    c->kind = how.kind;
    c->kernel = how.kernel;
    c->constants = 4 * how.words;
    c->in_place = how.in_place;
    c->work = how.work;
    c->size = how.size;
    c->takes_affine = takes_affine(n);
    c->takes_bands = n->op->flags & NN_BANDS;
    c->is_input = n->n_in == 0;
    c->n_in = n->n_in;
    for (int k = 0; k < n->n_in; k++) c->in[k] = layer_of[n->in[k]->index];
    c->macs = cost.macs;
    c->inputs = n->n_in ? nn_count(n->in[0]->shape) : 0;
    c->outputs = nn_count(n->shape);
    find_windows(n, c);
    c->rows = c->outputs * c->kernel_h;
    c->pixels = c->outputs / n->shape.d[n->shape.n - 1];
    c->weights = cost.weights;
    c->channels = cost.weights ? n->shape.d[n->shape.n - 1] : 0;
    if (c->kernel) add_tables(c, n);
    if (!n->op->q8_size) return;
    nn_q8_size size = {0};
    n->op->q8_size(n, &size);
    c->weights = size.weights;
    c->channels = 0;
    c->constants += size.tables;
    c->scratch = (int64_t)size.scratch;
}

static void add_layers(const nn_graph *g, const int *used, int *layer_of, quant_costs *costs)
{
    for (int i = 0; i < nn_graph_nodes(g); i++) {
        const nn_node *n = nn_graph_node(g, i);
        bool result = i == nn_graph_nodes(g) - 1;
        if ((n->op->flags & NN_LOSS) || (!used[i] && !result)) continue;
        if (n->n_in == 1) {
            int before = layer_of[n->in[0]->index];
            if (fuses(n, &costs->layer[before], used[n->in[0]->index])) {
                layer_of[i] = before;
                continue;
            }
        }
        layer_of[i] = costs->n;
        fill(&costs->layer[costs->n++], n, layer_of);
    }
}

base_status quant_costs_of_graph(const nn_graph *graph, quant_costs *costs, base_err *err)
{
    *costs = (quant_costs){0};
    BASE_TRY(nn_graph_check(graph, err));
    size_t n = (size_t)nn_graph_nodes(graph);
    int *used = calloc(n, sizeof *used), *layer_of = calloc(n, sizeof *layer_of);
    costs->layer = calloc(n, sizeof *costs->layer);
    if (used && layer_of && costs->layer) {
        count_uses(graph, used);
        add_layers(graph, used, layer_of, costs);
    }
    bool memory = used && layer_of && costs->layer;
    free(used);
    free(layer_of);
    if (memory && costs->n && !costs->layer[costs->n - 1].is_input) return BASE_OK;
    quant_costs_free(costs);
    if (!memory) return base_nomem(err, n * sizeof *costs->layer);
    return base_fail(err, BASE_USAGE, "the graph has an input but no layer");
}

/* A layer that converts; work and size are of an element and of code as in `lowered`. */
static void fill_conversion(quant_layer_cost *c, const q8_layer *l, const q8_value *y)
{
    c->kind = QUANT_OTHER;
    c->work = y->wide ? 0.08 : 0.48;
    c->size = y->wide ? 0.15 : 0.75;
    c->inputs = c->outputs = nn_count(y->shape);
    snprintf(c->name, sizeof c->name, "%.*s", NN_MAX_NAME - 1, l->name);
    snprintf(c->op, sizeof c->op, "%s", y->wide ? "widen" : "narrow");
}

/* The layers of a graph as model m has them: value k of m is what layer k makes. */
static void convert(const q8_model *m, const quant_layer_cost *from, quant_layer_cost *to)
{
    to[0] = *from++;
    for (int k = 1; k <= m->n_layers; k++) {
        const q8_layer *l = &m->layers[k - 1];
        if (l->converts)
            fill_conversion(&to[k], l, &m->values[k]);
        else
            to[k] = *from++;
        to[k].wide = m->values[k].wide;
        to[k].n_in = l->n_in;
        memcpy(to[k].in, l->in, sizeof to[k].in);
        if (!to[k].wide && !l->converts) continue;
        to[k].kernel = l->l.kernel->name + strlen("sotto_");
        to[k].in_place = l->l.kernel->in_place;
        to[k].constants = 4 * l->l.kernel->n_fields;
    }
}

base_status quant_costs_of_q8(const q8_model *m, quant_costs *costs, base_err *err)
{
    BASE_TRY(quant_costs_of_graph(m->folded.graph, costs, err));
    if (!m->wide) return BASE_OK;
    quant_layer_cost *all = calloc((size_t)m->n_layers + 1, sizeof *all);
    if (all) convert(m, costs->layer, all);
    free(costs->layer);
    *costs = (quant_costs){all, all ? m->n_layers + 1 : 0};
    return all ? BASE_OK : base_nomem(err, (size_t)m->n_layers * sizeof *all);
}

void quant_costs_pack(quant_costs *costs, const nn_model *m)
{
    static const struct {
        const char *kernel, *packed;
        double size; /* of code, of what the kernel's takes: -O2 on a Cortex-M4 */
    } forms[] = {{"conv2d", "conv2d_w4", 1.4},
                 {"dwconv2d", "dwconv2d_w4", 1.5},
                 {"dwconv2d_bands", "dwconv2d_bands_w4", 1.5},
                 {"dense", "dense_w4", 1.6}};
    for (int i = 0; m->weight_bits && i < costs->n; i++) {
        quant_layer_cost *c = &costs->layer[i];
        const nn_node *n = nn_graph_find(m->graph, c->name);
        for (size_t k = 0; k < BASE_COUNT(forms); k++) {
            if (!n || m->weight_bits[n->index] != 4 || strcmp(c->kernel, forms[k].kernel) != 0)
                continue;
            const int channels = n->shape.d[n->shape.n - 1], each = (int)(c->weights / channels);
            c->kernel = forms[k].packed;
            c->size = forms[k].size;
            c->weights = (c->weights + 1) / 2;
            if (c->kind != QUANT_DENSE)
                c->scratch = (int64_t)each * sotto_int4_channels(each, channels);
            break;
        }
    }
}

void quant_costs_free(quant_costs *costs)
{
    free(costs->layer);
    *costs = (quant_costs){0};
}

/* ---- memory ---- */

/* Lifetime of every value: from the layer that writes it to the last that reads it. */
static void find_lifetimes(const quant_costs *costs, int element, nn_span *value)
{
    for (int i = 0; i < costs->n; i++) {
        const quant_layer_cost *c = &costs->layer[i];
        value[i] = (nn_span){.size = (size_t)c->outputs * (size_t)element * (c->wide ? 2 : 1),
                             .first = c->is_input ? 0 : i,
                             .last = i};
        for (int k = 0; k < c->n_in; k++) value[c->in[k]].last = i;
    }
}

/* Work buffer: inputs and the result are the caller's; a layer that may work in place shares the
 * place of its first input when nobody reads that later. *callers: bytes of those. */
static size_t plan_work(const quant_costs *costs, const nn_span *value, bool scratch, nn_span *span,
                        int *slot, int64_t *callers)
{
    int n = 0;
    for (int i = 0; i < costs->n; i++) {
        const quant_layer_cost *c = &costs->layer[i];
        int x = c->n_in ? c->in[0] : -1;
        slot[i] = -1;
        if (c->is_input || i == costs->n - 1) {
            *callers += (int64_t)value[i].size;
            continue;
        }
        bool shared = c->in_place && slot[x] >= 0 && value[x].last == i &&
                      value[x].size >= value[i].size; /* or it is broadcast */
        slot[i] = shared ? slot[x] : n++;
        if (shared)
            span[slot[i]].last = value[i].last;
        else
            span[slot[i]] = value[i];
    }
    for (int i = 0; scratch && i < costs->n; i++)
        if (costs->layer[i].scratch > 0)
            span[n++] = (nn_span){.size = (size_t)costs->layer[i].scratch, .first = i, .last = i};
    return n ? nn_plan(span, n, WORK_ALIGN) : 0;
}

base_status quant_memory_of(const quant_costs *costs, int element, quant_memory *memory,
                            base_err *err)
{
    size_t n = (size_t)costs->n;
    nn_span *value = calloc(3 * n, sizeof *value);
    int *slot = calloc(n, sizeof *slot);
    bool enough = value && slot;
    *memory = (quant_memory){0};
    if (enough) {
        find_lifetimes(costs, element, value);
        memory->work =
            (int64_t)plan_work(costs, value, element == 1, value + n, slot, &memory->ram);
        memory->ram += memory->work;
    }
    free(value);
    free(slot);
    return enough ? BASE_OK : base_nomem(err, n * sizeof *value);
}

base_status quant_live_of(const quant_costs *costs, int64_t *live, base_err *err)
{
    nn_span *value = calloc((size_t)costs->n, sizeof *value);
    if (!value) return base_nomem(err, (size_t)costs->n * sizeof *value);
    find_lifetimes(costs, 1, value);
    for (int i = 0; i < costs->n; i++) {
        const quant_layer_cost *c = &costs->layer[i];
        const int x = c->n_in ? c->in[0] : i;
        live[i] = c->scratch;
        for (int k = 0; k < costs->n; k++)
            if (value[k].first <= i && i <= value[k].last) live[i] += (int64_t)value[k].size;
        if (c->in_place && x != i && !costs->layer[x].is_input && value[x].last == i &&
            i + 1 < costs->n && value[x].size >= value[i].size)
            live[i] -= (int64_t)value[i].size; /* in the place of its input */
    }
    free(value);
    return BASE_OK;
}
