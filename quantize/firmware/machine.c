/* machine: start-up, talk and stack of any emulated machine; port.c has what differs.
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#include "machine.h"

#include <string.h>

/* Of machine.ld. */
extern uint8_t data_from[], data_begin[], data_end[], bss_begin[], bss_end[], stack_bottom[];

/* Semihosting operations: developer.arm.com, "Semihosting for AArch32 and AArch64", also used by
 * RISC-V. */
enum { SYS_OPEN = 0x01, SYS_WRITE0 = 0x04, SYS_READ = 0x06, SYS_EXIT_EXTENDED = 0x20 };
enum { APPLICATION_EXIT = 0x20026 };

void machine_start(void)
{
    memcpy(data_begin, data_from, (uintptr_t)data_end - (uintptr_t)data_begin);
    memset(bss_begin, 0, (uintptr_t)bss_end - (uintptr_t)bss_begin);
    machine_count(0);
    machine_exit(main());
}

void machine_fault(void)
{
    machine_put("fault: the processor stopped at an instruction that it could not execute\n");
    machine_exit(3);
}

/* ---- the host ---- */

void machine_exit(int code)
{
    const uint32_t block[2] = {APPLICATION_EXIT, (uint32_t)code};
    for (;;) machine_call(SYS_EXIT_EXTENDED, block);
}

void machine_put(const char *text)
{
    machine_call(SYS_WRITE0, text);
}

void machine_put_number(uint64_t n)
{
    char text[21];
    int at = 20;
    text[at] = 0;
    do {
        text[--at] = (char)('0' + n % 10);
        n /= 10;
    } while (n > 0);
    machine_put(text + at);
}

void machine_put_text(const char *name, const char *value)
{
    machine_put(name);
    machine_put("\t");
    machine_put(value);
    machine_put("\n");
}

void machine_put_value(const char *name, uint64_t n)
{
    machine_put(name);
    machine_put("\t");
    machine_put_number(n);
    machine_put("\n");
}

int32_t machine_open(const char *name)
{
    const uint32_t block[3] = {(uint32_t)(uintptr_t)name, 1 /* "rb" */, (uint32_t)strlen(name)};
    return machine_call(SYS_OPEN, block);
}

int32_t machine_read(int32_t file, void *to, int32_t n)
{
    const uint32_t block[3] = {(uint32_t)file, (uint32_t)(uintptr_t)to, (uint32_t)n};
    return n - machine_call(SYS_READ, block);
}

/* ---- stack ---- */

enum { PAINT = 0xa5, OWN = 64 /* bytes that machine_paint itself may use */ };

/* Where the caller's stack ends. */
#define STACK ((uint8_t *)__builtin_frame_address(0))

__attribute__((noinline)) void machine_paint(void)
{
    for (volatile uint8_t *p = stack_bottom; p < STACK - OWN; p++) *p = PAINT;
}

__attribute__((noinline)) uint32_t machine_depth(void)
{
    const volatile uint8_t *p = stack_bottom;
    while (p < STACK - OWN && *p == PAINT) p++;
    return (uint32_t)(STACK - p);
}
