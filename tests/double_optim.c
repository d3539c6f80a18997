/* The tests of optimizers in double, where PyTorch's numbers are met to 1e-12. */
#include "tests/test_optim.c"
