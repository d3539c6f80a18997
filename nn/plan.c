/* Memory plan: see nn_plan in nn/nn.h. */
#include "nn/nn.h"

#include <stdlib.h>

static bool overlap_in_time(const nn_span *a, const nn_span *b)
{
    return a->first <= b->last && b->first <= a->last;
}

static int by_size(const void *pa, const void *pb)
{
    const nn_span *a = *(nn_span *const *)pa, *b = *(nn_span *const *)pb;
    if (a->size != b->size) return a->size < b->size ? 1 : -1;
    return a->first != b->first ? (a->first > b->first) - (a->first < b->first) : (a > b) - (a < b);
}

static int by_offset(const void *pa, const void *pb)
{
    const nn_span *a = *(nn_span *const *)pa, *b = *(nn_span *const *)pb;
    return (a->offset > b->offset) - (a->offset < b->offset);
}

/* The lowest gap that holds s between the placed spans that are alive with it. */
static size_t lowest_gap(const nn_span *s, nn_span **alive, int n)
{
    size_t at = 0;
    qsort(alive, (size_t)n, sizeof *alive, by_offset);
    for (int i = 0; i < n; i++) {
        if (alive[i]->offset >= at + s->size) break;
        if (alive[i]->offset + alive[i]->size > at) at = alive[i]->offset + alive[i]->size;
    }
    return at;
}

size_t nn_plan(nn_span *span, int n, size_t align)
{
    nn_span **order = malloc(2 * (size_t)(n + 1) * sizeof *order), **alive = order + n + 1;
    size_t total = 0;
    for (int i = 0; i < n; i++) {
        span[i].size = (span[i].size + align - 1) / align * align;
        span[i].offset = total; /* the plan without sharing, also when memory is short */
        if (!order)
            total += span[i].size;
        else
            order[i] = &span[i];
    }
    if (!order) return total;
    qsort(order, (size_t)n, sizeof *order, by_size);
    for (int i = 0; i < n; i++) {
        int m = 0;
        for (int j = 0; j < i; j++)
            if (order[j]->size > 0 && overlap_in_time(order[i], order[j])) alive[m++] = order[j];
        order[i]->offset = lowest_gap(order[i], alive, m);
        if (order[i]->offset + order[i]->size > total) total = order[i]->offset + order[i]->size;
    }
    free(order);
    return total;
}
