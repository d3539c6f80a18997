/* Costs of a streaming step, from its plan.
 */
#include "quantize/costs_stream.h"
#include "quantize/internal.h"
#include "quantize/runtime/gemm.h"

#include <stdlib.h>
#include <string.h>

static int64_t share(int64_t n, const q8_piece *p)
{
    return n * p->rows / p->of;
}

/* Of pixels of which gemm.h takes so many at a time, those that it computes by those there are. */
static double padding(int64_t pixels)
{
    const int64_t blocks = (pixels + SOTTO_GEMM_COLUMNS - 1) / SOTTO_GEMM_COLUMNS;
    return (double)(blocks * SOTTO_GEMM_COLUMNS) / (double)pixels;
}

static bool has_gemm(const quant_layer_cost *c)
{
    return c->kernel &&
           (strcmp(c->kernel, "conv2d_gemm") == 0 || strcmp(c->kernel, "separable") == 0);
}

/* Rows of a filter make features of all frames under them: of half of its outputs' work. */
static void take_filter(quant_layer_cost *c, const q8_piece *p)
{
    const int64_t frames = q8_layer_int(&p->l, "frames");
    c->outputs = (share(c->outputs, p) + c->outputs * frames / p->of) / 2;
    c->part = (double)frames / p->of;
}

/* Layer c as the piece of it that a step runs. A recurrent layer may put out its last frame alone.
 */
static void take_piece(quant_layer_cost *c, const q8_piece *p)
{
    const int64_t pixels = c->pixels;
    c->constants = c->channels = 0;
    if (p->whole) return;
    c->part = (double)p->rows / p->of;
    c->padded = 1;
    c->macs = p->macs > 0 ? p->macs : share(c->macs, p);
    c->rows = share(c->rows, p);
    c->inputs = share(c->inputs, p);
    if (pixels % p->of) return;
    c->pixels = share(pixels, p);
    if (strcmp(p->l.kernel->name, "sotto_svdf") == 0) {
        take_filter(c, p);
        return;
    }
    c->outputs = share(c->outputs, p);
    if (has_gemm(c)) c->padded = padding(c->pixels) / padding(pixels);
}

/* Bytes that move, and new frames that are copied into the window. */
static quant_layer_cost moved(const q8_stream *s)
{
    quant_layer_cost c = {.name = "kept rows", .op = "shift", .kernel = "slice"};
    c.kind = QUANT_OTHER;
    for (int i = 0; i < s->n_shifts; i++) c.outputs += (int64_t)s->shifts[i].bytes;
    if (s->mode == Q8_STREAM_WINDOW) c.outputs += (int64_t)s->hop_bytes;
    c.inputs = c.outputs;
    return c;
}

base_status quant_step_of(const q8_stream *s, const quant_costs *costs, quant_step *step,
                          base_err *err)
{
    const q8_model *net = &s->net;
    quant_costs deployed;
    *step = (quant_step){.hop = s->hop, .mode = s->mode, .work = (int64_t)net->work};
    step->ram = step->work + (int64_t)(s->hop_bytes + net->values[net->n_layers].size);
    BASE_TRY(quant_costs_deploy_as(costs, net, &deployed, err));
    quant_layer_cost *layer = calloc((size_t)s->n_pieces + 1, sizeof *layer);
    step->costs = (quant_costs){layer, 0};
    if (layer && moved(s).outputs > 0) layer[step->costs.n++] = moved(s);
    for (int i = 0; layer && i < s->n_pieces; i++) {
        const q8_piece *p = &s->pieces[i];
        quant_layer_cost *c = &layer[step->costs.n++];
        *c = deployed.layer[p->layer + 1];
        if (!p->whole) step->constants += c->constants;
        take_piece(c, p);
    }
    quant_costs_free(&deployed);
    return layer ? BASE_OK : base_nomem(err, (size_t)s->n_pieces * sizeof *layer);
}

void quant_step_free(quant_step *step)
{
    quant_costs_free(&step->costs);
    *step = (quant_step){.hop = 0};
}
