/* tflite_nets: what the tests of .tflite files share. Failures end the cmocka test. */
#ifndef TESTS_TFLITE_NETS_H
#define TESTS_TFLITE_NETS_H

#include "quantize/tflite.h"

/* Those of q8_nets that have a .tflite form in int8: the first ones. */
enum { TFL_INT8_NETS = 6 };
/* Graphs of operators that have a .tflite form in float, but no int8 one. */
enum { TFL_FLOAT_NETS = 3 };
extern const char *const tfl_float_nets[TFL_FLOAT_NETS];

/* A model of either kind. */
typedef struct tfl_subject {
    nn_model *m;
    q8_model *q;
} tfl_subject;
void tfl_subject_free(tfl_subject *s);

/* What the bytes of a file are imported as. */
tfl_subject tfl_imported(const void *bytes, size_t n);
/* n inputs through the kernels. */
void tfl_run_int8(const q8_model *q, const int8_t *x, size_t n, int8_t *y);

#endif
