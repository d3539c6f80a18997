/* report_errors: the clips that a model gets wrong and is surest about, to hear and to see. */
#include "data/page.h"
#include "data/viewer.h"
#include "quantize/report.h"

#include <stdlib.h>

/* A clip that was taken for something else. */
typedef struct miss {
    size_t at; /* in the evaluation of the split */
    float loss;
} miss;

static int by_loss(const void *a, const void *b)
{
    const miss *x = a, *y = b;
    if (x->loss != y->loss) return x->loss > y->loss ? -1 : 1;
    return x->at < y->at ? -1 : 1;
}

static base_status put_miss(const report *r, data_viewer *v, const data_sample *list, const miss *e,
                            base_str *out, base_err *err)
{
    const report_model *m = &r->models[0];
    const data_sample *sample = &list[e->at];
    const char *name = "made from noise";
    if (sample->clip >= 0) name = data_pack_clip(r->pack, (size_t)sample->clip).name;
    BASE_TRY(data_task_pcm(m->task, r->split, e->at, sample, v->samples, v->pcm, err));
    data_viewer_look(v);
    base_str_add(out, "<figure>");
    page_picture(out, name, v->picture, v->bins, v->frames);
    base_str_add(out, "<figcaption><b>");
    page_text(out, m->model->labels[sample->label]);
    base_str_add(out, "</b> heard as <b>");
    page_text(out, m->model->labels[m->outcomes[e->at].said]);
    base_str_add(out, "</b>, loss %.2f<br><span class=\"dim\">", (double)e->loss);
    page_text(out, name);
    base_str_add(out, "</span></figcaption>");
    page_sound(out, v->pcm, v->samples, DATA_RATE);
    base_str_add(out, "</figure>\n");
    return BASE_OK;
}

static base_status put_misses(const report *r, const data_sample *list, const miss *misses,
                              size_t n, base_str *out, base_err *err)
{
    data_viewer v;
    dsp_config cfg;
    BASE_TRY(quant_features(r->models[0].model, &cfg, err));
    base_status status = data_viewer_open(&v, cfg.samples, err);
    page_figures(out);
    for (size_t i = 0; i < n && status == BASE_OK; i++)
        status = put_miss(r, &v, list, &misses[i], out, err);
    page_figures_end(out);
    data_viewer_close(&v);
    return status;
}

base_status report_errors(const report *r, base_str *out, base_err *err)
{
    const report_model *m = &r->models[0];
    const size_t n = (size_t)m->score.n;
    size_t wrong = 0;
    data_sample *list = base_alloc(n, sizeof *list);
    miss *misses = base_alloc(n, sizeof *misses);
    base_status status = list && misses ? BASE_OK : base_nomem(err, n * sizeof *misses);
    if (status == BASE_OK) {
        data_task_evaluation(m->task, r->split, list);
        for (size_t i = 0; i < n; i++)
            if (m->outcomes[i].said != list[i].label)
                misses[wrong++] = (miss){i, m->outcomes[i].loss};
        qsort(misses, wrong, sizeof *misses, by_loss);
        const size_t shown = wrong < r->errors ? wrong : r->errors;
        if (shown > 0) {
            page_section(out, "errors", "Worst errors");
            page_paragraph(out, "%zu of %zu clips that were heard wrongly, by loss (cross-entropy)",
                           shown, wrong);
            status = put_misses(r, list, misses, shown, out, err);
        }
    }
    base_free(list);
    base_free(misses);
    return status;
}
