/* FFTW's single-precision real transform. The planner has global state that is not thread-safe, so
 * planning and freeing hold one lock; executing does not. Plans are estimated, not measured: a
 * measured plan may differ from run to run and with it the last bits of every feature.
 */
#include "dsp/fft.h"

#include <fftw3.h>
#include <pthread.h>

struct dsp_fft {
    float *in;
    fftwf_complex *out;
    fftwf_plan plan, back;
};

static pthread_mutex_t planner = PTHREAD_MUTEX_INITIALIZER;

base_status dsp_fft_new(int n, dsp_fft **out, base_err *err)
{
    dsp_fft *fft = base_alloc(1, sizeof *fft);
    if (!fft) return base_nomem(err, sizeof *fft);
    fft->in = base_alloc((size_t)n, sizeof *fft->in);
    fft->out = base_alloc((size_t)n / 2 + 1, sizeof *fft->out);
    if (fft->in && fft->out) {
        pthread_mutex_lock(&planner);
        fft->plan =
            fftwf_plan_dft_r2c_1d(n, fft->in, fft->out, FFTW_ESTIMATE | FFTW_PRESERVE_INPUT);
        fft->back = fftwf_plan_dft_c2r_1d(n, fft->out, fft->in, FFTW_ESTIMATE);
        pthread_mutex_unlock(&planner);
    }
    if (!fft->plan || !fft->back) {
        dsp_fft_free(fft);
        return base_nomem(err, (size_t)n * 3 * sizeof(float));
    }
    *out = fft;
    return BASE_OK;
}

void dsp_fft_free(dsp_fft *fft)
{
    if (!fft) return;
    pthread_mutex_lock(&planner);
    if (fft->plan) fftwf_destroy_plan(fft->plan);
    if (fft->back) fftwf_destroy_plan(fft->back);
    pthread_mutex_unlock(&planner);
    base_free(fft->in);
    base_free(fft->out);
    base_free(fft);
}

float *dsp_fft_input(dsp_fft *fft)
{
    return fft->in;
}

const float *dsp_fft_run(dsp_fft *fft)
{
    fftwf_execute(fft->plan);
    return fft->out[0];
}

float *dsp_fft_spectrum(dsp_fft *fft)
{
    return fft->out[0];
}

void dsp_fft_inverse(dsp_fft *fft)
{
    fftwf_execute(fft->back);
}
