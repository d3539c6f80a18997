/* Costs of a graph and their estimate on a board; the model is described in estimate.h, the origin
 * of its coefficients in bench/fit_latency.c and bench/code_size.sh.
 */
#include "quantize/estimate.h"

#include "nn/op.h"
#include "quantize/runtime/int4.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    CHANNEL_BYTES = 12, /* int32 bias, multiplier, shift */
    WORK_ALIGN = 4
};

/* ---- from a graph ---- */

/* What inference does for an operator: its kernel, 32-bit words of the kernel's struct, whether the
 * kernel may write over its input. For kind OTHER, an element costs `work` of what one costs in
 * add, and code is `size` of add's: bench/kernel_instructions.csv, and -O2 on a Cortex-M4; work of
 * gru, lstm and svdf is a guess. */
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
        {"mul", "mul", QUANT_OTHER, 20, false, 0.7, 0.9},
        {"matmul", "matmul", QUANT_OTHER, 14, false, 0.55, 0.85},
        {"mean", "mean", QUANT_OTHER, 15, false, 0.16, 0.8},
        {"max", "max", QUANT_OTHER, 10, false, 0.15, 0.55},
        {"concat", "concat", QUANT_OTHER, 66, false, 0.6, 1},
        {"class_token", "class_token", QUANT_OTHER, 10, false, 0.6, 0.85},
        {"position", "position", QUANT_OTHER, 14, true, 1, 1},
        {"slice", "slice", QUANT_OTHER, 6, false, 0.1, 0.35},
        {"split", "slice", QUANT_OTHER, 6, false, 0.1, 0.35},
        {"pad", "pad", QUANT_OTHER, 8, false, 0.1, 0.35},
        {"transpose", "transpose", QUANT_OTHER, 10, false, 0.22, 0.45},
        {"softmax", "softmax", QUANT_OTHER, 7, true, 4.7, 3.4},
        {"layernorm", "layernorm", QUANT_OTHER, 11, true, 1.1, 1.8},
        {"sigmoid", "lut", QUANT_OTHER, 2, true, 0.12, 0.15},
        {"tanh", "lut", QUANT_OTHER, 2, true, 0.12, 0.15},
        {"silu", "lut", QUANT_OTHER, 2, true, 0.12, 0.15},
        {"gelu", "lut", QUANT_OTHER, 2, true, 0.12, 0.15},
        {"hardsigmoid", "lut", QUANT_OTHER, 2, true, 0.12, 0.15},
        {"hardswish", "lut", QUANT_OTHER, 2, true, 0.12, 0.15},
        {"gru", "gru", QUANT_OTHER, 21, false, 11, 8.5},
        {"lstm", "lstm", QUANT_OTHER, 24, false, 11, 7.5},
        {"svdf", "svdf", QUANT_OTHER, 17, false, 1.2, 1.6},
        {"relu", "clamp", QUANT_OTHER, 3, true, 0.15, 0.2},
        {"relu6", "clamp", QUANT_OTHER, 3, true, 0.15, 0.2},
        {"clip", "clamp", QUANT_OTHER, 3, true, 0.15, 0.2},
    };
    for (size_t i = 0; i < BASE_COUNT(known); i++)
        if (!strcmp(op->name, known[i].op)) return known[i];
    return (lowered){op->name, NULL, QUANT_OTHER, 3, op->flags & NN_INPLACE, 1, 1};
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

/* 1 for a node without a kernel. */
static int kernel_height(const nn_node *n)
{
    base_str text = {0};
    bool has = nn_attr_get(n, "kernel", &text) && !text.failed;
    int height = has ? atoi(text.s) : 1;
    base_str_free(&text);
    return height > 0 ? height : 1;
}

/* What the kernels of some operators hold beside weights and a channel's numbers. */
static void add_tables(quant_layer_cost *c, const nn_node *n)
{
    const int last = n->shape.d[n->shape.n - 1];
    if (!strcmp(c->kernel, "lut")) c->weights = 256;
    if (!strcmp(c->kernel, "layernorm")) c->constants += 4 * 2 * last;
    if (!strcmp(c->kernel, "class_token") || !strcmp(c->kernel, "position")) c->channels = 0;
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
    c->rows = c->outputs * kernel_height(n);
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

/* ---- on a board ---- */

double quant_layer_cycles(const quant_layer_cost *layer, const quant_cycles *cycles)
{
    const quant_cycles *c = cycles;
    double macs = (double)layer->macs, rows = (double)layer->rows, out = (double)layer->outputs;
    double in = (double)layer->inputs;
    if (layer->is_input) return 0;
    switch (layer->kind) {
    case QUANT_CONV: return c->conv_mac * macs + c->conv_row * rows + c->conv_out * out;
    case QUANT_DEPTHWISE: return c->dw_mac * macs + c->dw_row * rows + c->dw_out * out;
    case QUANT_DENSE: return c->fc_mac * macs + c->fc_out * out;
    case QUANT_POOL: return c->pool_in * in;
    case QUANT_ADD: return c->add_out * out;
    case QUANT_OTHER:
    case QUANT_KINDS: break;
    }
    /* what reduces its input looks at all of it; products as in a dense layer */
    const bool reduces = layer->kernel && macs < 1 && in > out &&
                         (!strcmp(layer->op, "mean") || !strcmp(layer->op, "max"));
    return c->fc_mac * macs + c->add_out * layer->work * (reduces ? in : out);
}

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
                      value[x].size == value[i].size; /* or it is broadcast */
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

/* Bytes alive while each layer runs. */
static base_status count_live(const quant_costs *costs, quant_estimate *e, base_err *err)
{
    nn_span *value = calloc((size_t)costs->n, sizeof *value);
    if (!value) return base_nomem(err, (size_t)costs->n * sizeof *value);
    find_lifetimes(costs, 1, value);
    for (int i = 0; i < costs->n; i++) {
        e->layer[i].live = costs->layer[i].scratch;
        for (int k = 0; k < costs->n; k++)
            if (value[k].first <= i && i <= value[k].last)
                e->layer[i].live += (int64_t)value[k].size;
    }
    free(value);
    return BASE_OK;
}

/* Whether no layer before i runs the same kernel. */
static bool is_first(const quant_costs *costs, int i)
{
    const quant_layer_cost *c = &costs->layer[i];
    const char *kernel = c->kernel ? c->kernel : c->op;
    for (int k = 0; k < i; k++) {
        const char *other = costs->layer[k].kernel ? costs->layer[k].kernel : costs->layer[k].op;
        if (!costs->layer[k].is_input && !strcmp(kernel, other)) return false;
    }
    return !c->is_input;
}

static void layers(const quant_costs *costs, const quant_target *target, quant_estimate *e)
{
    double code = target->core.code_base, cmsis = 0;
    for (int i = 0; i < costs->n; i++) {
        const quant_layer_cost *c = &costs->layer[i];
        quant_layer_estimate *l = &e->layer[i];
        int64_t tables = c->is_input ? 0 : c->channels * CHANNEL_BYTES + c->constants;
        l->flash = c->weights + tables;
        l->cycles = quant_layer_cycles(c, &target->core.own) * target->scale;
        cmsis += quant_layer_cycles(c, &target->core.cmsis) * target->scale;
        l->ms = l->cycles / (target->mhz * 1e3);
        e->macs += c->macs;
        e->weights += c->weights;
        e->tables += tables;
        e->cycles += l->cycles;
        e->ms += l->ms;
        if (is_first(costs, i))
            code += c->size * target->core.code[c->kind == QUANT_OTHER ? QUANT_ADD : c->kind];
    }
    e->code = (int64_t)code;
    e->cmsis_ms = cmsis > 0 ? cmsis / (target->mhz * 1e3) : (double)NAN;
    e->cmsis_error =
        cmsis > 0 ? fmax(target->core.cmsis_error, target->latency_error) : (double)NAN;
    e->flash = e->weights + e->tables + e->code;
}

static void judge(const quant_target *target, quant_estimate *e)
{
    int64_t flash = e->flash - target->flash, ram = e->ram - target->ram;
    e->fits = flash <= 0 && ram <= 0;
    char *at = e->why, *end = e->why + sizeof e->why;
    if (flash > 0)
        at += snprintf(at, (size_t)(end - at), "%.1f KiB of flash too much", (double)flash / 1024);
    if (ram > 0)
        snprintf(at, (size_t)(end - at), "%s%.1f KiB of RAM too much", flash > 0 ? ", " : "",
                 (double)ram / 1024);
}

base_status quant_estimate_run(const quant_costs *costs, const quant_target *target,
                               quant_estimate *estimate, base_err *err)
{
    quant_estimate *e = estimate;
    *e = (quant_estimate){0};
    e->layer = calloc((size_t)costs->n, sizeof *e->layer);
    if (!e->layer) return base_nomem(err, (size_t)costs->n * sizeof *e->layer);
    quant_memory memory;
    if (quant_memory_of(costs, 1, &memory, err) != BASE_OK ||
        count_live(costs, e, err) != BASE_OK) {
        quant_estimate_free(e);
        return BASE_FAILED;
    }
    e->work = memory.work;
    e->ram = memory.ram;
    layers(costs, target, e);
    e->flash_error = target->core.code_error * (double)e->code / (double)e->flash;
    e->latency_error = target->latency_error;
    double power = quant_target_power(target);
    e->uj = power > 0 ? e->cycles * power * 1e-3 : (double)NAN;
    /* both are factors: errors of a product of independent ones */
    e->energy_error = power > 0 ? hypot(target->latency_error, target->power_error) : (double)NAN;
    judge(target, e);
    return BASE_OK;
}

void quant_estimate_free(quant_estimate *estimate)
{
    free(estimate->layer);
    *estimate = (quant_estimate){0};
}
