/* frontend: the integer front-end on a bare Cortex-M or RISC-V core under QEMU, over the clips of
 * TABLES (bench/frontend_tables.c writes it), pushed in pieces of 100 samples. Prints
 *   same|DIFFERENT,instructions a frame,instructions of reading a window,int32_t of state,bytes of
 * tables the first by comparing with the host's checksum. Built and run by bench/count_frontend.sh.
 */
#include "quantize/runtime/frontend.h"
#include "quantize/runtime/checksum.h"

#include TABLES

#include <stddef.h>

static int32_t memory[KWS_FRONTEND_MEMORY], scratch[KWS_FRONTEND_SCRATCH];
static int8_t window[KWS_FRAMES * KWS_BINS];

/* ---- semihosting: Arm's, which RISC-V shares ---- */

static void call(int operation, const void *argument)
{
#ifdef __riscv
    register int a0 __asm__("a0") = operation;
    register const void *a1 __asm__("a1") = argument;
    __asm__ volatile(".option push\n.option norvc\nslli x0, x0, 0x1f\nebreak\nsrai x0, x0, 7\n"
                     ".option pop"
                     : "+r"(a0)
                     : "r"(a1)
                     : "memory");
#else
    register int r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
#endif
}

static void put(const char *s)
{
    call(0x04, s);
}

/* ---- counting ---- */

#ifdef __riscv
static uint32_t instructions(void)
{
    uint32_t n;
    __asm__ volatile("csrr %0, minstret" : "=r"(n));
    return n;
}
#else
typedef struct systick {
    volatile uint32_t control, reload, value;
} systick;
#define SYSTICK ((systick *)0xE000E010u)
enum { TICK = 40 }; /* ns, and with -icount shift=0 instructions */

static uint32_t instructions(void)
{
    if (SYSTICK->control == 0) {
        SYSTICK->reload = 0xFFFFFF;
        SYSTICK->value = 0;
        SYSTICK->control = 5;
        while (SYSTICK->value == 0) {}
    }
    return (0xFFFFFF - SYSTICK->value) * TICK;
}
#endif

/* ---- what stands for the C library ---- */

/* By words where both sides are aligned, else by bytes; `to` never lies behind `from`. */
static void copy(void *to, const void *from, size_t n)
{
    volatile uint32_t *words = to;
    size_t i = 0;
    if ((((uintptr_t)to | (uintptr_t)from) & 3) == 0)
        for (; i + 4 <= n; i += 4) *words++ = *(const uint32_t *)((const char *)from + i);
    for (; i < n; i++) ((volatile char *)to)[i] = ((const char *)from)[i];
}

void *memmove(void *to, const void *from, size_t n);
void *memmove(void *to, const void *from, size_t n)
{
    copy(to, from, n);
    return to;
}

void *memcpy(void *restrict to, const void *restrict from, size_t n);
void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
    copy(to, from, n);
    return to;
}

void *memset(void *to, int c, size_t n);
void *memset(void *to, int c, size_t n)
{
    for (size_t i = 0; i < n; i++) ((volatile char *)to)[i] = (char)c;
    return to;
}

/* ---- the front-end ---- */

static void put_number(uint32_t v, const char *end)
{
    char digits[12], *p = digits + sizeof digits - 1;
    *p = 0;
    do *--p = (char)('0' + v % 10);
    while (v /= 10);
    put(p);
    put(end);
}

static void run(void)
{
    const uint32_t count = sizeof clips / sizeof clips[0];
    uint32_t sum = SOTTO_CHECKSUM_START, frames = 0, pushing = 0, reading = 0;
    for (uint32_t i = 0; i < count; i++) {
        sotto_frontend_state_t s;
        sotto_frontend_init(&kws_frontend, &s, memory, scratch);
        const uint32_t start = instructions();
        for (int32_t at = 0; at < KWS_CLIP_SAMPLES;) {
            const int32_t left = KWS_CLIP_SAMPLES - at;
            at += sotto_frontend_push(&kws_frontend, &s, clips[i] + at, left < 100 ? left : 100);
            frames += (uint32_t)s.ready;
        }
        const uint32_t pushed = instructions();
        sotto_frontend_finish(&kws_frontend, &s);
        const uint32_t finished = instructions();
        sotto_frontend_window(&kws_frontend, &s, window);
        reading += instructions() - finished;
        pushing += pushed - start;
        sum = sotto_checksum_i8(sum, window, sizeof window);
    }
    put(sum == WANTED ? "same," : "DIFFERENT,");
    put_number(pushing / frames, ",");
    put_number(reading / count, ",");
    put_number(sizeof memory / 4 + sizeof scratch / 4, ",");
    put_number(TABLE_BYTES, "\n");
}

static uint32_t stack[1024];
#define STACK_TOP (stack + sizeof stack / sizeof stack[0])

void finish(void);
void finish(void)
{
    run();
    call(0x18, (const void *)(uintptr_t)0x20026u); /* ADP_Stopped_ApplicationExit */
    for (;;) {}
}

#ifdef __riscv
void reset(void);
__attribute__((naked, section(".vectors"))) void reset(void)
{
    __asm__ volatile("la sp, %0\n\tj finish" : : "i"(STACK_TOP));
}
#else
void reset(void);
void reset(void)
{
#if __ARM_FEATURE_MVE
    *(volatile uint32_t *)0xE000ED88u |= 0xFu << 20; /* its registers are on */
    __asm__ volatile("dsb\n\tisb");
#endif
    finish();
}

__attribute__((section(".vectors"), used)) static const struct {
    const void *stack;
    void (*entry)(void);
} vectors = {STACK_TOP, reset};
#endif
