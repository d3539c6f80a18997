/* machine: what a program on an emulated machine stands on, without a C library: text to the
 * terminal and files of the host by semihosting, executed instructions, the depth of the stack.
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef MACHINE_H
#define MACHINE_H

#include <stdint.h>

/* ---- the host (semihosting) ---- */

void machine_put(const char *text);
void machine_put_number(uint64_t n);
void machine_put_text(const char *name, const char *value); /* "name<tab>value" and a newline */
void machine_put_value(const char *name, uint64_t n);       /* the same */
_Noreturn void machine_exit(int code);

/* A file of the host's working directory, to be read: below 0 when it cannot be. */
int32_t machine_open(const char *name);
/* n bytes, or as many as there are; returns how many. */
int32_t machine_read(int32_t file, void *to, int32_t n);

/* ---- instructions ---- */

/* Start counting; run by reset. quiet: the counter interrupts nothing, and may wrap. */
void machine_count(int quiet);
/* Counts so far, and instructions that a number of them stands for (rounded). The emulator runs
 * with `-icount shift=6`: every instruction is 2^6 ns of its time. */
enum { NS_AN_INSTRUCTION = 64 };
uint64_t machine_counts(void);
uint64_t machine_instructions(uint64_t counts);

/* ---- stack ---- */

/* Fill the free stack below the caller; how many bytes of it have been written since. */
void machine_paint(void);
uint32_t machine_depth(void);

/* ---- of the two halves, port.c and machine.c ---- */

/* One semihosting call. */
int32_t machine_call(int32_t operation, const void *argument);
/* Fills .data and .bss, runs main, exits with what it returns. */
_Noreturn void machine_start(void);
_Noreturn void machine_fault(void);
int main(void);

#endif
