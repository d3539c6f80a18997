/* emit_test: the self-test of exported C: a checksum of all tables, and golden inputs with what the
 * host gives for them.
 */
#include "quantize/emit.h"
#include "quantize/runtime/checksum.h"

#include <string.h>

static uint32_t table_sum(const q8_model *m)
{
    uint32_t sum = SOTTO_CHECKSUM_START;
    for (int k = 0; k < m->n_layers; k++) {
        const nn_q8_layer *l = &m->layers[k].l;
        for (int f = 0, array = 0; f < l->kernel->n_fields; f++) {
            const nn_q8_field *field = &l->kernel->fields[f];
            if (field->type == NN_Q8_INT) continue;
            const q8_array a = q8_field_stored(l, field, array++);
            sum = a.bytes ? sotto_checksum_i8(sum, a.v, (int32_t)a.n)
                          : sotto_checksum_i32(sum, a.v, (int32_t)a.n);
        }
    }
    return sum;
}

static void put_table_sum(emitter *e)
{
    const q8_model *m = e->m;
    base_str_add(e->out,
                 "static inline uint32_t %s_checksum(void)\n{\n"
                 "    uint32_t sum = SOTTO_CHECKSUM_START;\n",
                 e->prefix);
    for (int k = 0; k < m->n_layers; k++) {
        const nn_q8_layer *l = &m->layers[k].l;
        for (int f = 0, array = 0; f < l->kernel->n_fields; f++) {
            const nn_q8_field *field = &l->kernel->fields[f];
            char name[EMIT_NAME];
            if (field->type == NN_Q8_INT) continue;
            const q8_array a = q8_field_stored(l, field, array++);
            if (a.n == 0) continue;
            base_str_add(e->out, "    sum = sotto_checksum_i%s(sum, %s, %zu);\n",
                         a.bytes ? "8" : "32", emit_array_name(e, k, field, name), a.n);
        }
    }
    base_str_add(e->out, "    return sum;\n}\n\n");
}

base_status emit_selftest(emitter *e, base_err *err)
{
    const q8_model *m = e->m;
    int8_t *y;
    BASE_TRY(q8_golden_outputs(m, &y, err));
    base_str_add(e->out, "static const int8_t %s_golden_in[][%s_INPUT_SIZE] = {\n", e->prefix,
                 e->upper);
    for (size_t i = 0; i < m->n_golden; i++) {
        base_str_add(e->out, "    {\n");
        emit_numbers(e->out, m->golden + i * q8_input_size(m), true, q8_input_size(m));
        base_str_add(e->out, "    },\n");
    }
    base_str_add(e->out, "};\nstatic const int8_t %s_golden_out[][%s_OUTPUT_SIZE] = {\n", e->prefix,
                 e->upper);
    for (size_t i = 0; i < m->n_golden; i++) {
        base_str_add(e->out, "    {\n");
        emit_numbers(e->out, y + i * q8_output_size(m), true, q8_output_size(m));
        base_str_add(e->out, "    },\n");
    }
    base_free(y);
    base_str_add(e->out, "};\n\n");
    put_table_sum(e);
    base_str_add(
        e->out,
        "/* 0 when all is well, -1 when a table is not what was exported, else the number\n"
        " * (from 1) of the golden input that gives another result than on the host. */\n"
        "static inline int %s_selftest(void)\n{\n"
        "    int8_t out[%s_OUTPUT_SIZE];\n"
        "    if (%s_checksum() != UINT32_C(%lu)) return -1;\n"
        "    for (int i = 0; i < %zu; i++) {\n"
        "        %s_run(%s_golden_in[i], out);\n"
        "        if (memcmp(out, %s_golden_out[i], sizeof out) != 0) return i + 1;\n"
        "    }\n"
        "    return 0;\n}\n\n#endif\n",
        e->prefix, e->upper, e->prefix, (unsigned long)table_sum(m), m->n_golden, e->prefix,
        e->prefix, e->prefix);
    return BASE_OK;
}
