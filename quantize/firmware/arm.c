/* port: Cortex-M: vectors, the FPU and Helium, semihosting, and instructions by the SysTick timer.
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#include "machine.h"

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define SYST_CSR          REGISTER(0xE000E010)
#define SYST_RVR          REGISTER(0xE000E014)
#define SYST_CVR          REGISTER(0xE000E018)
#define CPACR             REGISTER(0xE000ED88)

enum { WRAP = 1 << 24 }; /* the timer has 24 bits */

static volatile uint32_t wraps;

void machine_count(int quiet)
{
    SYST_CSR = 0;
    SYST_RVR = WRAP - 1;
    SYST_CVR = 0; /* any value: starts anew */
    SYST_CSR = quiet ? 5 : 7;
}

static void tick(void)
{
    wraps++;
}

uint64_t machine_counts(void)
{
    uint32_t high, low;
    do {
        high = wraps;
        low = SYST_CVR; /* counts down */
    } while (high != wraps);
    return (uint64_t)high * WRAP + (WRAP - 1 - low);
}

uint64_t machine_instructions(uint64_t counts)
{
    const uint64_t a = 1000000000, b = (uint64_t)TICK_HZ * NS_AN_INSTRUCTION;
    return (counts * a + b / 2) / b;
}

__attribute__((noinline)) int32_t machine_call(int32_t operation, const void *argument)
{
    register int32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

static void reset(void)
{
#if defined(__ARM_FP) || defined(__ARM_FEATURE_MVE)
    CPACR |= 0xfu << 20;
    __asm__ volatile("dsb\n isb" ::: "memory");
#endif
    machine_start();
}

extern uint32_t stack_top[];
extern const struct vectors {
    const void *stack;
    void (*reset)(void);
    void (*fault[13])(void);
    void (*tick)(void);
} vectors;
__attribute__((section(".vectors"), used)) const struct vectors vectors = {
    stack_top,
    reset,
    {machine_fault, machine_fault, machine_fault, machine_fault, machine_fault, machine_fault,
     machine_fault, machine_fault, machine_fault, machine_fault, machine_fault, machine_fault,
     machine_fault},
    tick};
