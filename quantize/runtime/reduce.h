/* reduce: the geometry of int8 kernels that make one value of each set of others: x is seen as
 * axes kept, reduced, kept, reduced or reduced, kept, reduced, kept; of length 1 where there are
 * fewer.
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_REDUCE_H
#define SOTTO_REDUCE_H

#include <stdint.h>

typedef struct sotto_reduce_t {
    int32_t kept[2], kept_step[2]; /* lengths, and steps in x; y goes on without gaps */
    int32_t reduced[2], reduced_step[2];
} sotto_reduce_t;

#endif
