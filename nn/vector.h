/* vector: numbers as wide as the machine's registers, by the vector extension of gcc and clang, for
 * the few kernels that need more than the compiler does by itself. On a machine without them the
 * compiler splits them; the source stays plain C.
 */
#ifndef NN_VECTOR_H
#define NN_VECTOR_H

#include "nn/nn.h"

#ifdef __AVX512F__
#define NN_VECTOR_BYTES 64
#else
#define NN_VECTOR_BYTES 32
#endif

enum { NN_LANES = NN_VECTOR_BYTES / sizeof(nn_real) };

/* May stand for any place in an array of nn_real. */
typedef nn_real nn_vector
    __attribute__((vector_size(NN_VECTOR_BYTES), aligned(sizeof(nn_real)), may_alias));

/* All bits of the lanes where a comparison of vectors holds. */
typedef __typeof__((nn_vector){0} < (nn_vector){0}) nn_mask;

/* Each lane to lo .. hi, NaN as it is. By address, for machines whose calls pass no such vectors.
 */
static inline void nn_vector_clamp(nn_vector *v, nn_real lo, nn_real hi)
{
    const nn_vector least = lo - (nn_vector){0}, most = hi - (nn_vector){0};
    const nn_mask under = *v<least, over = *v> most;
    *v = (nn_vector)(((nn_mask)least & under) | ((nn_mask)*v & ~under));
    *v = (nn_vector)(((nn_mask)most & over) | ((nn_mask)*v & ~over));
}

#endif
