/* vectors: a firmware's main (Makefile: MAIN) that runs the model on the inputs of in.bin and
 * compares what comes out with want.bin, both of tests/mcu/clips.c, read by semihosting. Prints how
 * many clips there were and how many differ.
 */
#include "machine.h"
#include "model.h"

static int8_t in[KWS_INPUT_SIZE], out[KWS_OUTPUT_SIZE], want[KWS_OUTPUT_SIZE];

int main(void)
{
    uint64_t clips = 0, different = 0, counts = 0;
    const int32_t inputs = machine_open("in.bin"), outputs = machine_open("want.bin");
    const int wrong = kws_selftest();
    if (wrong != 0) machine_put_text("selftest", "failed");
    while (machine_read(inputs, in, sizeof in) == (int32_t)sizeof in) {
        const uint64_t from = machine_counts();
        kws_run(in, out);
        counts += machine_counts() - from;
        if (machine_read(outputs, want, sizeof want) != (int32_t)sizeof want) return 2;
        different += memcmp(out, want, sizeof out) != 0;
        clips++;
    }
    machine_put_value("clips", clips);
    machine_put_value("different", different);
    machine_put_value("instructions", machine_instructions(counts) / (clips ? clips : 1));
    return wrong != 0 || different > 0 || clips == 0;
}
