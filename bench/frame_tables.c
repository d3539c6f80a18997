/* frame_tables PRESET: the tables of the integer front-end as a C header, for bench/device/frame.c.
 */
#include "dsp/fixed.h"

#include <stdio.h>

static long value_at(const dsp_fixed_field *f, size_t i)
{
    switch (f->type) {
    case DSP_FIXED_U8: return ((const uint8_t *)f->data)[i];
    case DSP_FIXED_U16: return ((const uint16_t *)f->data)[i];
    case DSP_FIXED_I16: return ((const int16_t *)f->data)[i];
    default: return ((const int32_t *)f->data)[i];
    }
}

static void print_array(const dsp_fixed_field *f, size_t number)
{
    static const char *const names[] = {
        [DSP_FIXED_U8] = "uint8_t",
        [DSP_FIXED_U16] = "uint16_t",
        [DSP_FIXED_I16] = "int16_t",
        [DSP_FIXED_I32] = "int32_t",
    };
    printf("static const %s table%zu[] = {", names[f->type], number);
    for (size_t i = 0; i < f->count; i++) printf("%ld,", value_at(f, i));
    puts("};");
}

static base_status print_header(const char *preset, base_err *err)
{
    dsp_config cfg;
    BASE_TRY(dsp_preset(preset, &cfg, err));
    dsp_fixed *fixed;
    BASE_TRY(dsp_fixed_new(&cfg, &fixed, err));
    const base_status st = dsp_fixed_input(fixed, NULL, NULL, 0.1, 0, err);
    if (st == BASE_OK) {
        size_t n;
        const dsp_fixed_field *f = dsp_fixed_fields(fixed, &n);
        puts("#include \"quantize/runtime/frontend.h\"");
        for (size_t i = 0; i < n; i++)
            if (f[i].type != DSP_FIXED_INT && f[i].count > 0) print_array(&f[i], i);
        puts("static const sotto_frontend_t frontend = {");
        for (size_t i = 0; i < n; i++)
            if (f[i].type == DSP_FIXED_INT)
                printf("    .%s = %ld,\n", f[i].name, value_at(&f[i], 0));
            else if (f[i].count > 0)
                printf("    .%s = table%zu,\n", f[i].name, i);
        puts("};");
        const sotto_frontend_t *fe = dsp_fixed_frontend(fixed);
        printf("enum { FRAME_HOP = %ld, FRAME_MEMORY = %ld, FRAME_SCRATCH = %ld, FRAME_BINS = %ld "
               "};\n",
               (long)fe->hop, (long)sotto_frontend_memory(fe), (long)sotto_frontend_scratch(fe),
               (long)fe->bins);
    }
    dsp_fixed_free(fixed);
    return st;
}

int main(int argc, char **argv)
{
    base_err err;
    if (argc != 2) {
        fputs("usage: frame_tables PRESET\n", stderr);
        return 2;
    }
    if (print_header(argv[1], &err) == BASE_OK) return 0;
    fprintf(stderr, "frame_tables: %s\n", err.message);
    return 1;
}
