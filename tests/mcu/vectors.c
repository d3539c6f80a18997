/* vectors: a firmware's main (Makefile: MAIN) that hears the samples of pcm.bin and compares
 * outputs, word and score of every inference with want.bin, both of tests/mcu/clips.c, read by
 * semihosting. Prints how many inferences there were, how many differ, how many words were heard.
 */
#include "machine.h"
#include "model.h"

static kws_t state;
static int16_t samples[KWS_HOP];

int main(void)
{
    static int8_t want[KWS_OUTPUT_SIZE];
    uint64_t inferences = 0, different = 0, words = 0, counts = 0;
    const int32_t pcm = machine_open("pcm.bin"), outputs = machine_open("want.bin");
    const int wrong = kws_selftest(&state);
    if (wrong != 0) machine_put_text("selftest", "failed");
    kws_init(&state);
    for (int32_t n; (n = machine_read(pcm, samples, sizeof samples) / 2) > 0;) {
        int32_t said[2];
        const uint64_t from = machine_counts();
        const int fresh = kws_push(&state, samples, n);
        counts += machine_counts() - from;
        if (!fresh) continue;
        if (machine_read(outputs, want, sizeof want) != (int32_t)sizeof want) return 2;
        if (machine_read(outputs, said, sizeof said) != (int32_t)sizeof said) return 2;
        const sotto_detection d = kws_result(&state);
        different +=
            memcmp(state.out, want, sizeof want) != 0 || d.word != said[0] || d.score != said[1];
        words += d.word >= 0;
        inferences++;
    }
    const int more = machine_read(outputs, want, 1) > 0;
    machine_put_value("inferences", inferences);
    machine_put_value("different", different + (uint64_t)more);
    machine_put_value("words", words);
    machine_put_value("instructions", machine_instructions(counts) / (inferences ? inferences : 1));
    return wrong != 0 || different > 0 || more || inferences == 0;
}
