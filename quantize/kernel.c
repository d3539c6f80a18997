/* kernel: the runtime kernels as data: by name, and the fields of their structs. */
#include "quantize/internal.h"
#include "quantize/runtime/clamp.h"
#include "quantize/runtime/int4.h"

#include <string.h>

static void run_clamp(const void *p, const int8_t *const *x, int8_t *y)
{
    sotto_clamp(p, x[0], y);
}

static const nn_q8_field clamp_fields[] = {
    NN_Q8_INT_OF(sotto_clamp_t, n),
    NN_Q8_INT_OF(sotto_clamp_t, lo),
    NN_Q8_INT_OF(sotto_clamp_t, hi),
};

const nn_q8_kernel q8_clamp_kernel = {
    .name = "sotto_clamp",
    .header = "clamp.h",
    .n_in = 1,
    .size = sizeof(sotto_clamp_t),
    .fields = clamp_fields,
    .n_fields = BASE_COUNT(clamp_fields),
    .run = run_clamp,
    .in_place = true,
};

int32_t *q8_field_int(const nn_q8_layer *l, const nn_q8_field *f)
{
    return (int32_t *)(void *)((char *)l->p + f->offset);
}

const void **q8_field_array(const nn_q8_layer *l, const nn_q8_field *f)
{
    return (const void **)(void *)((char *)l->p + f->offset);
}

static const nn_q8_field *field_of(const nn_q8_layer *l, const char *name)
{
    for (int f = 0; f < l->kernel->n_fields; f++)
        if (strcmp(l->kernel->fields[f].name, name) == 0) return &l->kernel->fields[f];
    return NULL;
}

const void *q8_layer_array(const nn_q8_layer *l, const char *name)
{
    const nn_q8_field *f = field_of(l, name);
    return f ? *q8_field_array(l, f) : NULL;
}

int32_t q8_layer_int(const nn_q8_layer *l, const char *name)
{
    return *q8_field_int(l, field_of(l, name));
}

q8_array q8_field_stored(const nn_q8_layer *l, const nn_q8_field *f, int array)
{
    return (q8_array){*q8_field_array(l, f), nn_q8_stored(f->type, l->count[array]),
                      f->type != NN_Q8_I32S};
}

base_status q8_unpack(const nn_q8_layer *l, base_arena *arena, nn_q8_layer *plain, base_err *err)
{
    *plain = *l;
    if (!l->kernel->unpacked) return BASE_OK;
    plain->kernel = l->kernel->unpacked;
    plain->p = base_arena_alloc(arena, 1, l->kernel->size);
    if (!plain->p) return base_nomem(err, l->kernel->size);
    memcpy(plain->p, l->p, l->kernel->size);
    for (int f = 0, array = 0; f < l->kernel->n_fields; f++) {
        const nn_q8_field *field = &l->kernel->fields[f];
        if (field->type == NN_Q8_INT) continue;
        const size_t n = l->count[array++];
        if (field->type != NN_Q8_I4S) continue;
        int8_t *w = base_arena_alloc(arena, n, 1);
        if (!w) return base_nomem(err, n);
        sotto_int4_unpack(*q8_field_array(l, field), 0, (int32_t)n, w);
        *q8_field_array(plain, field) = w;
    }
    return BASE_OK;
}

base_status q8_unpack_all(const q8_model *m, base_arena *arena, nn_q8_layer **plain, base_err *err)
{
    *plain = base_arena_alloc(arena, (size_t)m->n_layers, sizeof **plain);
    if (!*plain) return base_nomem(err, (size_t)m->n_layers);
    for (int i = 0; i < m->n_layers; i++)
        BASE_TRY(q8_unpack(&m->layers[i].l, arena, *plain + i, err));
    return BASE_OK;
}

void q8_layer_run(const nn_q8_layer *l, const int8_t *const *x, int8_t *y, void *scratch)
{
    if (l->kernel->run_in)
        l->kernel->run_in(l->p, x, y, scratch);
    else
        l->kernel->run(l->p, x, y);
}

void q8_table_bytes(const q8_model *m, size_t *weights, size_t *tables)
{
    *weights = *tables = 0;
    for (int i = 0; i < m->n_layers; i++) {
        const nn_q8_layer *l = &m->layers[i].l;
        for (int f = 0, array = 0; f < l->kernel->n_fields; f++) {
            const nn_q8_field *field = &l->kernel->fields[f];
            if (field->type == NN_Q8_INT) continue;
            const q8_array a = q8_field_stored(l, field, array++);
            *(a.bytes ? weights : tables) += a.bytes ? a.n : 4 * a.n;
        }
    }
}
