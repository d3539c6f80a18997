/* trees: int8 decision trees.
 *   y[o] = clamp(out_zero + requant(bias[o] + sum over trees of leaf[tree, where x ends, o]))
 *
 * A tree of n nodes and n + 1 leaves is its nodes in preorder and its leaves from left to right: a
 * node knows how many nodes are in its left branch, which come next, and so where the right one
 * begins. A walk needs no pointers, and ends for any numbers within n.
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_TREES_H
#define SOTTO_TREES_H

#include "quantize/runtime/requant.h"

enum { SOTTO_TREES_NODE = 4 }; /* bytes: input (low byte first), threshold, nodes on the left */

typedef struct sotto_trees_t {
    int32_t rounds, each; /* a round has `each` trees: 1 for all outputs, or one for each */
    int32_t nodes, out_n; /* nodes of a tree; it has one leaf more */
    int32_t out_zero, lo, hi, single;
    const int8_t *node;                       /* [rounds * each][nodes][SOTTO_TREES_NODE] */
    const int8_t *leaf;                       /* [rounds][nodes + 1][out_n] */
    const int32_t *bias, *multiplier, *shift; /* [out_n] */
} sotto_trees_t;

/* The leaf that x ends in: left where x is below the threshold. */
static inline int32_t sotto_tree_leaf(const int8_t *node, int32_t nodes, const int8_t *x)
{
    int32_t leaf = 0;
    while (nodes > 0) {
        const int32_t left = (uint8_t)node[3];
        if (x[(uint8_t)node[0] | (uint8_t)node[1] << 8] < node[2]) {
            node += SOTTO_TREES_NODE;
            nodes = left;
        } else {
            node += (left + 1) * SOTTO_TREES_NODE;
            nodes -= left + 1;
            leaf += left + 1;
        }
    }
    return leaf;
}

/* scratch: out_n sums of 32 bits. */
static inline void sotto_trees(const sotto_trees_t *p, const int8_t *x, int8_t *y, void *scratch)
{
    int32_t *sum = (int32_t *)scratch;
    const int8_t *node = p->node, *leaf = p->leaf;
    for (int32_t o = 0; o < p->out_n; o++) sum[o] = p->bias[o];
    for (int32_t r = 0; r < p->rounds; r++, leaf += (p->nodes + 1) * p->out_n) {
        int32_t at = 0;
        for (int32_t o = 0; o < p->out_n; o++) {
            if (o < p->each) {
                at = sotto_tree_leaf(node, p->nodes, x) * p->out_n;
                node += p->nodes * SOTTO_TREES_NODE;
            }
            sum[o] += leaf[at + o];
        }
    }
    for (int32_t o = 0; o < p->out_n; o++) {
        const int32_t v = sotto_requant(sum[o], p->multiplier[o], p->shift[o], p->single);
        y[o] = sotto_clamp_i8(v + p->out_zero, p->lo, p->hi);
    }
}

#endif
