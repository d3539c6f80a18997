/* gemm_mve: gemm.h with Helium. Columns are [4][k] bytes, 16 of which are multiplied at once, the
 * rest of them under the loop's tail predicate.
 *
 * SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
 * for any purpose with or without fee is hereby granted. The software is provided "as is", without
 * warranty of any kind.
 */
#ifndef SOTTO_GEMM_MVE_H
#define SOTTO_GEMM_MVE_H

#include "quantize/runtime/gemm_t.h"
#include "quantize/runtime/scale_mve.h"

#ifdef SOTTO_MVE

/* Taps that were gathered in their own place (sotto_gemm_row) are there already. */
static inline void sotto_gemm_put(const sotto_gemm_t *g, void *scratch, int32_t p, const int8_t *x)
{
    int8_t *const to = (int8_t *)scratch + p * g->k;
    if (x != to) sotto_move(to, x, g->k);
}

#define SOTTO_GEMM_MAC(x, s)                                                                       \
    "vldrb.8 q1, [" #x "], #16\n\t"                                                                \
    "vmladava.s8 " #s ", q0, q1\n\t"

/* sum plus the products of a row of k weights with each of four columns, of which addresses are
 * given */
SOTTO_INLINE int32x4_t sotto_gemm_dot(const int8_t *w, int32_t k, const uint32_t column[4],
                                      int32_t sum)
{
    int32x4_t all;
    __asm__ volatile("ldm %[column], {r5, r9, r11, r12}\n\t"
                     "mov r4, %[sum]\n\t"
                     "mov r6, r4\n\t"
                     "mov r8, r4\n\t"
                     "mov r10, r4\n\t"
                     "dlstp.8 lr, %[k]\n"
                     "1:\tvldrb.8 q0, [%[w]], #16\n\t" SOTTO_GEMM_MAC(r5, r4) SOTTO_GEMM_MAC(r9, r6)
                         SOTTO_GEMM_MAC(r11, r8)
                             SOTTO_GEMM_MAC(r12, r10) "letp lr, 1b\n\t"
                                                      "vmov %q[all][2], %q[all][0], r4, r8\n\t"
                                                      "vmov %q[all][3], %q[all][1], r6, r10"
                     : [w] "+r"(w), [all] "=w"(all)
                     : [k] "r"(k), [sum] "r"(sum), [column] "r"(column)
                     : "r4", "r5", "r6", "r8", "r9", "r10", "r11", "r12", "lr", "q0", "q1",
                       "memory");
    return all;
}

/* gemm.h's. In place of columns that are not there, the last one is computed again. */
SOTTO_INLINE void sotto_gemm(const sotto_gemm_t *s, const sotto_gemm_t *g, const void *columns,
                             int32_t count, int8_t *y)
{
    const sotto_end_t e = sotto_end_of(&s->scale, &g->scale);
    const int32x4_t lo = vdupq_n_s32(e.lo), hi = vdupq_n_s32(e.hi);
    const uint32x4_t of = vminq_u32(vidupq_n_u32(0, 1), vdupq_n_u32((uint32_t)count - 1));
    const uint32x4_t apart = vmulq_n_u32(of, (uint32_t)s->n);
    const int32_t k = s->k, zero = g->scale.zero;
    uint32_t column[4]; /* addresses */
    vstrwq_u32(column, vaddq_n_u32(vmulq_n_u32(of, (uint32_t)k), (uint32_t)(uintptr_t)columns));
    const int32_t *channel = g->scale.channel;
    const int8_t *w = g->weight;
    for (int8_t *const end = y + s->n; y < end; y++, channel += 3, w += k) {
        int32x4_t v = sotto_gemm_dot(w, k, column, channel[0]);
        v = vaddq_n_s32(sotto_scaled_channel(v, channel, e.single), zero);
        vstrbq_scatter_offset_s32(y, apart, vminq_s32(vmaxq_s32(v, lo), hi));
    }
}

#endif
#endif
