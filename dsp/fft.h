/* fft (private to dsp/): the real discrete Fourier transform of one frame and its inverse, in
 * single precision. */
#ifndef DSP_FFT_H
#define DSP_FFT_H

#include "nn/base.h"

typedef struct dsp_fft dsp_fft;

/* n real points, n >= 2. Thread-safe; one object is used by one thread at a time. */
base_status dsp_fft_new(int n, dsp_fft **fft, base_err *err);
void dsp_fft_free(dsp_fft *fft);    /* NULL is fine */
float *dsp_fft_input(dsp_fft *fft); /* n values, zero at first, kept by dsp_fft_run */
/* X[k] = sum_i x[i] exp(-2 pi j i k / n), k = 0 .. n/2, as (real, imaginary) pairs; borrowed until
 * the next run. */
const float *dsp_fft_run(dsp_fft *fft);
float *dsp_fft_spectrum(dsp_fft *fft); /* where dsp_fft_run leaves it, to be changed in place */
/* The spectrum back to n times its real points, where dsp_fft_input is; it is lost by this. */
void dsp_fft_inverse(dsp_fft *fft);

#endif
