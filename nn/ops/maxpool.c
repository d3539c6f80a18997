/* maxpool: x [H, W, C] -> y [H', W', C], the maximum of x under each window; padding does not
 * count. The gradient goes to the first position that holds the maximum; NaN is the largest. */
#include "quantize/runtime/maxpool.h"
#include "nn/lower.h"
#include "nn/pooling.h"
#include "quantize/runtime/maxpool_i16.h"

/* Where in x (one sample, rows of `width` pixels) the maximum of channel c lies. */
static ptrdiff_t argmax(const nn_real *x, int width, int ch, int c, nn_box u)
{
    ptrdiff_t best = ((ptrdiff_t)u.h0 * width + u.w0) * ch + c;
    for (int i = u.h0; i < u.h1; i++) {
        for (int j = u.w0; j < u.w1; j++) {
            ptrdiff_t at = ((ptrdiff_t)i * width + j) * ch + c;
            if (x[best] == x[best] && !(x[at] <= x[best])) best = at;
        }
    }
    return best;
}

/* One walk serves both: forward copies the maximum, back sends the gradient to its place. */
static void walk(const nn_node *n, const nn_args *a, bool back)
{
    nn_window w[2];
    nn_pooling_windows(n, w, NULL);
    int ch = n->shape.d[2], outs = w[0].out * w[1].out;
    for (int b = 0; b < a->batch; b++) {
        ptrdiff_t sample = (ptrdiff_t)b * w[0].in * w[1].in * ch;
        for (int o = 0; o < outs; o++) {
            ptrdiff_t to = ((ptrdiff_t)b * outs + o) * ch;
            nn_box u = nn_under(w, o / w[1].out, o % w[1].out);
            for (int c = 0; c < ch; c++) {
                ptrdiff_t at = argmax(a->x[0] + sample, w[1].in, ch, c, u);
                if (back)
                    a->dx[0][sample + at] += a->dy[to + c];
                else
                    a->y[to + c] = a->x[0][sample + at];
            }
        }
    }
}

static void forward(const nn_node *n, const nn_args *a)
{
    walk(n, a, false);
}

static void backward(const nn_node *n, const nn_args *a)
{
    if (a->dx[0]) walk(n, a, true);
}

static void run_q8(const void *p, const int8_t *const *x, int8_t *y)
{
    sotto_maxpool(p, x[0], y);
}

static const nn_q8_kernel kernel = {
    .name = "sotto_maxpool",
    .header = "maxpool.h",
    .n_in = 1,
    .size = sizeof(sotto_maxpool_t),
    .fields = nn_pooling_fields,
    .n_fields = NN_POOLING_FIELDS,
    .run = run_q8,
};

static void run_wide(const void *p, const int8_t *const *x, int8_t *y)
{
    sotto_maxpool_i16(p, nn_q8_x16(x[0]), nn_q8_y16(y));
}

static const nn_q8_kernel wide_kernel = {
    .name = "sotto_maxpool_i16",
    .header = "maxpool_i16.h",
    .n_in = 1,
    .size = sizeof(sotto_maxpool_i16_t),
    .fields = nn_pooling_fields,
    .n_fields = NN_POOLING_FIELDS,
    .run = run_wide,
};

static base_status lower(const nn_node *n, nn_q8_context *c, nn_q8_layer *layer, base_err *err)
{
    return nn_pooling_lower(n, c, c->wide ? &wide_kernel : &kernel, layer, err);
}

NN_CASES("x = input 6x5x3; y = maxpool(x) kernel=2x2 stride=2x2",
         "x = input 7x5x2; y = maxpool(x) kernel=3x3 stride=2x2 pad=same",
         "x = input 12x5x4; y = maxpool(x) kernel=12x5",
         "x = input 6x6x2; y = maxpool(x) kernel=3x2 pad=1,0,1,1");

const nn_op nn_op_maxpool = {
    .name = "maxpool",
    .summary = "maximum over windows",
    .n_in = 1,
    .flags = NN_KEEP_X | NN_SAME_QUANT | NN_WIDE,
    .attrs = nn_pooling_attrs,
    .n_attrs = NN_POOLING_ATTRS,
    .attr_size = sizeof(nn_pooling),
    .shape = nn_pooling_shape,
    .forward = forward,
    .backward = backward,
    .lower = lower,
    .cases = cases,
    .n_cases = N_CASES,
};
