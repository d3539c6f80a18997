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

static struct {
    uint64_t before[KWS_STAGES + 1]; /* counts of machine_counts() before probe i, of stage i - 1 */
    uint64_t last;                   /* when the stage that runs began */
    uint64_t inside;                 /* the counts of a probe itself that fall into a stage */
    uint64_t whole;                  /* all counts of PROBES probes */
    uint32_t calls, runs;            /* probes; inferences */
} probes;

/* The model calls it before stage i, and behind the last. */
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

/* Instructions of an inference, by stage and together. */
static void put_stages(void)
{
    uint64_t sum = 0;
    for (int i = 0; i < KWS_STAGES && probes.runs > 0; i++) {
        const uint64_t n = machine_instructions(probes.before[i + 1] / probes.runs);
        machine_put("stage\t");
        machine_put_value(kws_stage_name(i), n);
        sum += n;
    }
    machine_put_value("inference", sum);
}

#ifdef KWS_HOP

/* ---- from the waveform on ---- */

enum { BLOCK = 160 }; /* samples at a time, as a microphone's driver has them */

static kws_t state;

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

/* The whole recording (talk: say what is heard), or without one a second of silence. Returns the
 * counts that the model took. */
static __attribute__((noinline)) uint64_t listen(int talk, uint32_t *samples)
{
    uint64_t counts = 0;
    kws_init(&state);
#if AUDIO_SAMPLES > 0
    const uint32_t n = AUDIO_SAMPLES;
#else
    static const int16_t silence[BLOCK];
    const uint32_t n = KWS_FEATURE_RATE;
#endif
    for (uint32_t at = 0; at + BLOCK <= n; at += BLOCK) {
        const uint64_t from = machine_counts();
#if AUDIO_SAMPLES > 0
        const int fresh = kws_push(&state, audio + at, BLOCK);
#else
        const int fresh = kws_push(&state, silence, BLOCK);
#endif
        counts += machine_counts() - from;
        if (fresh && talk) {
#if AUDIO_SAMPLES > 0
            const sotto_detection d = kws_result(&state);
            if (d.word >= 0) put_heard(at + BLOCK, d);
#endif
        }
    }
    *samples = n / BLOCK * BLOCK;
    return counts;
}

static void measure(void)
{
    uint32_t samples;
    machine_count(1);
    machine_paint();
    listen(0, &samples);
    const uint32_t depth = machine_depth();
    machine_count(0);
    calibrate();
    uint64_t counts = listen(1, &samples);
    counts -= probes.whole * probes.calls / PROBES;
    put_stages();
    machine_put_value("second", machine_instructions(counts) * KWS_FEATURE_RATE / samples);
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
    const int wrong = kws_selftest();
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
