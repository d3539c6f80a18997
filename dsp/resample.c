/* Sample rate conversion with libsamplerate's medium sinc converter (97 dB, 90 % of the band):
 * its best one is four times slower and differs only above 0.9 of the Nyquist frequency.
 */
#include "dsp/dsp.h"

#include <math.h>
#include <samplerate.h>
#include <string.h>

base_status dsp_resample(const float *in, size_t n, int from, int to, float **out, size_t *n_out,
                         base_err *err)
{
    double ratio = (double)to / from;
    if (from <= 0 || to <= 0 || !src_is_valid_ratio(ratio))
        return base_fail(err, BASE_DATA, "cannot resample from %d Hz to %d Hz", from, to);
    double exact = round((double)n * ratio);
    if (n > (size_t)1 << 30 || exact > (double)(1 << 30))
        return base_fail(err, BASE_DATA, "%zu samples are too many to resample", n);
    size_t want = (size_t)exact, room = want + 64;
    float *to_pcm = base_alloc(room, sizeof *to_pcm);
    if (!to_pcm) return base_nomem(err, room * sizeof *to_pcm);
    if (from == to) {
        memcpy(to_pcm, in, n * sizeof *in);
    } else {
        SRC_DATA job = {.data_in = in,
                        .data_out = to_pcm,
                        .input_frames = (long)n,
                        .output_frames = (long)room,
                        .src_ratio = ratio,
                        .end_of_input = 1};
        int code = src_simple(&job, SRC_SINC_MEDIUM_QUALITY, 1);
        if (code != 0) {
            base_free(to_pcm);
            return base_fail(err, BASE_FAILED, "resampling from %d Hz to %d Hz: %s", from, to,
                             src_strerror(code));
        }
    }
    *out = to_pcm;
    *n_out = want;
    return BASE_OK;
}
