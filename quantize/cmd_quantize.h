/* cmd_quantize: which float model an int8 model was made of, which `sotto quantize` writes into it
 * and commands check that are given both.
 */
#ifndef QUANTIZE_CMD_QUANTIZE_H
#define QUANTIZE_CMD_QUANTIZE_H

#include "nn/base.h"

/* A line of provenance: the SHA-256 of the model's file (or that of a run). */
base_status quantize_lineage_add(const char *model, base_str *provenance, base_err *err);
/* BASE_MISMATCH when the int8 model says that it was made of another file than that of model. One
 * that says nothing (imported, older) passes, as does what is no pair of a float and an int8 model.
 */
base_status quantize_lineage_check(const char *model, const char *int8, base_err *err);

#endif
