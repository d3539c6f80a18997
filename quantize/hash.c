/* hash: what an int8 model is, in 64 digits. */
#include "quantize/internal.h"

#include <nettle/sha2.h>
#include <string.h>

static void add_int(struct sha256_ctx *sha, int64_t v)
{
    uint8_t bytes[8]; /* low byte first on every machine */
    for (int i = 0; i < 8; i++) bytes[i] = (uint8_t)((uint64_t)v >> (8 * i));
    sha256_update(sha, sizeof bytes, bytes);
}

static void add_layer(struct sha256_ctx *sha, const nn_q8_layer *l)
{
    for (int f = 0, array = 0; f < l->kernel->n_fields; f++) {
        const nn_q8_field *field = &l->kernel->fields[f];
        if (field->type == NN_Q8_INT) {
            add_int(sha, *q8_field_int(l, field));
            continue;
        }
        const q8_array a = q8_field_stored(l, field, array++);
        for (size_t i = 0; i < a.n; i++)
            add_int(sha, a.bytes ? ((const int8_t *)a.v)[i] : ((const int32_t *)a.v)[i]);
    }
}

base_status q8_hash(const q8_model *m, char hex[65], base_err *err)
{
    base_str text = {0};
    nn_print(m->folded.graph, &text);
    base_str_add(&text, "%s\n", q8_rounding_name(m->rounding));
    for (int v = 0; v <= m->n_layers; v++)
        base_str_add(&text, "%.17g %d%s\n", m->values[v].quant.scale, m->values[v].quant.zero,
                     m->values[v].wide ? " wide" : "");
    if (text.failed) {
        base_str_free(&text);
        return base_nomem(err, text.len);
    }
    struct sha256_ctx sha;
    sha256_init(&sha);
    sha256_update(&sha, text.len, (const uint8_t *)text.s);
    base_str_free(&text);
    for (int i = 0; i < m->n_layers; i++) add_layer(&sha, &m->layers[i].l);
    uint8_t digest[SHA256_DIGEST_SIZE];
    sha256_digest(&sha, sizeof digest, digest);
    base_hex(digest, sizeof digest, hex);
    return BASE_OK;
}
