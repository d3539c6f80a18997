/* emit_frontend: the tables and the struct of a model's integer front-end as C. */
#include "quantize/evaluate.h"
#include "quantize/frontend.h"

#include <ctype.h>
#include <string.h>

/* Name behind the prefix: "bands.fft.order" as kws_frontend_bands_fft_order. */
static void put_name(base_str *out, const char *prefix, const char *field)
{
    base_str_add(out, "%s_frontend_", prefix);
    for (; *field; field++) base_str_add(out, "%c", *field == '.' ? '_' : *field);
}

static long number_at(const dsp_fixed_field *f, size_t i)
{
    switch (f->type) {
    case DSP_FIXED_U8: return ((const uint8_t *)f->data)[i];
    case DSP_FIXED_U16: return ((const uint16_t *)f->data)[i];
    case DSP_FIXED_I16: return ((const int16_t *)f->data)[i];
    case DSP_FIXED_INT:
    case DSP_FIXED_I32: return ((const int32_t *)f->data)[i];
    }
    return 0;
}

static void put_array(base_str *out, const char *prefix, const dsp_fixed_field *f)
{
    static const char *const types[] = {"int32_t", "uint8_t", "uint16_t", "int16_t", "int32_t"};
    base_str_add(out, "static const %s ", types[f->type]);
    put_name(out, prefix, f->name);
    base_str_add(out, "[] = {\n    ");
    int column = 4;
    for (size_t i = 0; i < f->count; i++) {
        char text[24];
        const int length = snprintf(text, sizeof text, "%ld,", number_at(f, i));
        if (column + length > 100) {
            base_str_add(out, "\n    ");
            column = 4;
        }
        base_str_add(out, "%s", text);
        column += length;
    }
    base_str_add(out, "\n};\n");
}

static void put_struct(base_str *out, const char *prefix, const dsp_fixed_field *fields, size_t n)
{
    base_str_add(out, "static const sotto_frontend_t %s_frontend = {\n", prefix);
    for (size_t i = 0; i < n; i++) {
        if (fields[i].count == 0) continue;
        base_str_add(out, "    .%s = ", fields[i].name);
        if (fields[i].type == DSP_FIXED_INT)
            base_str_add(out, "%ld", number_at(&fields[i], 0));
        else
            put_name(out, prefix, fields[i].name);
        base_str_add(out, ",\n");
    }
    base_str_add(out, "};\n\n");
}

static void put_macros(base_str *out, const char *prefix, const dsp_config *cfg,
                       const sotto_frontend_t *fe)
{
    const struct {
        const char *name;
        long value;
    } macros[] = {
        {"RATE", cfg->rate},
        {"FRAME_HOP", fe->hop},
        {"FRAMES", fe->frames},
        {"BINS", fe->bins},
        {"CLIP_SAMPLES", cfg->samples},
        {"FRONTEND_MEMORY", sotto_frontend_memory(fe)},
        {"FRONTEND_SCRATCH", sotto_frontend_scratch(fe)},
    };
    base_str_add(out, "/* samples a second and a hop, the window of features, samples of a clip;\n"
                      " * int32_t in the memory and in the scratch of the front-end */\n");
    for (size_t i = 0; i < BASE_COUNT(macros); i++) {
        base_str_add(out, "#define ");
        for (const char *c = prefix; *c; c++) base_str_add(out, "%c", toupper((unsigned char)*c));
        base_str_add(out, "_%s %ld\n", macros[i].name, macros[i].value);
    }
    base_str_add(out, "\n");
}

base_status q8_frontend_new(const q8_model *m, dsp_fixed **f, base_err *err)
{
    dsp_config cfg;
    const nn_quant in = m->values[0].quant;
    BASE_TRY(quant_features(&m->folded, &cfg, err));
    const bool normalize = cfg.normalize == DSP_NORMALIZE_FEATURE;
    BASE_TRY(dsp_fixed_new(&cfg, f, err));
    const base_status status =
        dsp_fixed_input(*f, normalize ? m->folded.mean : NULL, normalize ? m->folded.std : NULL,
                        (double)in.scale, in.zero, err);
    if (status == BASE_OK) return BASE_OK;
    dsp_fixed_free(*f);
    *f = NULL;
    return status;
}

void q8_put_frontend(const dsp_config *cfg, const dsp_fixed *f, const char *prefix, base_str *out)
{
    size_t n;
    const dsp_fixed_field *fields = dsp_fixed_fields(f, &n);
    put_macros(out, prefix, cfg, dsp_fixed_frontend(f));
    for (size_t i = 0; i < n; i++)
        if (fields[i].type != DSP_FIXED_INT && fields[i].count > 0)
            put_array(out, prefix, &fields[i]);
    put_struct(out, prefix, fields, n);
}

base_status q8_emit_frontend(const q8_model *m, const char *prefix, base_str *out, base_err *err)
{
    dsp_config cfg;
    dsp_fixed *f = NULL;
    BASE_TRY(quant_features(&m->folded, &cfg, err));
    BASE_TRY(q8_frontend_new(m, &f, err));
    q8_put_frontend(&cfg, f, prefix, out);
    dsp_fixed_free(f);
    return out->failed ? base_nomem(err, out->len) : BASE_OK;
}
