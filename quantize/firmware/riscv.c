/* port: RISC-V in machine mode: entry, traps, semihosting, and the counter of instructions.
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#include "machine.h"

/* What minstret counts in an instruction: versions of QEMU differ, some count ns. */
static uint32_t unit = 1;

void machine_count(int quiet)
{
    (void)quiet;
    const uint64_t from = machine_counts();
    __asm__ volatile(".rept 16\n nop\n.endr");
    unit = machine_counts() - from < 16 * NS_AN_INSTRUCTION ? 1 : NS_AN_INSTRUCTION;
}

uint64_t machine_counts(void)
{
    uint32_t high, low, again;
    do {
        __asm__ volatile("csrr %0, minstreth" : "=r"(high));
        __asm__ volatile("csrr %0, minstret" : "=r"(low));
        __asm__ volatile("csrr %0, minstreth" : "=r"(again));
    } while (high != again);
    return (uint64_t)high << 32 | low;
}

uint64_t machine_instructions(uint64_t counts)
{
    return counts / unit;
}

/* The three instructions lie in one page and are not compressed. */
__attribute__((noinline)) int32_t machine_call(int32_t operation, const void *argument)
{
    register int32_t a0 __asm__("a0") = operation;
    register const void *a1 __asm__("a1") = argument;
    __asm__ volatile(".option push\n.option norvc\n.balign 16\n"
                     "slli x0, x0, 0x1f\n ebreak\n srai x0, x0, 7\n.option pop"
                     : "+r"(a0)
                     : "r"(a1)
                     : "memory");
    return a0;
}

__attribute__((aligned(4), used)) static void trap(void)
{
    machine_fault();
}

void vectors(void);
__attribute__((naked, section(".vectors"), used)) void vectors(void)
{
    __asm__ volatile("la sp, stack_top\n la t0, trap\n csrw mtvec, t0\n tail machine_start");
}
