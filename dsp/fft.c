/* The real transform of n = 2m points is FFTW's complex transform of m points z[i] = x[2i] +
 * j x[2i + 1], taken apart. FFTW has vector code for complex transforms only: this way 512 points
 * take 0.3 us where its own real transform takes 0.7. With b = conj Z[m - k] (Z[m] = Z[0]) and
 * w = exp(-2 pi j k / n),
 *
 *     X[k] = (Z[k] + b) / 2 - j w (Z[k] - b) / 2                           k = 0 .. m
 *
 * and with b = conj X[m - k] the way back is 2 Z[k] = X[k] + b + j conj(w) (X[k] - b): the same
 * with other constants. An odd n takes FFTW's real transform.
 *
 * The planner has global state that is not thread-safe, so planning and freeing hold one lock;
 * executing does not. Plans are estimated, not measured: a measured plan may differ from run to
 * run and with it the last bits of every feature.
 */
#include "dsp/fft.h"

#include "dsp/lanes.h"

#include <fftw3.h>
#include <math.h>
#include <pthread.h>
#include <string.h>

/* What multiplies (a - b): real parts twice each; imaginary parts as (-im, im). */
typedef struct turns {
    float *re, *im; /* [2 (m + 1)] */
} turns;

struct dsp_fft {
    int half;         /* m; 0: n is odd */
    float *in;        /* [n] */
    fftwf_complex *z; /* [m + 1] of the complex transform */
    fftwf_complex *out;
    turns there, home;
    fftwf_plan plan, back;
};

static pthread_mutex_t planner = PTHREAD_MUTEX_INITIALIZER;

static bool new_turns(turns *t, int m, double sign, double size)
{
    const double pi = 3.14159265358979323846;
    t->re = base_alloc(2 * (size_t)m + 2, sizeof *t->re);
    t->im = base_alloc(2 * (size_t)m + 2, sizeof *t->im);
    if (!t->re || !t->im) return false;
    for (int k = 0; k <= m; k++) {
        double angle = pi * k / m; /* -j exp(-j angle) = -sin - j cos */
        t->re[2 * k] = t->re[2 * k + 1] = (float)(-size * sin(angle));
        t->im[2 * k + 1] = (float)(-sign * size * cos(angle));
        t->im[2 * k] = -t->im[2 * k + 1];
    }
    return true;
}

static void plan(dsp_fft *fft, int n)
{
    unsigned flags = FFTW_ESTIMATE | FFTW_PRESERVE_INPUT;
    fftwf_complex *in = (fftwf_complex *)fft->in;
    pthread_mutex_lock(&planner);
    if (fft->half > 0) {
        fft->plan = fftwf_plan_dft_1d(fft->half, in, fft->z, FFTW_FORWARD, flags);
        fft->back = fftwf_plan_dft_1d(fft->half, fft->z, in, FFTW_BACKWARD, FFTW_ESTIMATE);
    } else {
        fft->plan = fftwf_plan_dft_r2c_1d(n, fft->in, fft->out, flags);
        fft->back = fftwf_plan_dft_c2r_1d(n, fft->out, fft->in, FFTW_ESTIMATE);
    }
    pthread_mutex_unlock(&planner);
}

base_status dsp_fft_new(int n, dsp_fft **out, base_err *err)
{
    dsp_fft *fft = base_alloc(1, sizeof *fft);
    if (!fft) return base_nomem(err, sizeof *fft);
    fft->half = n % 2 == 0 ? n / 2 : 0;
    fft->in = base_alloc((size_t)n, sizeof *fft->in);
    fft->z = base_alloc((size_t)fft->half + 1, sizeof *fft->z);
    fft->out = base_alloc((size_t)n / 2 + 1, sizeof *fft->out);
    bool ok = fft->in && fft->z && fft->out;
    if (ok && fft->half > 0)
        ok = new_turns(&fft->there, fft->half, 1, 0.5) && new_turns(&fft->home, fft->half, -1, 1);
    if (ok) plan(fft, n);
    if (!fft->plan || !fft->back) {
        dsp_fft_free(fft);
        return base_nomem(err, (size_t)n * 7 * sizeof(float));
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
    void *parts[] = {fft->in,       fft->z,       fft->out,    fft->there.re,
                     fft->there.im, fft->home.re, fft->home.im};
    for (size_t i = 0; i < BASE_COUNT(parts); i++) base_free(parts[i]);
    base_free(fft);
}

/* out[k] = scale (z[k] + b) + t[k] (z[k] - b), k = 0 .. m, b = conj z[m - k]. */
static void regroup(float *out, const float *z, const turns *t, float scale, int m)
{
    int k = 0;
    for (; k + LANES / 2 <= m + 1; k += LANES / 2) {
        lanes a, b, re, im;
        memcpy(&a, z + 2 * k, sizeof a);
        memcpy(&b, z + 2 * (m - k - (LANES / 2 - 1)), sizeof b);
        memcpy(&re, t->re + 2 * k, sizeof re);
        memcpy(&im, t->im + 2 * k, sizeof im);
        lanes_conjugate_backwards(&b);
        lanes sum = a + b, difference = a - b, swapped = difference;
        lanes_swap_pairs(&swapped);
        sum = scale * sum + re * difference + im * swapped;
        memcpy(out + 2 * k, &sum, sizeof sum);
    }
    for (; k <= m; k++) {
        const float *a = z + 2 * k, *b = z + 2 * (m - k);
        float re = a[0] - b[0], im = a[1] + b[1];
        const float *cos2 = t->re + 2 * k, *sin2 = t->im + 2 * k;
        out[2 * k] = scale * (a[0] + b[0]) + cos2[0] * re + sin2[0] * im;
        out[2 * k + 1] = scale * (a[1] - b[1]) + cos2[1] * im + sin2[1] * re;
    }
}

float *dsp_fft_input(dsp_fft *fft)
{
    return fft->in;
}

const float *dsp_fft_run(dsp_fft *fft)
{
    fftwf_execute(fft->plan);
    if (fft->half > 0) {
        memcpy(fft->z[fft->half], fft->z[0], sizeof fft->z[0]);
        regroup(fft->out[0], fft->z[0], &fft->there, 0.5f, fft->half);
    }
    return fft->out[0];
}

float *dsp_fft_spectrum(dsp_fft *fft)
{
    return fft->out[0];
}

void dsp_fft_inverse(dsp_fft *fft)
{
    if (fft->half > 0) regroup(fft->z[0], fft->out[0], &fft->home, 1, fft->half);
    fftwf_execute(fft->back);
}
