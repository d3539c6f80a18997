/* machine: the microcontroller boards that an emulator has: which compiler makes code for the core,
 * where its memories lie, and how fast its timer counts. Profiles are quantize/machines/<name>.ini,
 * which the program carries in itself.
 */
#ifndef QUANTIZE_MACHINE_H
#define QUANTIZE_MACHINE_H

#include "quantize/target.h"

typedef struct quant_machine {
    char name[QUANT_TEXT], title[QUANT_TEXT];
    char core[QUANT_TEXT];     /* as target profiles call it: "cortex-m4" */
    char compiler[QUANT_TEXT]; /* a command */
    char flags[QUANT_TEXT];    /* of the compiler, for the core */
    char emulator[QUANT_TEXT]; /* a command and its first arguments */
    char vectors[QUANT_TEXT], rom[QUANT_TEXT], ram[QUANT_TEXT]; /* addresses, "0x20000000" */
    char rom_kb[QUANT_TEXT], ram_kb[QUANT_TEXT];
    char tick_hz[QUANT_TEXT]; /* of the timer that counts instructions */
    char larger[QUANT_TEXT];  /* a machine that runs the same code and has more memory, or empty */
} quant_machine;

/* By name. BASE_USAGE for one that is unknown (hint: the nearest). */
base_status quant_machine_load(const char *name, quant_machine *machine, base_err *err);
/* The first machine (by name) with that core; *found is false where there is none. */
base_status quant_machine_of_core(const char *core, quant_machine *machine, bool *found,
                                  base_err *err);
/* The same compiler and flags, with the memories and the emulator of the larger machine. */
base_status quant_machine_enlarge(quant_machine *machine, base_err *err);
/* Names, sorted; *names is one block, freed with free(). */
base_status quant_machine_names(const char ***names, size_t *n, base_err *err);

/* What the Debian package of a compiler or emulator is called. */
const char *quant_machine_package(const char *command);

#endif
