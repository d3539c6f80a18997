/* target: what is known of a core and of a board. Profiles are INI files: quantize/targets/, which
 * the program carries in itself, or a file of the user's. A board names its core; a core alone is
 * no target. Every fact stands beside a key that says where it comes from.
 *
 *   core-<name>.ini    [core] name, instruction set and tables of instructions, [cpi] cycles an
 *                      instruction, [code] bytes by kind of kernel, [tflm] bytes of TensorFlow Lite
 *                      Micro
 *   <board>.ini        [board] what it is, [clock], [memory], [cpu], [power], [latency]
 */
#ifndef QUANTIZE_TARGET_H
#define QUANTIZE_TARGET_H

#include "quantize/instructions.h"

/* Kinds of layers that cost differently. OTHER is anything that touches each element once. */
typedef enum quant_kind {
    QUANT_CONV,
    QUANT_DEPTHWISE,
    QUANT_DENSE,
    QUANT_POOL,
    QUANT_ADD,
    QUANT_OTHER,
    QUANT_KINDS
} quant_kind;
const char *quant_kind_name(quant_kind kind); /* "conv", "depthwise", ... */

/* What a figure rests on. */
typedef enum quant_basis {
    QUANT_UNKNOWN,
    QUANT_EXACT,     /* computed, with no error */
    QUANT_MEASURED,  /* here: compiled or run in an emulator */
    QUANT_PUBLISHED, /* timed on this board by others */
    QUANT_INFERRED   /* from other boards, or assumed */
} quant_basis;
const char *quant_basis_name(quant_basis basis); /* "exact", ...; "" when unknown */

typedef struct quant_core {
    char name[QUANT_TEXT], isa[QUANT_TEXT];
    char own_isa[QUANT_TEXT], cmsis_isa[QUANT_TEXT]; /* sections of the table of instructions */
    quant_table own, cmsis, frontend; /* cmsis: empty where CMSIS-NN has no kernels */
    double cpi, cpi_error;            /* cycles an instruction; percent */
    quant_basis cpi_basis;
    char cpi_source[QUANT_TEXT];
    double code[QUANT_KINDS]; /* bytes of the kernels of a kind */
    double code_base;         /* bytes that every model needs */
    double code_frontend;     /* bytes of front-end and post-processing; 0: not known */
    double code_error;        /* percent */
    char code_source[QUANT_TEXT];
    double tflm_code, tflm_error; /* bytes of TFLM and CMSIS-NN, 0 where not known; percent */
    char tflm_source[QUANT_TEXT];
} quant_core;

typedef struct quant_target {
    char name[QUANT_TEXT], title[QUANT_TEXT], mcu[QUANT_TEXT], source[QUANT_TEXT];
    char core_name[QUANT_TEXT];
    quant_core core;
    double mhz;
    char clock_source[QUANT_TEXT];
    int64_t flash, ram; /* bytes */
    char memory_notes[QUANT_TEXT], memory_source[QUANT_TEXT];
    double weight_cycles; /* to read a byte of weights from flash, beyond the instruction */
    char weight_source[QUANT_TEXT];
    char fpu[QUANT_TEXT], dsp[QUANT_TEXT], helium[QUANT_TEXT], cpu_source[QUANT_TEXT];
    /* Energy: measured while inferring, else current from a data sheet with its voltage; 0 where
     * not known. Errors in percent. */
    double mw_per_mhz, ua_per_mhz, volts, power_error;
    char power_source[QUANT_TEXT];
    double cpi;           /* of this board; 0: its core's */
    double latency_error; /* percent: between value / (1 + e/100) and value (1 + e/100) */
    bool rough;           /* order of magnitude: nobody has published a comparable measurement */
    quant_basis basis;    /* of the time */
    char latency_source[QUANT_TEXT];
} quant_target;

/* A board by name from the profiles that the program carries, or from a file when `name` holds a
 * slash or ends in .ini (its core may be named or given in the same file). BASE_USAGE for a name
 * that is unknown (hint: the nearest), for a file that is malformed (message: file:line); BASE_DATA
 * for a file that cannot be read. */
base_status quant_target_load(const char *name, quant_target *target, base_err *err);

/* The profile in a text; file names it in errors. Cores are looked up among those carried. */
base_status quant_target_parse(const char *text, const char *file, quant_target *target,
                               base_err *err);

/* Names of the boards carried, sorted; *names is one block, freed with free(). */
base_status quant_target_names(const char ***names, size_t *n, base_err *err);

/* Energy in mW per MHz: measured, or from current and voltage; 0 when not known. */
double quant_target_power(const quant_target *target);
/* Cycles an instruction: the board's, else its core's. */
double quant_target_cpi(const quant_target *target);

#endif
