/* sotto bench features: clips a second of a feature preset, and the share of its FFTs. */
#include "bench/measure.h"
#include "dsp/dsp.h"
#include "dsp/fft.h"

static const cli_spec spec = {
    .usage = "[PRESET]",
    .about =
        "Features of clips of noise on one thread; the default preset is mfcc_49x10. fft_us is\n"
        "what the bare transforms of as many frames take.",
    .max_args = 1,
};

enum { CLIPS = 32 }; /* as many different ones as fit a cache */

typedef struct bench {
    dsp_frontend *fe;
    dsp_fft *fft;
    float *pcm, *out;
    int samples, frames;
} bench;

static void run_frontend(void *ctx)
{
    const bench *b = ctx;
    for (int i = 0; i < CLIPS; i++) dsp_frontend_run(b->fe, b->pcm + i * b->samples, b->out);
}

static void run_ffts(void *ctx)
{
    const bench *b = ctx;
    for (int i = 0; i < CLIPS * b->frames; i++) dsp_fft_run(b->fft);
}

static base_status open_bench(bench *b, const dsp_config *cfg, base_err *err)
{
    int bins;
    dsp_config_shape(cfg, &b->frames, &bins);
    b->samples = cfg->samples;
    const size_t n = (size_t)cfg->samples * CLIPS;
    b->pcm = base_alloc(n, sizeof *b->pcm);
    b->out = base_alloc((size_t)b->frames * (size_t)bins, sizeof *b->out);
    if (!b->pcm || !b->out) return base_nomem(err, n * sizeof *b->pcm);
    BASE_TRY(dsp_frontend_new(cfg, NULL, NULL, &b->fe, err));
    BASE_TRY(dsp_fft_new(cfg->fft, &b->fft, err));
    base_rng rng = base_rng_at(1, BASE_RNG_TEST, 0, 0);
    for (size_t i = 0; i < n; i++) b->pcm[i] = (float)(0.1 * base_rng_normal(&rng));
    for (int i = 0; i < cfg->fft; i++) dsp_fft_input(b->fft)[i] = b->pcm[i];
    return BASE_OK;
}

static void close_bench(bench *b)
{
    dsp_fft_free(b->fft);
    dsp_frontend_free(b->fe);
    base_free(b->pcm);
    base_free(b->out);
}

base_status cmd_bench_features(cli *c, int argc, char **argv, base_err *err)
{
    double seconds = 1;
    const struct poptOption options[] = {
        {"seconds", 0, POPT_ARG_DOUBLE, &seconds, 0, "how long to measure each", "S"},
        POPT_TABLEEND};
    if (!cli_parse(c, argc, argv, &spec, options, err)) return err->status;
    BASE_TRY(cli_check_range("--seconds", seconds, 0, 3600, err));
    const char *preset = c->nargs > 0 ? c->args[0] : "mfcc_49x10";
    dsp_config cfg;
    bench b = {0};
    BASE_TRY(dsp_preset(preset, &cfg, err));
    base_status status = open_bench(&b, &cfg, err);
    if (status == BASE_OK) {
        const double clips = CLIPS * bench_rate(run_frontend, &b, seconds);
        const double bare = 1e6 / (CLIPS * bench_rate(run_ffts, &b, seconds));
        cli_put_text(c, "preset", preset);
        cli_put_real(c, "clips_per_s", clips, 0);
        cli_put_real(c, "us_per_clip", 1e6 / clips, 2);
        cli_put_real(c, "fft_us", bare, 2);
        cli_put_percent(c, "fft_share", bare * clips * 1e-6, 0);
    }
    close_bench(&b);
    return status;
}
