/* bare: a program on a bare Cortex-M under QEMU that writes text and counts instructions. With
 * `-icount shift=0` an instruction takes one nanosecond of machine time and SysTick (25 MHz on the
 * MPS2 boards) ticks every 40 of them.
 */
#ifndef BENCH_DEVICE_BARE_H
#define BENCH_DEVICE_BARE_H

#include <stddef.h>
#include <stdint.h>

enum { TICK = 40 };

typedef struct systick {
    volatile uint32_t control, reload, value;
} systick;
#define SYSTICK ((systick *)0xE000E010u)

/* ---- semihosting (Arm, "Semihosting for AArch32 and AArch64") ---- */

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

static void put_number(uint32_t v, const char *end)
{
    char digits[12], *p = digits + sizeof digits - 1;
    *p = 0;
    do *--p = (char)('0' + v % 10);
    while (v /= 10);
    put(p);
    put(end);
}

/* What GCC calls to copy and to clear a struct; there is no C library. */
void *memset(void *to, int value, size_t n);
void *memset(void *to, int value, size_t n)
{
    for (size_t i = 0; i < n; i++) ((volatile char *)to)[i] = (char)value;
    return to;
}

void *memcpy(void *restrict to, const void *restrict from, size_t n);
void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
    for (size_t i = 0; i < n; i++) ((volatile char *)to)[i] = ((const char *)from)[i];
    return to;
}

/* ---- timing ---- */

static void start(void)
{
    SYSTICK->control = 0;
    SYSTICK->reload = 0xFFFFFF;
    SYSTICK->value = 0;
    SYSTICK->control = 5;
}

static uint32_t ticks(void)
{
    return 0xFFFFFF - SYSTICK->value;
}

#endif
