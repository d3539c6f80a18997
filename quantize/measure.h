/* measure: what an exported model really takes: compiled for a core and run in the emulator. Flash
 * and RAM are sections of an ELF file, with the program around the model taken off; instructions
 * are counted by the emulator; the stack was painted. Nothing here is an estimate.
 */
#ifndef QUANTIZE_MEASURE_H
#define QUANTIZE_MEASURE_H

#include "quantize/machine.h"
#include "quantize/q8.h"

typedef struct quant_stage {
    char name[QUANT_TEXT];
    int64_t instructions; /* of one inference */
} quant_stage;

typedef struct quant_measured {
    char machine[QUANT_TEXT]; /* that ran it: the one asked for, or a larger one */
    int64_t code, tables;     /* bytes of instructions, of constants */
    int64_t flash;            /* both, and what .data is filled from */
    int64_t ram;              /* bytes, the caller's input and output (or state) included */
    int64_t stack;            /* bytes, of an inference */
    int64_t instructions;     /* of an inference: all stages */
    int64_t second;           /* of a second of audio; 0 for a net alone */
    quant_stage *stages;      /* owned: quant_measured_free */
    size_t n_stages, cap;
} quant_measured;

/* Compile with optimization opt ("-O2") and run. stop: a flag that ends it (may be NULL).
 * BASE_FAILED with the package where compiler or emulator are absent, with their words where they
 * fail; BASE_MISMATCH when the model's self-test fails there. The temporary folder is removed in
 * every case. */
base_status quant_measure(const q8_model *m, const quant_machine *machine, const char *opt,
                          const volatile int *stop, quant_measured *measured, base_err *err);
void quant_measured_free(quant_measured *measured);

/* Measurements of one model, each made once for all targets of a core. */
typedef struct quant_measurements {
    const q8_model *m;
    const char *opt;
    const volatile int *stop;
    struct {
        char core[QUANT_TEXT];
        quant_measured result;
    } of[16];
    size_t n;
} quant_measurements;
/* That of a core: *found is NULL where no machine has it. Owned by all. */
base_status quant_measure_core(quant_measurements *all, const char *core,
                               const quant_measured **found, base_err *err);
void quant_measurements_free(quant_measurements *all);

/* An int8 model of a graph that nobody trained, with random weights and ranges of noise: it costs
 * what a trained one does. */
base_status quant_untrained(nn_graph *g, q8_model **m, base_err *err);

#endif
