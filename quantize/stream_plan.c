/* stream_plan: which rows of every layer a hop of new frames changes, and what then computes them.
 */
#include "quantize/stream_plan.h"
#include "quantize/internal.h"
#include "quantize/runtime/gru.h"
#include "quantize/runtime/lstm.h"
#include "quantize/runtime/separable.h"
#include "quantize/runtime/shift.h"
#include "quantize/runtime/slice.h"
#include "quantize/runtime/svdf.h"
#include "quantize/stream_rows.h"

#include <string.h>

/* Rows j of a value, a <= j < rows - b - shift, are what rows j + shift were a hop before. */
typedef struct moves {
    int a, b, shift;
    bool known; /* else no row is */
} moves;

const char *q8_stream_mode_name(q8_stream_mode mode)
{
    static const char *const names[] = {"auto", "window", "state"};
    return names[mode];
}

static bool is_kernel(const nn_q8_layer *l, const char *name)
{
    return strcmp(l->kernel->name, name) == 0;
}

static int rows_of(const q8_stream *s, int v)
{
    return s->net.values[v].shape.d[0];
}

/* MACs of every layer of the net, whole, from those of m: a separable one stands for two. */
static void count_macs(q8_stream *s, const q8_model *m)
{
    for (int k = 0, from = 0; k < s->net.n_layers; k++) {
        const int n = is_kernel(&s->net.layers[k].l, "sotto_separable") ? 2 : 1;
        for (int i = 0; i < n; i++, from++)
            if (!m->layers[from].converts)
                s->layer_macs[k] +=
                    nn_node_cost(nn_graph_node(m->folded.graph, m->layers[from].node)).macs;
        s->window_macs += s->layer_macs[k];
    }
}

static void put_whole(q8_stream *s, int k)
{
    s->pieces[s->n_pieces++] = (q8_piece){.layer = k,
                                          .whole = true,
                                          .rows = 1,
                                          .of = 1,
                                          .macs = s->layer_macs[k],
                                          .l = s->net.layers[k].l};
}

static base_status put_rows(q8_stream *s, int k, int first, int end, base_err *err)
{
    if (first == end) return BASE_OK;
    return q8_rows_make(&s->net, k, first, end, s->layer_macs[k], s->arena,
                        &s->pieces[s->n_pieces++], err);
}

/* ---- window ---- */

static moves through(const q8_rows *r, moves x)
{
    if (!x.known || x.shift % r->stride) return (moves){.known = false};
    const int a = (x.a + r->before + r->stride - 1) / r->stride;
    const int room = r->in - x.b + r->before - r->extent; /* of where the last good row begins */
    const int good = room < 0 ? 0 : room / r->stride + 1;
    return (moves){.a = a,
                   .b = good < r->out ? r->out - good : 0,
                   .shift = x.shift / r->stride,
                   .known = true};
}

/* How rows of layer k's output move: as far as all inputs allow. */
static moves moves_of(const q8_stream *s, int k, const moves *of)
{
    const q8_layer *l = &s->net.layers[k];
    q8_rows r;
    moves x = of[l->in[0]];
    if (!q8_rows_of(&s->net, k, &r)) return (moves){.known = false};
    for (int j = 1; j < l->n_in; j++) {
        const moves other = of[l->in[j]];
        x.known = x.known && other.known && other.shift == x.shift;
        if (other.a > x.a) x.a = other.a;
        if (other.b > x.b) x.b = other.b;
    }
    return through(&r, x);
}

/* The output does not take the place of the input, of which nothing need be put aside. */
static void write_apart(nn_q8_layer *l)
{
    if (!is_kernel(l, "sotto_separable")) return;
    sotto_separable_t *p = l->p;
    p->keep = 0;
    l->scratch = (size_t)SOTTO_SEPARABLE_SCRATCH(p->grid.in_c, 0);
}

static void keep_rows(q8_stream *s, int v, int a, int end, int shift)
{
    q8_value *value = &s->net.values[v];
    const size_t row = value->size / (size_t)rows_of(s, v);
    value->kept = true;
    s->shifts[s->n_shifts++] = (q8_shift){.value = v,
                                          .to = (size_t)a * row,
                                          .by = (size_t)shift * row,
                                          .bytes = (size_t)(end - a) * row};
}

static base_status plan_window(q8_stream *s, base_err *err)
{
    moves *of = base_arena_alloc(s->arena, (size_t)s->net.n_layers + 1, sizeof *of);
    if (!of) return base_nomem(err, sizeof *of);
    of[0] = (moves){.shift = s->hop, .known = true};
    keep_rows(s, 0, 0, rows_of(s, 0) - s->hop, s->hop);
    for (int k = 0; k < s->net.n_layers; k++) {
        const moves y = of[k + 1] = moves_of(s, k, of);
        const int rows = rows_of(s, k + 1), end = rows - y.b - y.shift;
        if (!y.known || y.a >= end || k + 1 == s->net.n_layers) {
            put_whole(s, k);
            continue;
        }
        keep_rows(s, k + 1, y.a, end, y.shift);
        write_apart(&s->net.layers[k].l);
        BASE_TRY(put_rows(s, k, 0, y.a, err));
        BASE_TRY(put_rows(s, k, end, rows, err));
    }
    return BASE_OK;
}

/* ---- state ---- */

static void run_gru(const void *p, const int8_t *const *x, int8_t *y, void *scratch)
{
    sotto_gru_on(p, x[0], y, scratch);
}

static void run_lstm(const void *p, const int8_t *const *x, int8_t *y, void *scratch)
{
    sotto_lstm_on(p, x[0], y, scratch);
}

static void run_svdf(const void *p, const int8_t *const *x, int8_t *y, void *scratch)
{
    sotto_svdf_on(p, x[0], y, scratch);
}

static bool keeps_state(const nn_q8_layer *l)
{
    if (is_kernel(l, "sotto_svdf"))
        return q8_layer_int(l, "before") == q8_layer_int(l, "memory") - 1;
    return (is_kernel(l, "sotto_gru") || is_kernel(l, "sotto_lstm")) && !q8_layer_int(l, "reverse");
}

/* Layer k from its state on, in scratch of its own. */
static base_status put_on(q8_stream *s, int k, base_err *err)
{
    nn_q8_layer *l = &s->net.layers[k].l;
    q8_piece *p = &s->pieces[s->n_pieces++];
    nn_q8_kernel *kernel = base_arena_alloc(s->arena, 1, sizeof *kernel);
    const int frames = rows_of(s, 0);
    *p = (q8_piece){.layer = k,
                    .rows = s->hop,
                    .of = frames,
                    .macs = s->layer_macs[k] * s->hop / frames,
                    .l = *l};
    p->l.p = base_arena_alloc(s->arena, 1, l->kernel->size);
    if (!kernel || !p->l.p) return base_nomem(err, l->kernel->size);
    memcpy(p->l.p, l->p, l->kernel->size);
    *kernel = *l->kernel;
    p->l.kernel = kernel;
    s->net.layers[k].kept = true;
    if (is_kernel(l, "sotto_gru")) {
        kernel->name = "sotto_gru_on";
        kernel->run_in = run_gru;
        ((sotto_gru_t *)p->l.p)->frames = s->hop;
    } else if (is_kernel(l, "sotto_lstm")) {
        kernel->name = "sotto_lstm_on";
        kernel->run_in = run_lstm;
        ((sotto_lstm_t *)p->l.p)->frames = s->hop;
    } else {
        sotto_svdf_t *svdf = p->l.p;
        kernel->name = "sotto_svdf_on";
        kernel->run_in = run_svdf;
        svdf->frames = s->hop;
        l->scratch = 2 * (size_t)(svdf->before * (svdf->units + 1) + s->hop);
    }
    return BASE_OK;
}

/* Whether layer k takes the last frame out of its input. */
static bool takes_last(const q8_stream *s, int k)
{
    const nn_q8_layer *l = &s->net.layers[k].l;
    if (!is_kernel(l, "sotto_slice")) return false;
    const q8_value *x = &s->net.values[s->net.layers[k].in[0]];
    const sotto_slice_t *p = l->p;
    return p->pieces == 1 && (size_t)p->run * (size_t)x->shape.d[0] == x->size &&
           (size_t)(p->begin + p->run) == x->size;
}

static base_status put_last(q8_stream *s, int k, base_err *err)
{
    const nn_q8_layer *l = &s->net.layers[k].l;
    sotto_slice_t *p = base_arena_alloc(s->arena, 1, sizeof *p);
    if (!p) return base_nomem(err, sizeof *p);
    *p = *(const sotto_slice_t *)l->p;
    p->begin = (s->hop - 1) * p->run;
    s->pieces[s->n_pieces] = (q8_piece){.layer = k, .rows = 1, .of = 1, .l = *l};
    s->pieces[s->n_pieces++].l.p = p;
    return BASE_OK;
}

static base_status no_state(const q8_stream *s, int k, base_err *err)
{
    base_fail(err, BASE_USAGE, "layer '%s' cannot go on from frame to frame (%s)",
              s->net.layers[k].name, s->net.layers[k].l.kernel->name);
    return base_hint(err, "stream by windows: --stream window");
}

/* Layer k, of whose inputs all have frames. *frames: its output has them too. */
static base_status put_frames(q8_stream *s, int k, bool *frames, base_err *err)
{
    const nn_q8_layer *l = &s->net.layers[k].l;
    q8_rows r;
    if (keeps_state(l)) {
        *frames = is_kernel(l, "sotto_svdf") || q8_layer_int(l, "sequence");
        return put_on(s, k, err);
    }
    if (takes_last(s, k)) {
        *frames = false;
        return put_last(s, k, err);
    }
    *frames = true;
    if (!q8_rows_of(&s->net, k, &r) || r.stride != 1 || r.before != 0 || r.extent != 1)
        return no_state(s, k, err);
    return put_rows(s, k, 0, s->hop, err);
}

static base_status plan_state(q8_stream *s, bool *has_state, base_err *err)
{
    const int frames = rows_of(s, 0);
    bool *framed = base_arena_alloc(s->arena, (size_t)s->net.n_layers + 1, sizeof *framed);
    if (!framed) return base_nomem(err, sizeof *framed);
    framed[0] = true;
    for (int k = 0; k < s->net.n_layers; k++) {
        const q8_layer *l = &s->net.layers[k];
        int with = 0;
        for (int j = 0; j < l->n_in; j++) with += framed[l->in[j]];
        if (with > 0 && with < l->n_in) return no_state(s, k, err);
        if (with == 0) {
            put_whole(s, k);
            continue;
        }
        BASE_TRY(put_frames(s, k, &framed[k + 1], err));
        *has_state |= l->kept;
    }
    for (int v = 0; v <= s->net.n_layers; v++) {
        q8_value *value = &s->net.values[v];
        if (!framed[v]) continue;
        value->size = value->size / (size_t)frames * (size_t)s->hop;
        value->shape.d[0] = s->hop;
    }
    return BASE_OK;
}

/* ---- both ---- */

static base_status check_hop(const q8_model *m, int hop, base_err *err)
{
    const int frames = m->values[0].shape.d[0];
    if (hop >= 1 && hop <= frames) return BASE_OK;
    base_fail(err, BASE_USAGE, "a hop of %d frames: the model's input has %d", hop, frames);
    return base_hint(err, "take 1 .. %d", frames);
}

static base_status plan(q8_stream *s, const q8_model *m, bool *has_state, base_err *err)
{
    const size_t n = (size_t)m->n_layers + 1;
    s->n_pieces = s->n_shifts = 0;
    s->macs = s->window_macs = 0;
    BASE_TRY(q8_deploy(m, s->arena, &s->net, err));
    s->hop_bytes = m->values[0].size / (size_t)m->values[0].shape.d[0] * (size_t)s->hop;
    s->layer_macs = base_arena_alloc(s->arena, n, sizeof *s->layer_macs);
    s->shifts = base_arena_alloc(s->arena, n, sizeof *s->shifts);
    s->pieces = base_arena_alloc(s->arena, 2 * n, sizeof *s->pieces);
    if (!s->layer_macs || !s->shifts || !s->pieces) return base_nomem(err, n);
    count_macs(s, m);
    BASE_TRY(s->mode == Q8_STREAM_STATE ? plan_state(s, has_state, err) : plan_window(s, err));
    for (int i = 0; i < s->n_pieces; i++) s->macs += s->pieces[i].macs;
    return q8_place(&s->net, err);
}

static base_status choose(q8_stream *s, const q8_model *m, base_err *err)
{
    bool has_state = false;
    base_err why = {0};
    if (s->mode != Q8_STREAM_AUTO) return plan(s, m, &has_state, err);
    s->mode = Q8_STREAM_STATE;
    const base_status status = plan(s, m, &has_state, &why);
    if (status == BASE_OK && has_state) return BASE_OK;
    s->mode = Q8_STREAM_WINDOW;
    return plan(s, m, &has_state, err);
}

base_status q8_stream_new(const q8_model *m, q8_stream_mode mode, int hop, q8_stream **stream,
                          base_err *err)
{
    BASE_TRY(check_hop(m, hop, err));
    base_arena *arena = base_arena_new();
    q8_stream *s = arena ? base_arena_alloc(arena, 1, sizeof *s) : NULL;
    if (!s) {
        base_arena_free(arena);
        return base_nomem(err, sizeof *s);
    }
    *s = (q8_stream){.mode = mode, .hop = hop, .arena = arena};
    const base_status status = choose(s, m, err);
    *stream = status == BASE_OK ? s : NULL;
    if (status != BASE_OK) base_arena_free(arena);
    return status;
}

void q8_stream_free(q8_stream *s)
{
    if (s) base_arena_free(s->arena);
}

/* ---- running ---- */

void q8_stream_reset(const q8_stream *s, int8_t *work)
{
    const q8_model *m = &s->net;
    memset(work, 0, m->work);
    if (s->mode == Q8_STREAM_STATE) return;
    int8_t *window = work + m->values[0].offset;
    memset(window, m->values[0].quant.zero, m->values[0].size);
    for (int k = 0; k + 1 < m->n_layers; k++) {
        const int8_t *x[NN_MAX_IN] = {0};
        for (int j = 0; j < m->layers[k].n_in; j++)
            x[j] = work + m->values[m->layers[k].in[j]].offset;
        q8_layer_run(&m->layers[k].l, x, work + m->values[k + 1].offset,
                     work + m->layers[k].scratch);
    }
}

void q8_stream_step(const q8_stream *s, const int8_t *frames, int8_t *out, int8_t *work)
{
    const q8_model *m = &s->net;
    const bool window = s->mode == Q8_STREAM_WINDOW;
    for (int i = 0; i < s->n_shifts; i++) {
        const q8_shift *h = &s->shifts[i];
        sotto_shift(work + m->values[h->value].offset + h->to, (int32_t)h->by, (int32_t)h->bytes);
    }
    if (window)
        memcpy(work + m->values[0].offset + m->values[0].size - s->hop_bytes, frames, s->hop_bytes);
    for (int i = 0; i < s->n_pieces; i++) {
        const q8_piece *p = &s->pieces[i];
        const q8_layer *l = &m->layers[p->layer];
        const int8_t *x[NN_MAX_IN] = {0};
        for (int j = 0; j < l->n_in; j++)
            x[j] =
                (l->in[j] == 0 && !window ? frames : work + m->values[l->in[j]].offset) + p->x[j];
        int8_t *y = p->layer + 1 == m->n_layers ? out : work + m->values[p->layer + 1].offset;
        q8_layer_run(&p->l, x, y + p->y, work + l->scratch);
    }
}
