/* PyTorch's vectors once more, in double: no rounding hides a difference. */
#include "tests/test_vectors.c"
