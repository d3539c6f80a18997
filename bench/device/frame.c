/* frame: how many instructions the integer front-end takes for a frame of a stream: a hop of
 * samples pushed, its features computed, and brought to the model's input. FRAME_TABLES is a header
 * that bench/frame_tables.c has written. Built and run by bench/count_frames.sh.
 */
#include "bench/device/bare.h"
#include FRAME_TABLES

enum { FRAMES = 8, START = 2048, SAMPLES = START + FRAMES * FRAME_HOP };

static int16_t pcm[SAMPLES];
static int32_t memory[FRAME_MEMORY], scratch[FRAME_SCRATCH];
static int8_t features[FRAME_BINS];

void reset(void);
void reset(void)
{
    uint32_t state = 1;
    for (int32_t i = 0; i < SAMPLES; i++) {
        state = state * 1664525u + 1013904223u;
        pcm[i] = (int16_t)((int32_t)state >> 19);
    }
    sotto_frontend_state_t s;
    sotto_frontend_init(&frontend, &s, memory, scratch);
    const int16_t *x = pcm;
    while (!s.ready) x += sotto_frontend_push(&frontend, &s, x, FRAME_HOP);
    start();
    for (int32_t t = 0; t < FRAMES;) {
        x += sotto_frontend_push(&frontend, &s, x, FRAME_HOP);
        if (!s.ready) continue;
        sotto_frontend_newest(&frontend, &s, features);
        t++;
    }
    const uint32_t taken = ticks();
    __asm__ volatile("" : : "r"(features) : "memory"); /* somebody may read it: stores stay */
    put_number(taken * TICK / FRAMES, "\n");
    call(0x18, (const void *)(uintptr_t)0x20026); /* ADP_Stopped_ApplicationExit, code 0 */
    for (;;) {}
}

extern uint32_t stack_top;
__attribute__((section(".vectors"), used)) static const struct {
    const void *stack;
    void (*entry)(void);
} vectors = {&stack_top, reset};
