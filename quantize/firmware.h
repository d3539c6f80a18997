/* firmware: an int8 model as the folder of a program: complete for an emulated machine (start-up,
 * linker script, Makefile: quantize/firmware/), the model and a frame for any other board.
 */
#ifndef QUANTIZE_FIRMWARE_H
#define QUANTIZE_FIRMWARE_H

#include "quantize/machine.h"
#include "quantize/q8.h"

/* What a program is compiled with besides the machine's own flags, and how the emulator is run. */
#define FIRMWARE_FLAGS                                                                             \
    "-std=c11 -Wall -Wextra -ffreestanding -nostdlib -ffunction-sections -fdata-sections "         \
    "-Wl,--gc-sections"
#define FIRMWARE_EMULATOR                                                                          \
    "-display none -monitor none -serial null -icount shift=6,sleep=off -chardev stdio,id=out "    \
    "-semihosting-config enable=on,target=native,chardev=out"

/* Write a project of m, exported so, into dir, which becomes there as a
 * whole: it must not exist or be empty (else BASE_USAGE). wav: a recording that goes with it,
 * converted to the model's rate; may be NULL. BASE_DATA for a recording that is none, or a model
 * that says no rate. */
base_status firmware_write_machine(const q8_model *m, const q8_export *how,
                                   const quant_machine *machine, const char *wav, const char *dir,
                                   base_err *err);
base_status firmware_write_board(const q8_model *m, const q8_export *how, const quant_target *board,
                                 const char *wav, const char *dir, base_err *err);
/* Either, by name; *emulated tells which. BASE_USAGE for an unknown one (hint: the nearest). */
base_status firmware_write(const q8_model *m, const q8_export *how, const char *board,
                           const char *wav, const char *dir, bool *emulated, base_err *err);

/* Remove a folder of files, if it is there. */
void firmware_remove(const char *dir);

#endif
