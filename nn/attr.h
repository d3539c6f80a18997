/* attr: operator attributes between text and struct, driven by the tables in nn/ops. */
#ifndef NN_ATTR_H
#define NN_ATTR_H

#include "nn/op.h"

/* Parse "key=value key=value" into n->attrs; with `defaults`, keys that are not given take their
 * fallback, and a key without one is an error. */
base_status nn_attrs_parse(nn_node *n, const char *text, bool defaults, base_err *err);
/* Append " key=value" for every attribute that differs from its fallback. */
void nn_attrs_print(const nn_node *n, base_str *text);

#endif
