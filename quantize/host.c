/* See quantize/host.h. */
#include "quantize/host.h"

#include "quantize/host_layer.h"
#include "quantize/internal.h"

#include <stdlib.h>
#include <string.h>

struct q8_host {
    const q8_model *model;
    q8_step *steps; /* one a layer */
    size_t work;    /* of the largest step */
    base_arena *arena;
};

/* ---- levels ---- */

const char *q8_level_name(q8_level level)
{
    static const char *const names[Q8_LEVELS] = {"plain", "avx2", "avx512vnni"};
    return level >= 0 && level < Q8_LEVELS ? names[level] : "unknown";
}

bool q8_level_here(q8_level level)
{
    if (level == Q8_PLAIN) return true;
#ifdef __x86_64__
    if (level == Q8_AVX2) return __builtin_cpu_supports("avx2");
    if (level == Q8_VNNI)
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
               __builtin_cpu_supports("avx512vnni");
#endif
    return false;
}

q8_level q8_level_best(void)
{
    int level = Q8_LEVELS - 1;
    while (level > Q8_PLAIN && !q8_level_here((q8_level)level)) level--;
    return (q8_level)level;
}

/* ---- steps ---- */

static void run_plain(const q8_step *s, const int8_t *const *x, int8_t *y, int8_t *work)
{
    q8_layer_run(s->layer, x, y, work);
}

base_status q8_step_make(const nn_q8_layer *l, const q8_isa *isa, base_arena *arena, q8_step *s,
                         base_err *err)
{
    static const struct {
        const char *kernel;
        base_status (*make)(q8_step *s, base_arena *arena, base_err *err);
    } fast[] = {{"sotto_conv2d", q8_step_conv2d},
                {"sotto_dwconv2d", q8_step_dwconv2d},
                {"sotto_dwconv2d_bands", q8_step_dwconv2d_bands},
                {"sotto_dense", q8_step_dense},
                {"sotto_globalpool", q8_step_globalpool},
                {"sotto_add", q8_step_add},
                {"sotto_add_broadcast", q8_step_add_broadcast}};
    *s = (q8_step){.layer = l, .isa = isa, .run = run_plain, .work = l->scratch};
    for (size_t i = 0; isa && i < BASE_COUNT(fast); i++)
        if (strcmp(l->kernel->name, fast[i].kernel) == 0) return fast[i].make(s, arena, err);
    return BASE_OK;
}

/* ---- plans ---- */

/* With isa in the form with int8 weights, which is the fast one. */
static base_status make_step(const nn_q8_layer *l, const q8_isa *isa, base_arena *arena, q8_step *s,
                             base_err *err)
{
    nn_q8_layer *plain = base_arena_alloc(arena, 1, sizeof *plain);
    if (!plain) return base_nomem(err, sizeof *plain);
    BASE_TRY(q8_unpack(l, arena, plain, err));
    return q8_step_make(isa ? plain : l, isa, arena, s, err);
}

static base_status make(q8_host *h, const q8_model *m, const q8_isa *isa, base_err *err)
{
    h->model = m;
    h->arena = base_arena_new();
    if (!h->arena) return base_nomem(err, 1);
    h->steps = base_arena_alloc(h->arena, (size_t)m->n_layers, sizeof *h->steps);
    if (!h->steps) return base_nomem(err, (size_t)m->n_layers * sizeof *h->steps);
    for (int k = 0; k < m->n_layers; k++) {
        BASE_TRY(make_step(&m->layers[k].l, isa, h->arena, &h->steps[k], err));
        if (h->steps[k].work > h->work) h->work = h->steps[k].work;
    }
    return BASE_OK;
}

base_status q8_host_new(const q8_model *m, q8_level level, q8_host **plan, base_err *err)
{
    *plan = NULL;
    if (!q8_level_here(level))
        return base_fail(err, BASE_USAGE, "this processor does not have %s", q8_level_name(level));
    q8_host *h = calloc(1, sizeof *h);
    if (!h) return base_nomem(err, sizeof *h);
    const q8_isa *isa = level == Q8_AVX2 ? q8_isa_avx2() : level == Q8_VNNI ? q8_isa_vnni() : NULL;
    const base_status status = make(h, m, isa, err);
    if (status == BASE_OK)
        *plan = h;
    else
        q8_host_free(h);
    return status;
}

void q8_host_free(q8_host *plan)
{
    if (!plan) return;
    base_arena_free(plan->arena);
    free(plan);
}

int q8_host_fast_layers(const q8_host *plan)
{
    int n = 0;
    for (int k = 0; k < plan->model->n_layers; k++)
        if (plan->steps[k].run != run_plain) n++;
    return n;
}

/* The model's values, then what a step works with, on a boundary of 64 bytes of memory. */
size_t q8_host_work(const q8_host *plan)
{
    return plan->model->work + plan->work + 64;
}

void q8_host_layer(const q8_host *plan, int k, const int8_t *const *x, int8_t *y, int8_t *work)
{
    int8_t *own = work + plan->model->work;
    own += -(uintptr_t)own % 64;
    plan->steps[k].run(&plan->steps[k], x, y, own);
}

void q8_host_run(const q8_host *plan, const int8_t *in, int8_t *out, int8_t *work)
{
    const q8_model *m = plan->model;
    for (int k = 0; k < m->n_layers; k++) {
        const int8_t *x[NN_MAX_IN] = {0};
        for (int j = 0; j < m->layers[k].n_in; j++) {
            const int v = m->layers[k].in[j];
            x[j] = v == 0 ? in : work + m->values[v].offset;
        }
        q8_host_layer(plan, k, x, k + 1 == m->n_layers ? out : work + m->values[k + 1].offset,
                      work);
    }
}
