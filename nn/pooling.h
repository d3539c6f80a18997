/* pooling: what avgpool and maxpool have in common: attributes, windows, shape and int8 form. */
#ifndef NN_POOLING_H
#define NN_POOLING_H

#include "nn/op.h"

typedef struct nn_pooling {
    int kernel[2], stride[2];
    nn_pad pad;
} nn_pooling;

enum { NN_POOLING_ATTRS = 3, NN_POOLING_FIELDS = 13 };
extern const nn_attr nn_pooling_attrs[NN_POOLING_ATTRS];
extern const nn_q8_field nn_pooling_fields[NN_POOLING_FIELDS]; /* of sotto_pool_t */

/* Windows of a node that is known to be sound when err is NULL. */
base_status nn_pooling_windows(const nn_node *n, nn_window w[2], base_err *err);
base_status nn_pooling_shape(nn_node *n, base_err *err);
base_status nn_pooling_lower(const nn_node *n, nn_q8_context *c, const nn_q8_kernel *kernel,
                             nn_q8_layer *layer, base_err *err);

#endif
