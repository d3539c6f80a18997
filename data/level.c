/* See data/level.h. */
#include "data/level.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FLAT = 3, RUN = 3 }; /* equal samples that are a flat top; blocks that are a sound */
enum { FLAT_LEAST = 3277 }; /* 0.1: below it steps of the samples are flat tops by themselves */

static const double stands_out = 7.943; /* 9 dB */
static const double within = 1e-3;      /* 30 dB */

static double decibel(double power)
{
    return power > 1e-12 ? 10 * log10(power) : DATA_LEAST_DB;
}

static double share_clipped(const int16_t *pcm, size_t n, int lo, int hi)
{
    size_t flat = 0;
    for (size_t i = 0, run; i < n; i += run) {
        for (run = 1; i + run < n && pcm[i + run] == pcm[i]; run++) {}
        bool extreme = (pcm[i] == hi && hi > FLAT_LEAST) || (pcm[i] == lo && lo < -FLAT_LEAST);
        if (run >= FLAT && extreme) flat += run;
    }
    return (double)flat / (double)n;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The power that a tenth of the blocks lie below; sorts them. */
static double noise_power(double *sorted, size_t blocks)
{
    size_t zeros = 0;
    qsort(sorted, blocks, sizeof *sorted, by_size);
    while (zeros < blocks && sorted[zeros] <= 0) zeros++;
    return zeros < blocks ? sorted[zeros + (blocks - zeros) / 10] : 0;
}

/* Where blocks stand out, RUN of them at a time: into start and end. Returns the mean power of
 * these blocks in plain, 0 when there are none. */
static double find_speech(const double *power, const double *plain, size_t blocks, double threshold,
                          data_level *l)
{
    size_t loud = 0;
    double sum = 0;
    for (size_t i = 0, run; i < blocks; i += run ? run : 1) {
        for (run = 0; i + run < blocks && power[i + run] > threshold; run++) {}
        if (run < RUN) continue;
        if (loud == 0) l->start = (double)i * DATA_BLOCK / DATA_RATE;
        l->end = (double)(i + run) * DATA_BLOCK / DATA_RATE;
        for (size_t k = 0; k < run; k++) sum += plain[i + k];
        loud += run;
    }
    return loud ? sum / (double)loud : 0;
}

/* Power of each block of x[i] - a x[i - 1] - mean; returns the largest. */
static double block_powers(const int16_t *pcm, size_t blocks, double a, double mean, double *power)
{
    double most = 0, before = pcm[0] / 32768.0;
    for (size_t b = 0; b < blocks; b++) {
        double sum = 0;
        for (size_t i = b * DATA_BLOCK; i < (b + 1) * DATA_BLOCK; i++) {
            double v = pcm[i] / 32768.0, d = v - a * before - mean;
            before = v;
            sum += d * d;
        }
        power[b] = sum / DATA_BLOCK < 1e-12 ? 0 : sum / DATA_BLOCK;
        most = fmax(most, power[b]);
    }
    return most;
}

static void measure_blocks(const int16_t *pcm, size_t blocks, double *plain, data_level *l)
{
    const double a = 0.97;
    double *power = plain + blocks, *sorted = power + blocks;
    l->loud_db = decibel(block_powers(pcm, blocks, 0, l->mean, plain));
    memcpy(sorted, plain, blocks * sizeof *plain);
    const double noise = noise_power(sorted, blocks);
    l->noise_db = decibel(noise);
    const double most = block_powers(pcm, blocks, a, (1 - a) * l->mean, power);
    memcpy(sorted, power, blocks * sizeof *power);
    const double hiss = noise_power(sorted, blocks);
    const double speech =
        find_speech(power, plain, blocks, fmax(hiss * stands_out, most * within), l);
    if (speech > noise && noise > 0) l->snr_db = decibel((speech - noise) / noise);
    const size_t last = blocks - 1, near = blocks > 1;
    l->rise = decibel(most) - decibel(hiss);
    l->head = decibel(fmax(power[0], power[near])) - decibel(most);
    l->tail = decibel(fmax(power[last], power[last - near])) - decibel(most);
}

data_level data_level_of(const int16_t *pcm, size_t n, double *powers)
{
    data_level l = {.rms_db = DATA_LEAST_DB, .loud_db = DATA_LEAST_DB, .noise_db = DATA_LEAST_DB};
    int64_t sum = 0, squares = 0;
    int lo = n ? pcm[0] : 0, hi = lo;
    for (size_t i = 0; i < n; i++) {
        lo = pcm[i] < lo ? pcm[i] : lo;
        hi = pcm[i] > hi ? pcm[i] : hi;
        sum += pcm[i];
        squares += (int64_t)pcm[i] * pcm[i];
    }
    if (n == 0) return l;
    l.peak = (hi > -lo ? hi : -lo) / 32768.0;
    l.mean = (double)sum / (double)n / 32768;
    l.rms_db = decibel((double)squares / (double)n / 32768 / 32768 - l.mean * l.mean);
    l.clipped = share_clipped(pcm, n, lo, hi);
    if (n >= DATA_BLOCK) measure_blocks(pcm, n / DATA_BLOCK, powers, &l);
    return l;
}
