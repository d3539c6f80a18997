/* sotto bench augment: what the augmentations of the loader cost a clip. */
#include "bench/measure.h"
#include "dsp/dsp.h"

static const cli_spec spec = {
    .usage = "",
    .about = "Of clips of one second on one thread; and simulating a room whose sound decays by\n"
             "60 dB in half a second, which happens once for each of 64.",
    .max_args = 0,
};

enum { N = 16000 };

typedef struct tools {
    dsp_speed *speed;
    dsp_rirs *rirs;
    dsp_reverb *reverb;
    float *in, *out;
} tools;

static void run_speed(void *ctx)
{
    const tools *t = ctx;
    dsp_speed_run(t->speed, 115, t->out, t->in, N);
}

static void run_room(void *ctx)
{
    const tools *t = ctx;
    dsp_reverb_run(t->reverb, 0, t->in);
}

static void run_noise(void *ctx)
{
    const tools *t = ctx;
    dsp_mix(t->out, t->in, 1e-6f * dsp_snr_gain(t->out, t->in, N, 160, 10), N);
}

static base_status open_tools(tools *t, double *room_seconds, base_err *err)
{
    base_rng rng = base_rng_at(1, BASE_RNG_TEST, 0, 0);
    t->in = base_alloc(N, sizeof *t->in);
    t->out = base_alloc(N, sizeof *t->out);
    if (!t->in || !t->out) return base_nomem(err, 2 * N * sizeof *t->in);
    BASE_TRY(dsp_speed_new(85, 115, &t->speed, err));
    const dsp_room room = dsp_room_draw(0.5, 0.5, &rng);
    const double start = base_seconds();
    BASE_TRY(dsp_room_response(&room, N, t->out, N / 2, err));
    *room_seconds = base_seconds() - start;
    BASE_TRY(dsp_rirs_new(&(dsp_rir){t->out, N / 2, 0}, 1, N, &t->rirs, err));
    BASE_TRY(dsp_reverb_new(t->rirs, &t->reverb, err));
    for (int i = 0; i < N; i++) t->in[i] = (float)(0.1 * base_rng_normal(&rng));
    return BASE_OK;
}

base_status cmd_bench_augment(cli *c, int argc, char **argv, base_err *err)
{
    double seconds = 1, room = 0;
    const struct poptOption options[] = {
        {"seconds", 0, POPT_ARG_DOUBLE, &seconds, 0, "how long to measure each", "S"},
        POPT_TABLEEND};
    if (!cli_parse(c, argc, argv, &spec, options, err)) return err->status;
    BASE_TRY(cli_check_range("--seconds", seconds, 0, 3600, err));
    tools t = {0};
    base_status status = open_tools(&t, &room, err);
    if (status == BASE_OK) {
        cli_put_real(c, "noise_us", 1e6 / bench_rate(run_noise, &t, seconds), 2);
        cli_put_real(c, "speed_us", 1e6 / bench_rate(run_speed, &t, seconds), 2);
        cli_put_real(c, "room_us", 1e6 / bench_rate(run_room, &t, seconds), 2);
        cli_put_real(c, "simulating_room_us", 1e6 * room, 0);
    }
    dsp_reverb_free(t.reverb);
    dsp_rirs_free(t.rirs);
    dsp_speed_free(t.speed);
    base_free(t.in);
    base_free(t.out);
    return status;
}
