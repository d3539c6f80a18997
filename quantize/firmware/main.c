/* main: the model on an emulated machine: its self-test, what it hears in a recording, and what
 * that takes, as lines of tab-separated values. Exit code: 0, or 1 when the self-test fails.
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#include "machine.h"

void probe(int stage);
#define SOTTO_PROBE(i) probe(i)
#include "audio.h" /* AUDIO_SAMPLES and, where there are some, audio[] */
#include "model.h"

/* ---- instructions by stage ---- */

enum { PROBES = 16 };

#ifdef KWS_HOP
enum { ALL_PROBES = KWS_POSTERIOR + 2 };
#else
enum { ALL_PROBES = KWS_STAGES + 1 };
#endif

static struct {
    uint64_t before[ALL_PROBES]; /* counts of machine_counts() before probe i, of stage i - 1 */
    uint64_t last;               /* when the stage that runs began */
    uint64_t inside;             /* the counts of a probe itself that fall into a stage */
    uint64_t whole;              /* all counts of PROBES probes */
    uint32_t calls, runs;        /* probes; inferences */
} probes;

/* The model calls it before stage i, and behind the last. What is between pushes is not of a stage:
 * a front-end's probe starts anew. */
__attribute__((noinline)) void probe(int stage)
{
    const uint64_t now = machine_counts();
    probes.before[stage] += now - probes.last - probes.inside;
    probes.runs += stage == KWS_STAGES;
    probes.calls++;
    probes.last = machine_counts();
}

/* Count from 0 on, without what the probes themselves take. */
static void calibrate(void)
{
    memset(&probes, 0, sizeof probes);
    probe(0);
    probe(1);
    const uint64_t inside = probes.before[1], from = machine_counts();
    for (int i = 0; i < PROBES; i++) probe(0);
    const uint64_t whole = machine_counts() - from;
    memset(&probes, 0, sizeof probes);
    probes.inside = inside;
    probes.whole = whole;
}

/* Instructions of an inference, by stage and together; or of a step, as a whole. */
static void put_stages(void)
{
    uint64_t sum = 0;
    for (int i = 0; i < KWS_STAGES && probes.runs > 0; i++) {
        const uint64_t n = machine_instructions(probes.before[i + 1] / probes.runs);
        sum += n;
#ifndef KWS_STREAM_HOP
        machine_put("stage\t");
        machine_put_value(kws_stage_name(i), n);
#endif
    }
    machine_put_value("inference", sum);
}

#ifdef KWS_HOP

static kws_t state;

/* ---- from the waveform on ---- */

enum { BLOCK = 160 }; /* samples at a time, as a microphone's driver has them */

#if AUDIO_SAMPLES > 0
/* "heard", the seconds, the word, its score in 1/256. */
static void put_heard(uint32_t samples, sotto_detection d)
{
    const uint32_t ms = (uint32_t)((uint64_t)samples * 1000 / KWS_FEATURE_RATE) + 1000;
    machine_put("heard\t");
    machine_put_number(ms / 1000 - 1);
    machine_put(".");
    for (uint32_t at = 100; at > 0; at /= 10) machine_put_number(ms / at % 10);
    machine_put("\t");
    machine_put_value(kws_label(d.word), (uint64_t)d.score);
}
#endif

/* Samples from `at` on: of the recording, or without one of noise. */
static const int16_t *block(uint32_t at)
{
#if AUDIO_SAMPLES > 0
    return audio + at;
#else
    static int16_t noise[BLOCK];
    uint32_t seed = at;
    for (int i = 0; i < BLOCK; i++) {
        seed = seed * UINT32_C(1664525) + UINT32_C(1013904223);
        noise[i] = (int16_t)((int32_t)(seed >> 20) - 2048);
    }
    return noise;
#endif
}

/* What the model takes from the first inference on. */
typedef struct heard {
    uint64_t counts;
    uint32_t samples, probes;
} heard;

/* The whole recording (talk: say what is heard), or without one two seconds of noise; n samples. */
static __attribute__((noinline)) heard listen(int talk, uint32_t n)
{
    heard h = {0, 0, 0};
    int running = 0;
    kws_init(&state);
    for (uint32_t at = 0; at + BLOCK <= n; at += BLOCK) {
        const int16_t *const x = block(at);
        const uint32_t calls = probes.calls;
        const uint64_t from = machine_counts();
        const int fresh = kws_push(&state, x, BLOCK);
        if (running) {
            h.counts += machine_counts() - from;
            h.probes += probes.calls - calls;
            h.samples += BLOCK;
        }
        running = running || fresh;
#if AUDIO_SAMPLES > 0
        const sotto_detection d = kws_result(&state);
        if (fresh && talk && d.word >= 0) put_heard(at + BLOCK, d);
#else
        (void)talk;
#endif
    }
    return h;
}

/* Instructions of a frame of features (with the window's share), of the post-processing of an
 * inference, of a second of audio. */
static void put_way(uint32_t n, heard h)
{
    const uint32_t known = n + (uint32_t)(kws_frontend.ahead - kws_frontend.bands.window);
    const uint32_t frames = 1 + known / (uint32_t)kws_frontend.hop;
    const uint64_t probing = probes.whole * h.probes / PROBES;
    if (probes.runs == 0) return;
    machine_put_value("frame", machine_instructions(probes.before[KWS_FRONTEND + 1] / frames));
    machine_put_value("posterior",
                      machine_instructions(probes.before[KWS_POSTERIOR + 1] / probes.runs));
    if (h.samples < KWS_HOP) return;
    machine_put_value("second",
                      machine_instructions(h.counts - probing) * KWS_FEATURE_RATE / h.samples);
}

static void measure(void)
{
    const uint32_t n = AUDIO_SAMPLES > 0 ? AUDIO_SAMPLES : 2 * KWS_FEATURE_RATE;
    machine_count(1);
    machine_paint();
    listen(0, n);
    const uint32_t depth = machine_depth();
    machine_count(0);
    calibrate();
    const heard h = listen(1, n);
    put_stages();
    put_way(n, h);
    machine_put_value("stack", depth);
}

#else

/* ---- a net alone: recorded inputs ---- */

static __attribute__((noinline)) void infer(void)
{
    static int8_t out[KWS_OUTPUT_SIZE];
    kws_run(kws_golden_in[0], out);
}

static void measure(void)
{
    machine_count(1);
    machine_paint();
    infer();
    const uint32_t depth = machine_depth();
    machine_count(0);
    calibrate();
    infer();
    put_stages();
    machine_put_value("stack", depth);
}

#endif

int main(void)
{
#ifdef KWS_HOP
    const int wrong = kws_selftest(&state);
#else
    const int wrong = kws_selftest();
#endif
    if (wrong == 0) machine_put_text("selftest", "ok");
    if (wrong < 0) machine_put_text("selftest", "a table is not what was exported");
    if (wrong > 0) {
        machine_put("selftest\tnot what the host computes, from this stage on: ");
        machine_put(kws_stage_name(wrong - 1));
        machine_put("\n");
    }
#if !defined(KWS_HOP) && AUDIO_SAMPLES > 0
    machine_put_text("audio", "not heard: this model takes features, not samples");
#endif
    measure();
    return wrong != 0;
}
