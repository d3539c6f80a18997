/* frontend_tables PRESET CLIP...: on stdout what bench/device/frontend.c includes: the integer
 * front-end of a preset as C, clips of its length, and the checksum of what the host makes of them.
 */
#include "quantize/frontend.h"
#include "quantize/runtime/checksum.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static base_status clip_of(const dsp_config *cfg, const char *path, int16_t *pcm, base_err *err)
{
    dsp_audio audio;
    BASE_TRY(dsp_audio_read(path, cfg->rate, 60, &audio, err));
    const size_t n = (size_t)cfg->samples;
    memset(pcm, 0, n * sizeof *pcm);
    dsp_to_pcm16(pcm, audio.pcm, audio.n < n ? audio.n : n);
    dsp_audio_free(&audio);
    return BASE_OK;
}

static size_t table_bytes(const dsp_fixed *f)
{
    static const size_t size[] = {0, 1, 2, 2, 4};
    size_t n, sum = 0;
    const dsp_fixed_field *fields = dsp_fixed_fields(f, &n);
    for (size_t i = 0; i < n; i++) sum += fields[i].count * size[fields[i].type];
    return sum;
}

static base_status put(const dsp_config *cfg, char **clips, int n, base_err *err)
{
    dsp_fixed *f = NULL;
    base_str text = {0};
    uint32_t sum = SOTTO_CHECKSUM_START;
    BASE_TRY(dsp_fixed_new(cfg, &f, err));
    const sotto_frontend_t *fe = dsp_fixed_frontend(f);
    const int32_t size = fe->frames * fe->bins;
    int16_t *pcm = base_alloc((size_t)cfg->samples, sizeof *pcm);
    int8_t *window = base_alloc((size_t)size, 1);
    base_status status =
        pcm && window ? dsp_fixed_input(f, NULL, NULL, 0.5, 0, err) : base_nomem(err, (size_t)size);
    q8_put_frontend(cfg, f, "kws", &text);
    printf("%s#define TABLE_BYTES %zu\nstatic const int16_t clips[][%d] = {\n",
           text.failed ? "" : text.s, table_bytes(f), cfg->samples);
    for (int i = 0; i < n && status == BASE_OK; i++) {
        status = clip_of(cfg, clips[i], pcm, err);
        printf("{");
        for (int k = 0; k < cfg->samples; k++) printf("%d,%s", pcm[k], k % 16 == 15 ? "\n" : "");
        printf("},\n");
        dsp_fixed_run(f, pcm, window);
        sum = sotto_checksum_i8(sum, window, size);
    }
    printf("};\n#define WANTED UINT32_C(%lu)\n", (unsigned long)sum);
    base_str_free(&text);
    base_free(pcm);
    base_free(window);
    dsp_fixed_free(f);
    return status;
}

int main(int argc, char **argv)
{
    base_err err = {0};
    dsp_config cfg;
    if (argc < 3) {
        fprintf(stderr, "usage: frontend_tables PRESET CLIP...\n");
        return 2;
    }
    base_status status = dsp_preset(argv[1], &cfg, &err);
    if (status == BASE_OK) status = put(&cfg, argv + 2, argc - 2, &err);
    if (status != BASE_OK) fprintf(stderr, "frontend_tables: %s\n", err.message);
    return status == BASE_OK ? 0 : 1;
}
