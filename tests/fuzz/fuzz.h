/* fuzz: what the fuzz targets share. A target is fuzz_<name>.c with libFuzzer's entry point; `make
 * fuzz` links it with libFuzzer, `make test` with replay.c, which feeds it
 * tests/fuzz/corpus/<name>.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include "quantize/q8.h"

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Aborts, saying what is not so. */
void fuzz_expect(bool holds, const char *what, const base_err *err);

/* That a reader refused with a status for damaged files, and a message. */
void fuzz_refused(base_status status, const base_err *err);

/* What a model that was read gives for random inputs, and the same on the best level of this
 * machine. Models too large for thousands of runs are left alone. The int8 output of the first
 * input, freed with base_free; NULL: left alone. */
int8_t *fuzz_int8(const q8_model *m);
void fuzz_float(const nn_model *m);

#endif
