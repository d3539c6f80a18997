/* See data/viewer.h. */
#include "data/viewer.h"

base_status data_viewer_open(data_viewer *v, int samples, base_err *err)
{
    dsp_config cfg;
    *v = (data_viewer){.samples = (size_t)samples};
    BASE_TRY(dsp_preset("logmel_40x101", &cfg, err));
    cfg.samples = samples;
    cfg.normalize = DSP_NORMALIZE_NONE;
    BASE_TRY(dsp_config_check(&cfg, err));
    BASE_TRY(dsp_frontend_new(&cfg, NULL, NULL, &v->fe, err));
    dsp_config_shape(&cfg, &v->frames, &v->bins);
    const size_t cells = (size_t)v->frames * (size_t)v->bins;
    v->pcm = base_alloc(v->samples, sizeof *v->pcm);
    v->clip = base_alloc(v->samples, sizeof *v->clip);
    v->features = base_alloc(cells, sizeof *v->features);
    v->picture = base_alloc(cells, sizeof *v->picture);
    if (v->pcm && v->clip && v->features && v->picture) return BASE_OK;
    return base_nomem(err, cells * sizeof *v->features);
}

void data_viewer_close(data_viewer *v)
{
    dsp_frontend_free(v->fe);
    base_free(v->pcm);
    base_free(v->clip);
    base_free(v->features);
    base_free(v->picture);
    *v = (data_viewer){0};
}

void data_viewer_look(data_viewer *v)
{
    dsp_from_pcm16(v->clip, v->pcm, v->samples);
    dsp_frontend_run(v->fe, v->clip, v->features);
    for (int t = 0; t < v->frames; t++)
        for (int b = 0; b < v->bins; b++)
            v->picture[b * v->frames + t] = v->features[t * v->bins + b];
}
