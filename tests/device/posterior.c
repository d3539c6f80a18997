/* Detections of quantize/runtime/posterior.h on a fixed pseudo-random sequence, one a line:
 *   setting,inference,class,score
 * The same file runs on the host and, with semihosting, on a bare Cortex-M under QEMU
 * (tests/cli/stream.bats compares them; bench/device/count.ld links it).
 */
#include "quantize/runtime/posterior.h"

enum { CLASSES = 10, WINDOW = 25, PUSHES = 2000 };

#ifdef __arm__
#include <stddef.h>

static void call(int operation, const void *argument)
{
    register int r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
}

static void put(const char *s)
{
    call(0x04, s);
}

/* What GCC calls to copy and clear; there is no C library. */
void *memcpy(void *restrict to, const void *restrict from, size_t n);
void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
    for (size_t i = 0; i < n; i++) ((volatile char *)to)[i] = ((const char *)from)[i];
    return to;
}

void *memset(void *to, int c, size_t n);
void *memset(void *to, int c, size_t n)
{
    for (size_t i = 0; i < n; i++) ((volatile char *)to)[i] = (char)c;
    return to;
}
#else
#include <stdio.h>

static void put(const char *s)
{
    fputs(s, stdout);
}
#endif

static void put_number(uint32_t v, const char *end)
{
    char digits[12], *p = digits + sizeof digits - 1;
    *p = 0;
    do *--p = (char)('0' + v % 10);
    while (v /= 10);
    put(p);
    put(end);
}

static void run(uint32_t setting, const sotto_posterior_t *p)
{
    static uint16_t memory[SOTTO_POSTERIOR_SIZE(CLASSES, WINDOW)];
    sotto_posterior_state s;
    uint32_t random = 1;
    int8_t out[CLASSES];
    sotto_posterior_init(p, &s, memory);
    for (uint32_t i = 0; i < PUSHES; i++) {
        for (int k = 0; k < CLASSES; k++) {
            random = random * 1664525u + 1013904223u;
            /* class i / 16 stands out for a while */
            out[k] = (int8_t)((int32_t)(random >> 25) - 64 + (k == (int)(i / 16 % CLASSES)) * 60);
        }
        const sotto_detection d = sotto_posterior_push(p, &s, out);
        if (d.word < 0) continue;
        put_number(setting, ",");
        put_number(i, ",");
        put_number((uint32_t)d.word, ",");
        put_number((uint32_t)d.score, "\n");
    }
}

static void run_all(void)
{
    static const uint8_t mute[CLASSES] = {[CLASSES - 1] = 1};
    /* of logits in steps of 1/16, and of scores */
    const sotto_softmax_t soft = {.rows = 1,
                                  .n = CLASSES,
                                  .multiplier = 1 << 30,
                                  .shift = 23,
                                  .least = -248,
                                  .lo = -128,
                                  .hi = 127};
    const sotto_posterior_t logits = {soft, 8, 2097152, 8 * 100, 4, 10, mute};
    sotto_posterior_t scores = {soft, WINDOW, 671089, WINDOW * 140, 3, 0, mute};
    scores.softmax.rows = 0;
    run(0, &logits);
    run(1, &scores);
}

#ifdef __arm__
void reset(void);
void reset(void)
{
    run_all();
    call(0x18, (const void *)0x20026); /* ADP_Stopped_ApplicationExit */
    for (;;) {}
}

extern uint32_t stack_top;
__attribute__((section(".vectors"), used)) static const struct {
    const void *stack;
    void (*entry)(void);
} vectors = {&stack_top, reset};
#else
int main(void)
{
    run_all();
    return 0;
}
#endif
