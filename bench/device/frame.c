/* frame: instructions of the integer front-end on an emulated machine
 * (quantize/firmware/machine.h): a hop of samples pushed, its features computed and brought to the
 * model's input, and a whole window of kept features read. FRAME_TABLES is a header that
 * bench/frame_tables.c has written. Frames are noise of 32 .. 4096 in turn, as a clip has loud and
 * quiet parts. EMPTY: the program without the front-end, whose bytes are taken off. Built and run
 * by bench/count_frames.sh; prints instructions a frame,instructions of a window,bytes of memory
 */
#include "quantize/firmware/machine.h"
#include "quantize/runtime/frontend.h"
#include FRAME_TABLES

#ifdef EMPTY
int main(void)
{
    machine_put("");
    machine_put_number(machine_instructions(machine_counts()));
    return 0;
}
#else

enum { FRAMES = 16 };

static int32_t memory[KWS_FRONTEND_MEMORY], scratch[KWS_FRONTEND_SCRATCH];
static int16_t pcm[KWS_HOP];
static int8_t window[KWS_FRAMES * KWS_BINS];
static sotto_frontend_state_t s;

static void fill(uint32_t *random, int32_t t)
{
    for (int32_t i = 0; i < KWS_HOP; i++) {
        *random = *random * 1664525u + 1013904223u;
        pcm[i] = (int16_t)((int32_t)*random >> (19 + t % 8));
    }
}

/* pcm pushed; 1 when it completed a frame, which window then begins with. */
static int32_t push(void)
{
    int32_t ready = 0;
    for (int32_t at = 0; at < KWS_HOP;) {
        at += sotto_frontend_push(&kws_frontend, &s, pcm + at, KWS_HOP - at);
        if (s.ready) sotto_frontend_newest(&kws_frontend, &s, window);
        ready |= s.ready;
    }
    return ready;
}

static void put(uint64_t n, const char *end)
{
    machine_put_number(n);
    machine_put(end);
}

int main(void)
{
    uint32_t random = 1;
    uint64_t taken = 0;
    sotto_frontend_init(&kws_frontend, &s, memory, scratch);
    do fill(&random, 0);
    while (!push());
    for (int32_t t = 0; t < FRAMES; t++) {
        fill(&random, t);
        const uint64_t from = machine_counts();
        if (!push()) return 1;
        taken += machine_counts() - from;
    }
    const uint64_t from = machine_counts();
    sotto_frontend_window(&kws_frontend, &s, window);
    const uint64_t read = machine_counts() - from;
    __asm__ volatile("" : : "r"(window) : "memory"); /* somebody may read it: stores stay */
    put(machine_instructions(taken) / FRAMES, ",");
    put(machine_instructions(read), ",");
    put(sizeof memory + sizeof scratch + sizeof s, "\n");
    return 0;
}
#endif
