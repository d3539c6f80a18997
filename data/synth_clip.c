/* From what a synthesizer said to clips: finding the words in it, placing them in a second, writing
 * wav files. */
#include "data/synth_parts.h"
#include "dsp/dsp.h"

#include <errno.h>
#include <math.h>
#include <string.h>

enum { FADE = DATA_SYNTH_RATE / 200, BLOCK = 1024 };

#define QUIET 0.004 /* -48 dB */

static float loudest(const float *pcm, size_t n)
{
    float max = 0;
    for (size_t i = 0; i < n; i++) max = fmaxf(max, fabsf(pcm[i]));
    return max;
}

/* Samples first .. end with a margin on both sides, cut to the n there are. */
static data_span with_margin(size_t first, size_t end, size_t margin, size_t n)
{
    first = first > margin ? first - margin : 0;
    end = end + margin < n ? end + margin : n;
    return (data_span){first, end - first};
}

size_t data_synth_spans(const float *pcm, size_t n, int rate, double pause, data_span *spans,
                        size_t max)
{
    size_t step = (size_t)(rate / 100), gap = (size_t)(pause * rate);
    float limit = (float)QUIET * loudest(pcm, n);
    size_t count = 0, first = 0, end = 0; /* of the span being grown; end == 0: none */
    for (size_t i = 0; i < n; i += step) {
        size_t hop = n - i < step ? n - i : step;
        if (!(loudest(pcm + i, hop) > limit)) continue;
        if (end && i - end >= gap) {
            if (count < max) spans[count] = with_margin(first, end, 2 * step, n);
            count++;
            end = 0;
        }
        if (!end) first = i;
        end = i + hop;
    }
    if (!end) return count;
    if (count < max) spans[count] = with_margin(first, end, 2 * step, n);
    return count + 1;
}

void data_synth_place(const data_take *take, double level, double floor, base_rng *rng,
                      float clip[DATA_SYNTH_SAMPLES])
{
    /* Half pink-like (one pole at 300 Hz), half white, as microphones and rooms are. */
    double slow = 0;
    for (size_t i = 0; i < DATA_SYNTH_SAMPLES; i++) {
        slow += 0.11 * (base_rng_normal(rng) - slow);
        clip[i] = (float)(floor * (2.9 * slow + 0.7 * base_rng_normal(rng)));
    }
    double room = (double)(DATA_SYNTH_SAMPLES - take->n);
    double at = room / 2 + 0.09 * DATA_SYNTH_SAMPLES * base_rng_normal(rng);
    size_t first = (size_t)fmin(fmax(at, 0), room);
    float max = loudest(take->pcm, take->n), gain = max > 0 ? (float)level / max : 0;
    for (size_t i = 0; i < take->n; i++) {
        size_t edge = i < take->n - 1 - i ? i : take->n - 1 - i;
        float fade = edge < FADE ? ((float)edge + 0.5f) / FADE : 1;
        clip[first + i] += gain * fade * take->pcm[i];
    }
    dsp_clamp(clip, DATA_SYNTH_SAMPLES);
}

/* ---- wav ---- */

static void put(unsigned char *at, uint32_t value, int bytes)
{
    for (int i = 0; i < bytes; i++) at[i] = (unsigned char)(value >> (8 * i));
}

/* RIFF header of n samples: PCM (1), one channel, 16 bits. */
static void wav_header(unsigned char head[44], uint32_t n)
{
    memcpy(head, "RIFF\0\0\0\0WAVEfmt ", 16);
    put(head + 4, 36 + 2 * n, 4);
    put(head + 16, 16, 4);
    put(head + 20, 1, 2);
    put(head + 22, 1, 2);
    put(head + 24, DATA_SYNTH_RATE, 4);
    put(head + 28, DATA_SYNTH_RATE * 2, 4);
    put(head + 32, 2, 2);
    put(head + 34, 16, 2);
    memcpy(head + 36, "data", 4);
    put(head + 40, 2 * n, 4);
}

base_status data_synth_write(const char *path, const float *pcm, size_t n, base_err *err)
{
    unsigned char head[44], bytes[2 * BLOCK];
    int16_t words[BLOCK];
    FILE *f = fopen(path, "wbe");
    if (!f) return base_fail(err, BASE_FAILED, "%s: %s", path, strerror(errno));
    wav_header(head, (uint32_t)n);
    bool good = fwrite(head, sizeof head, 1, f) == 1;
    for (size_t i = 0; i < n && good; i += BLOCK) {
        size_t count = n - i < BLOCK ? n - i : BLOCK;
        dsp_to_pcm16(words, pcm + i, count);
        for (size_t k = 0; k < count; k++) put(bytes + 2 * k, (uint16_t)words[k], 2);
        good = fwrite(bytes, 2 * count, 1, f) == 1;
    }
    if (fclose(f) != 0) good = false;
    if (good) return BASE_OK;
    return base_fail(err, BASE_FAILED, "%s: cannot be written: %s", path, strerror(errno));
}
