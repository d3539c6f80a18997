/* The oracle's table, its reading of attribute texts and its walk over windows (oracle.h). */
#include "tests/oracle.h"

#include "tests/check.h"

#include <stdlib.h>
#include <string.h>

#define NN_OP(name) &oracle_##name,
static const oracle *const oracles[] = {
#include "nn/ops.def"
};
#undef NN_OP

const oracle *oracle_find(const char *op)
{
    for (size_t i = 0; i < BASE_COUNT(oracles); i++)
        if (strcmp(oracles[i]->op, op) == 0) return oracles[i];
    return NULL;
}

/* ---- attributes ---- */

static bool attr_text(const nn_node *n, const char *key, char out[64])
{
    base_str s = {0};
    bool has = nn_attr_get(n, key, &s);
    snprintf(out, 64, "%s", has ? s.s : "");
    base_str_free(&s);
    return has;
}

static void need_text(const nn_node *n, const char *key, char out[64])
{
    if (!attr_text(n, key, out)) fail_msg("%s has no attribute '%s'", n->name, key);
}

int oracle_int(const nn_node *n, const char *key)
{
    char text[64];
    need_text(n, key, text);
    return atoi(text);
}

double oracle_real(const nn_node *n, const char *key)
{
    char text[64];
    need_text(n, key, text);
    return atof(text);
}

bool oracle_yes(const nn_node *n, const char *key)
{
    char text[64];
    need_text(n, key, text);
    return strcmp(text, "yes") == 0;
}

void oracle_pair(const nn_node *n, const char *key, int out[2])
{
    char text[64];
    need_text(n, key, text);
    int got = sscanf(text, "%dx%d", &out[0], &out[1]);
    if (got == 1) out[1] = out[0];
    if (got < 1) fail_msg("%s: attribute %s prints as '%s'", n->name, key, text);
}

nn_shape oracle_shape3(int h, int w, int c)
{
    return (nn_shape){.n = 3, .d = {h, w, c}};
}

nn_shape oracle_shape1(int n)
{
    return (nn_shape){.n = 1, .d = {n}};
}

/* ---- windows ---- */

/* TensorFlow's "same": one output for every stride-th input, the odd padding element after. */
static void pad_same(oracle_axis *a)
{
    int outputs = 0;
    for (int p = 0; p < a->in; p += a->stride) outputs++;
    int reach = (outputs - 1) * a->stride + (a->kernel - 1) * a->dilation + 1;
    int total = reach > a->in ? reach - a->in : 0;
    a->before = total / 2;
    a->after = total - a->before;
}

static oracle_axis axis_of(int in, int kernel, int stride, int dilation, const char *pad, int which)
{
    oracle_axis a = {.in = in, .kernel = kernel, .stride = stride, .dilation = dilation};
    int p[4] = {0};
    if (strcmp(pad, "same") == 0)
        pad_same(&a);
    else if (sscanf(pad, "%d,%d,%d,%d", &p[0], &p[1], &p[2], &p[3]) == 4)
        a.before = p[2 * which], a.after = p[2 * which + 1];
    else if (strcmp(pad, "valid") != 0)
        fail_msg("padding prints as '%s'", pad);
    int last = in + a.before + a.after - (kernel - 1) * dilation;
    for (int p0 = 0; p0 < last; p0 += stride) a.out++;
    return a;
}

oracle_window oracle_window_of(const nn_node *n)
{
    char pad[64], text[64];
    int kernel[2], stride[2], dilation[2] = {1, 1};
    oracle_pair(n, "kernel", kernel);
    oracle_pair(n, "stride", stride);
    need_text(n, "pad", pad);
    if (attr_text(n, "dilation", text)) oracle_pair(n, "dilation", dilation);
    const int *d = n->in[0]->shape.d;
    return (oracle_window){
        .h = axis_of(d[0], kernel[0], stride[0], dilation[0], pad, 0),
        .w = axis_of(d[1], kernel[1], stride[1], dilation[1], pad, 1),
    };
}

double *oracle_padded(const oracle_window *win, const double *x, int channels, double fill)
{
    int height = win->h.before + win->h.in + win->h.after;
    int width = win->w.before + win->w.in + win->w.after;
    size_t n = (size_t)height * (size_t)width * (size_t)channels, at = 0;
    double *out = malloc(n * sizeof *out);
    assert_non_null(out);
    for (int h = 0; h < height; h++)
        for (int w = 0; w < width; w++)
            for (int c = 0; c < channels; c++) {
                int ih = h - win->h.before, iw = w - win->w.before;
                bool inside = ih >= 0 && ih < win->h.in && iw >= 0 && iw < win->w.in;
                out[at++] = inside ? x[(ih * win->w.in + iw) * channels + c] : fill;
            }
    return out;
}

/* The output position that tap k of an axis feeds from padded position p, or -1. */
static int fed_by(const oracle_axis *a, int p, int k)
{
    int start = p - k * a->dilation;
    if (start < 0 || start % a->stride != 0 || start / a->stride >= a->out) return -1;
    return start / a->stride;
}

void oracle_scatter(const oracle_window *win,
                    void (*visit)(void *ctx, size_t pixel, size_t tap, size_t out), void *ctx)
{
    int height = win->h.before + win->h.in + win->h.after;
    int width = win->w.before + win->w.in + win->w.after;
    for (int pixel = 0; pixel < height * width; pixel++)
        for (int tap = 0; tap < win->h.kernel * win->w.kernel; tap++) {
            int oh = fed_by(&win->h, pixel / width, tap / win->w.kernel);
            int ow = fed_by(&win->w, pixel % width, tap % win->w.kernel);
            if (oh < 0 || ow < 0) continue;
            visit(ctx, (size_t)pixel, (size_t)tap, (size_t)(oh * win->w.out + ow));
        }
}
