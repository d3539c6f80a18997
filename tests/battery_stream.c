/* Checks of the streaming form: frame by frame is the same as all frames at once. */
#include "tests/battery.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void fill(nn_real *p, size_t n, double value)
{
    for (size_t i = 0; i < n; i++) p[i] = (nn_real)value;
}

/* All frames of the rig's sample through stream, from a zeroed state; y [frames, width]. Every
 * frame and the state are blocks of exactly their size, scratch holds NaN before each frame. */
static void run(rig *r, size_t frames, nn_real *y, size_t width)
{
    const nn_op *op = r->n->op;
    size_t n = op->state(r->n), in = r->nx[0] / frames;
    nn_real *state = calloc(n, sizeof *state), *x = malloc(in * sizeof *x);
    nn_real *out = malloc(width * sizeof *out);
    nn_args a = {.batch = 1, .x = {x}, .y = out, .scratch = r->a.scratch};
    memcpy(a.w, r->a.w, sizeof a.w);
    for (size_t t = 0; t < frames; t++) {
        for (size_t i = 0; i < in; i++) x[i] = (nn_real)r->x[0][t * in + i];
        fill(out, width, (double)NAN);
        fill(r->a.scratch, r->n_scratch, (double)NAN);
        op->stream(r->n, &a, state);
        memcpy(y + t * width, out, width * sizeof *y);
    }
    free(state);
    free(x);
    free(out);
}

void battery_streaming(const battery_case *c, base_str *why)
{
    rig r;
    if (!rig_open(&r, c, 1, false, why)) return;
    if (r.n->op->stream && r.n->op->state(r.n) > 0) {
        size_t frames = (size_t)r.n->in[0]->shape.d[0];
        nn_real *y = calloc(r.ny, sizeof *y);
        double *expected = calloc(r.ny, sizeof *expected);
        rig_forward(&r);
        for (size_t i = 0; i < r.ny; i++) expected[i] = (double)r.a.y[i];
        if ((size_t)r.n->shape.d[0] == frames) {
            run(&r, frames, y, r.ny / frames);
            battery_compare("streamed y", y, expected, r.ny, BATTERY_FORWARD_TOL, why);
        } else {
            base_str_add(why, "streams, but has %d frames for %zu\n", r.n->shape.d[0], frames);
        }
        free(y);
        free(expected);
    }
    rig_close(&r);
}
