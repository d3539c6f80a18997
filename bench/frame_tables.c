/* frame_tables "PRESET [key=value ...]": the integer front-end of features as C, for
 * bench/device/frame.c. */
#include "bench/features.h"
#include "quantize/frontend.h"

#include <stdio.h>

static base_status put(const char *features, base_err *err)
{
    dsp_config cfg;
    dsp_fixed *f = NULL;
    base_str text = {0};
    BASE_TRY(bench_features(features, &cfg, err));
    BASE_TRY(dsp_fixed_new(&cfg, &f, err));
    base_status status = dsp_fixed_input(f, NULL, NULL, 0.5, 0, err);
    if (status == BASE_OK) q8_put_frontend(&cfg, f, "kws", &text);
    if (status == BASE_OK && text.failed) status = base_nomem(err, text.len);
    if (status == BASE_OK) fputs(text.s, stdout);
    base_str_free(&text);
    dsp_fixed_free(f);
    return status;
}

int main(int argc, char **argv)
{
    base_err err = {0};
    if (argc != 2) {
        fputs("usage: frame_tables \"PRESET [key=value ...]\"\n", stderr);
        return 2;
    }
    if (put(argv[1], &err) == BASE_OK) return 0;
    fprintf(stderr, "frame_tables: %s\n", err.message);
    return 1;
}
