/* target: what is known of a core and of a board. Profiles are INI files: quantize/targets/, which
 * the program carries in itself, or a file of the user's. A board names its core; a core alone is
 * no target. Every fact stands beside a key that says where it comes from.
 *
 *   core-<name>.ini    [core] name, isa, [cycles] of quantize/runtime by kind of layer, [cmsis-nn]
 *                      of CMSIS-NN where it was timed, [code] bytes by kind of kernel
 *   <board>.ini        [board] what it is, [clock], [memory], [cpu], [power], [latency]
 */
#ifndef QUANTIZE_TARGET_H
#define QUANTIZE_TARGET_H

#include "nn/base.h"

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

enum { QUANT_TEXT = 200 };

/* Cycles by kind of layer: per MAC, per kernel row (the inner loops entered), per output element;
 * pooling per input element. */
typedef struct quant_cycles {
    double conv_mac, conv_row, conv_out, dw_mac, dw_row, dw_out, fc_mac, fc_out, pool_in, add_out;
    char source[QUANT_TEXT];
} quant_cycles;

typedef struct quant_core {
    char name[QUANT_TEXT], isa[QUANT_TEXT];
    quant_cycles own, cmsis;  /* quantize/runtime; CMSIS-NN, all 0 when not known */
    double cmsis_error;       /* percent */
    double code[QUANT_KINDS]; /* bytes of the kernels of a kind */
    double code_base;         /* bytes that every model needs */
    double code_error;        /* percent */
    char code_source[QUANT_TEXT];
} quant_core;

typedef struct quant_target {
    char name[QUANT_TEXT], title[QUANT_TEXT], mcu[QUANT_TEXT], source[QUANT_TEXT];
    char core_name[QUANT_TEXT];
    quant_core core;
    double mhz;
    char clock_source[QUANT_TEXT];
    int64_t flash, ram; /* bytes */
    char memory_notes[QUANT_TEXT], memory_source[QUANT_TEXT];
    char fpu[QUANT_TEXT], dsp[QUANT_TEXT], helium[QUANT_TEXT], cpu_source[QUANT_TEXT];
    /* Energy: measured while inferring, else current from a data sheet with its voltage; 0 where
     * not known. Errors in percent. */
    double mw_per_mhz, ua_per_mhz, volts, power_error;
    char power_source[QUANT_TEXT];
    double scale;         /* of the core's cycles */
    double latency_error; /* percent: between value / (1 + e/100) and value (1 + e/100) */
    bool rough;           /* order of magnitude: nobody has published a comparable measurement */
    char basis[QUANT_TEXT], latency_source[QUANT_TEXT];
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

#endif
