/* stream_rows: rows of a layer as a layer of its own: the same kernel and arrays, and numbers that
 * make it compute those rows alone. Kinds of kernels are told by the fields of their structs.
 */
#include "quantize/stream_rows.h"
#include "quantize/internal.h"

#include <string.h>

typedef enum kind { NONE, WINDOW, FILTER, ELEMENTS, ROWS, BROADCAST, REDUCE } kind;

static int32_t *find(const nn_q8_layer *l, const char *name)
{
    char nested[64];
    snprintf(nested, sizeof nested, "grid.%s", name);
    for (int f = 0; f < l->kernel->n_fields; f++) {
        const nn_q8_field *field = &l->kernel->fields[f];
        if (field->type != NN_Q8_INT) continue;
        if (!strcmp(field->name, name) || !strcmp(field->name, nested))
            return q8_field_int(l, field);
    }
    return NULL;
}

static kind kind_of(const nn_q8_layer *l)
{
    static const char *const elements[] = {"sotto_add",   "sotto_add_i16",  "sotto_lut",
                                           "sotto_clamp", "sotto_clip_i16", "sotto_widen",
                                           "sotto_narrow"};
    for (size_t i = 0; i < BASE_COUNT(elements); i++)
        if (strcmp(l->kernel->name, elements[i]) == 0) return ELEMENTS;
    if (strcmp(l->kernel->name, "sotto_svdf") == 0) return FILTER;
    if (find(l, "kernel_h") && find(l, "out_h")) return WINDOW;
    if (find(l, "rows") && find(l, "n")) return ROWS;
    if (find(l, "length[0]") && find(l, "step0[0]")) return BROADCAST;
    return find(l, "axes.kept[0]") ? REDUCE : NONE;
}

/* The axis of a broadcast along which the rows lie, several of one length each. */
static int row_axis(const nn_q8_layer *l)
{
    const int32_t *length = find(l, "length[0]");
    int i = 0;
    while (i < 3 && length[i] == 1) i++;
    return i;
}

/* Elements of x[j] from one row of a broadcast to the next. */
static int32_t step_of(const nn_q8_layer *l, int j, int axis)
{
    return find(l, j == 0 ? "step0[0]" : "step1[0]")[axis];
}

static int rows_in(const q8_value *v)
{
    return v->shape.d[0];
}

static size_t row_bytes(const q8_value *v)
{
    return v->size / (size_t)rows_in(v);
}

static int32_t row_elements(const q8_value *v)
{
    return (int32_t)(row_bytes(v) / (v->wide ? 2 : 1));
}

/* Whether every input has its rows where the kernel looks for them. */
static bool rows_lie_so(const q8_model *m, int k, kind how)
{
    const q8_layer *q = &m->layers[k];
    const nn_q8_layer *l = &q->l;
    const q8_value *x = &m->values[q->in[0]], *y = &m->values[k + 1];
    const int rows = rows_in(y);
    for (int j = 0; how != WINDOW && how != FILTER && j < q->n_in; j++)
        if (rows_in(&m->values[q->in[j]]) != rows) return false;
    switch (how) {
    case WINDOW: return *find(l, "in_h") == rows_in(x) && *find(l, "out_h") == rows;
    case FILTER: return *find(l, "frames") == rows_in(x);
    case ELEMENTS: return *find(l, "n") == row_elements(y) * rows;
    case ROWS: return *find(l, "rows") % rows == 0;
    case BROADCAST: {
        const int axis = row_axis(l);
        const int32_t length = find(l, "length[0]")[axis];
        for (int j = 0; j < q->n_in; j++)
            if (length / rows * step_of(l, j, axis) != row_elements(&m->values[q->in[j]]))
                return false;
        return length % rows == 0;
    }
    case REDUCE: {
        const int32_t kept = *find(l, "axes.kept[0]");
        return kept % rows == 0 && kept / rows * *find(l, "axes.kept_step[0]") == row_elements(x);
    }
    case NONE: break;
    }
    return false;
}

bool q8_rows_of(const q8_model *m, int k, q8_rows *r)
{
    const nn_q8_layer *l = &m->layers[k].l;
    const kind how = kind_of(l);
    if (how == NONE || !rows_lie_so(m, k, how)) return false;
    *r = (q8_rows){.in = rows_in(&m->values[m->layers[k].in[0]]),
                   .out = rows_in(&m->values[k + 1]),
                   .stride = 1,
                   .extent = 1};
    if (how == WINDOW) {
        const int32_t *dilation = find(l, "dilation_h");
        r->stride = *find(l, "stride_h");
        r->before = *find(l, "pad_top");
        r->extent = (*find(l, "kernel_h") - 1) * (dilation ? *dilation : 1) + 1;
    } else if (how == FILTER) {
        r->before = *find(l, "before");
        r->extent = *find(l, "memory");
    }
    return true;
}

/* A filter looks at frames from its first one on: those before it are left out. */
static void filter_rows(const nn_q8_layer *l, int first, int rows, size_t in, q8_piece *p)
{
    int32_t *before = find(l, "before"), *frames = find(l, "frames");
    const int left_out = first > *before ? first - *before : 0;
    *before = first < *before ? *before - first : 0;
    *frames = rows + *find(l, "memory") - 1 - *before;
    p->x[0] = (size_t)left_out * in;
}

/* A filter computes what it makes of every frame under a row anew. */
static int64_t macs_of(const q8_piece *p, kind how, int64_t all)
{
    if (how != FILTER) return all * p->rows / p->of;
    const int64_t features = (int64_t)*find(&p->l, "frames") * *find(&p->l, "in_n");
    return (features + (int64_t)p->rows * *find(&p->l, "memory")) * *find(&p->l, "units");
}

base_status q8_rows_make(const q8_model *m, int k, int first, int end, int64_t macs,
                         base_arena *arena, q8_piece *p, base_err *err)
{
    const q8_layer *q = &m->layers[k];
    const q8_value *y = &m->values[k + 1];
    const int rows = end - first, all = rows_in(y);
    *p = (q8_piece){
        .layer = k, .rows = rows, .of = all, .y = (size_t)first * row_bytes(y), .l = q->l};
    p->l.p = base_arena_alloc(arena, 1, q->l.kernel->size);
    if (!p->l.p) return base_nomem(err, q->l.kernel->size);
    memcpy(p->l.p, q->l.p, q->l.kernel->size);
    const kind how = kind_of(&q->l);
    for (int j = 0; how != WINDOW && j < q->n_in; j++)
        p->x[j] = (size_t)first * row_bytes(&m->values[q->in[j]]);
    switch (how) {
    case WINDOW:
        *find(&p->l, "pad_top") -= first * *find(&p->l, "stride_h");
        *find(&p->l, "out_h") = rows;
        break;
    case FILTER: filter_rows(&p->l, first, rows, row_bytes(&m->values[q->in[0]]), p); break;
    case ELEMENTS: *find(&p->l, "n") = row_elements(y) * rows; break;
    case ROWS: *find(&p->l, "rows") = *find(&p->l, "rows") / all * rows; break;
    case BROADCAST: {
        int32_t *length = &find(&p->l, "length[0]")[row_axis(&q->l)];
        *length = *length / all * rows;
        break;
    }
    case REDUCE: *find(&p->l, "axes.kept[0]") = *find(&p->l, "axes.kept[0]") / all * rows; break;
    case NONE: break;
    }
    p->macs = macs_of(p, how, macs);
    return BASE_OK;
}
