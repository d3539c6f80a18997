/* i16_oracle: the kernels of 16-bit activations once more, from their definitions: every output by
 * itself from its index, taps by asking whether they lie inside, sums and products in 128 bits,
 * rounding by floor division. Of quantize/runtime/ only the structs are used.
 */
#ifndef TESTS_I16_ORACLE_H
#define TESTS_I16_ORACLE_H

#include "nn/op.h"

/* y by kernel `name` ("sotto_conv2d_i16") with struct p; false when there is no such oracle. */
bool i16_oracle(const char *name, const void *p, const void *const *x, void *y);

/* round(x * multiplier * 2^(shift - 31)), halves up, within lo .. hi */
int64_t i16_requant(int64_t x, int64_t multiplier, int shift, int64_t lo, int64_t hi);

#endif
