/* max: y = the largest of x over some axes (0 is time, 1 frequency, 2 channels). These stay as axes
 * of length 1, or with keep=no go away. The gradient goes to the first position that holds the
 * maximum; NaN is the largest.
 */
#include "nn/grid.h"
#include "nn/lower.h"
#include "quantize/runtime/reduce_max.h"

typedef struct max {
    nn_list axes;
    bool keep;
} max;

static const nn_attr attrs[] = {
    {"axes", NN_LIST, offsetof(max, axes), NULL, 0, NN_MAX_DIMS - 1, "what to search", false},
    {"keep", NN_YESNO, offsetof(max, keep), "yes", 0, 0, "keep the axes, with length 1", false},
};

static base_status shape(nn_node *n, base_err *err)
{
    const max *p = n->attrs;
    return nn_reduced(n, p->axes, p->keep, &n->shape, err);
}

/* One int32 a result: where in its sample of x it lies. Kept for backward, in evaluation scratch.
 */
static size_t places(const nn_node *n, int batch)
{
    return (size_t)(batch * nn_count(n->shape));
}

static int32_t *places_in(nn_real *memory)
{
    _Static_assert(sizeof(int32_t) <= sizeof(nn_real), "a place fits where a real does");
    return (int32_t *)(void *)memory;
}

typedef struct search {
    const nn_real *x;
    int32_t *best; /* of one sample */
} search;

/* n elements from `at` on, each with its result or all with one. */
static void search_row(const search *s, int32_t *best, ptrdiff_t step, ptrdiff_t at, ptrdiff_t n)
{
    for (ptrdiff_t end = at + n; at < end; at++, best += step) {
        nn_real largest = *best < 0 ? 0 : s->x[*best];
        if (*best < 0 || (largest == largest && !(s->x[at] <= largest))) *best = (int32_t)at;
    }
}

static void search_block(void *ctx, nn_block b)
{
    const search *s = ctx;
    for (ptrdiff_t r = 0; r < b.rows; r++)
        search_row(s, s->best + b.a + r * b.row_a, b.step_a, b.y + r * b.n, b.n);
}

static void forward(const nn_node *n, const nn_args *a)
{
    const max *p = n->attrs;
    nn_shape full = n->in[0]->shape, kept;
    nn_reduced(n, p->axes, true, &kept, NULL);
    nn_grid g = nn_grid_of(1, full, kept, full);
    search s = {a->x[0], places_in(a->training ? a->saved : a->scratch)};
    nn_real *y = a->y;
    int64_t count = nn_count(n->shape);
    for (int b = 0; b < a->batch; b++, s.x += nn_count(full), s.best += count, y += count) {
        for (int64_t i = 0; i < count; i++) s.best[i] = -1;
        nn_grid_blocks(&g, search_block, &s);
        for (int64_t i = 0; i < count; i++) y[i] = s.x[s.best[i]];
    }
}

static void backward(const nn_node *n, const nn_args *a)
{
    int64_t count = nn_count(n->shape), sample = nn_count(n->in[0]->shape);
    const int32_t *best = places_in(a->saved);
    const nn_real *dy = a->dy;
    nn_real *dx = a->dx[0];
    for (int b = 0; dx && b < a->batch; b++, best += count, dy += count, dx += sample)
        for (int64_t i = 0; i < count; i++) dx[best[i]] += dy[i];
}

static const nn_q8_field fields[] = {
    NN_Q8_REDUCE_OF(sotto_reduce_max_t, axes),
    NN_Q8_INT_OF(sotto_reduce_max_t, lo),
    NN_Q8_INT_OF(sotto_reduce_max_t, hi),
};

static void run_q8(const void *p, const int8_t *const *x, int8_t *y)
{
    sotto_reduce_max(p, x[0], y);
}

static const nn_q8_kernel kernel = {
    .name = "sotto_reduce_max",
    .header = "reduce_max.h",
    .n_in = 1,
    .size = sizeof(sotto_reduce_max_t),
    .fields = fields,
    .n_fields = BASE_COUNT(fields),
    .run = run_q8,
};

static base_status lower(const nn_node *n, nn_q8_context *c, nn_q8_layer *layer, base_err *err)
{
    BASE_TRY(nn_q8_check(n, c, err));
    sotto_reduce_max_t *p = nn_q8_layer_new(&kernel, c, layer);
    if (!p) return base_nomem(err, sizeof *p);
    const max *a = n->attrs;
    *p = (sotto_reduce_max_t){nn_q8_reduce(n, a->axes), c->lo, c->hi};
    return BASE_OK;
}

NN_CASES("x = input 5x4x6; y = max(x) axes=1", "x = input 5x4x6; y = max(x) axes=0",
         "x = input 5x4x6; y = max(x) axes=2", "x = input 5x4x6; y = max(x) axes=0,1 keep=no",
         "x = input 5x4x6; y = max(x) axes=0,2 keep=no", "x = input 9; y = max(x) axes=0",
         "x = input 3x1x6; y = max(x) axes=1", "x = input 3x4x2x5; y = max(x) axes=1,3",
         "x = input 3x1x6; y = max(x) axes=0 keep=no");

const nn_op nn_op_max = {
    .name = "max",
    .summary = "largest over chosen axes",
    .n_in = 1,
    .flags = NN_SAME_QUANT,
    .attrs = attrs,
    .n_attrs = BASE_COUNT(attrs),
    .attr_size = sizeof(max),
    .shape = shape,
    .saved = places,
    .scratch = places,
    .forward = forward,
    .backward = backward,
    .lower = lower,
    .cases = cases,
    .n_cases = N_CASES,
};
