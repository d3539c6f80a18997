/* emit: what the files that write exported C share: quantize/emit.c the frame, emit_text.c numbers,
 * names and strings, emit_net.c the layers and the inference, emit_stream.c that hop by hop,
 * emit_pipeline.c (with emit_frontend.c) what stands around it, emit_test.c the self-test.
 */
#ifndef QUANTIZE_EMIT_H
#define QUANTIZE_EMIT_H

#include "quantize/internal.h"
#include "quantize/pipeline.h"
#include "quantize/stream_plan.h"

typedef struct emitter {
    const q8_model *m;              /* as q8_deploy lays it out */
    const char *prefix;             /* "kws" */
    char upper[NN_MAX_NAME];        /* "KWS" */
    char hash[65];                  /* of the model before q8_deploy */
    const quant_pipeline *pipeline; /* NULL: the net alone */
    const q8_stream *stream;        /* NULL: none */
    size_t work;                    /* bytes of the work buffer */
    base_str *out;
    base_str included; /* paths of the runtime files written so far, one a line */
} emitter;

/* ---- text ---- */

/* Numbers separated by commas, in lines of at most 100 columns: int8_t (bytes) or int32_t. */
void emit_numbers(base_str *out, const void *v, bool bytes, size_t n);
void emit_string(base_str *out, const char *s); /* a literal */
/* The lines of a text inside of a comment. */
void emit_comment(base_str *out, const char *text);
/* The C name of layer k: prefix, number, and the node's name as far as it is an identifier. */
enum { EMIT_NAME = 3 * NN_MAX_NAME };
const char *emit_layer_name(const emitter *e, int k, char name[EMIT_NAME]);
/* Of an array of it: "gemm.weight" of a nested struct as "gemm_weight". */
const char *emit_array_name(const emitter *e, int k, const nn_q8_field *f, char name[EMIT_NAME]);
/* A runtime file once, what it includes first, without its own #include lines. */
base_status emit_runtime(emitter *e, const char *path, base_err *err);

/* ---- parts ---- */

/* The struct of l, which is layer k or some rows of it, with the arrays of layer k. */
void emit_struct(emitter *e, int k, const nn_q8_layer *l, const char *name);
/* The first layer of the shape of layer k, k itself when there is none before: its function,
 * PREFIX_shape_N, is that of layer k and of rows of it. */
int emit_shape(const q8_model *m, int k);
void emit_layers(emitter *e);                       /* tables and structs */
void emit_run(emitter *e);                          /* stages and PREFIX_run */
base_status emit_stream(emitter *e, base_err *err); /* PREFIX_stream_reset and _step */
void emit_pipeline(emitter *e);
base_status emit_selftest(emitter *e, base_err *err);

#endif
