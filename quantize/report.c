/* report: what a model is, on which data, and what it takes for what. */
#include "quantize/report.h"

#include "data/pack_hash.h"
#include "data/page.h"
#include "data/paired.h"

#include <math.h>
#include <string.h>

enum { MOST_CLASSES = 40 }; /* in a confusion matrix */

const char *report_kind(const report_model *m)
{
    return m->work.int8 ? "int8" : "float";
}

void report_summary(const report *r, base_str *out)
{
    const report_model *m = &r->models[0];
    page_paragraph(out,
                   "The %s model: %.2f %% of %lld %s clips are right (95 %% interval "
                   "%.2f .. %.2f %%, Wilson); macro F1 %.2f %%.",
                   report_kind(m), 100 * m->score.accuracy, (long long)m->score.n,
                   data_split_name(r->split), 100 * m->score.lo, 100 * m->score.hi,
                   100 * m->score.macro_f1);
    if (r->deploy != m)
        page_paragraph(out, "In int8 %.2f %% (%.2f .. %.2f %%).", 100 * r->deploy->score.accuracy,
                       100 * r->deploy->score.lo, 100 * r->deploy->score.hi);
    if (r->n_boards > 0) {
        const quant_estimate *e = &r->boards[0].estimate;
        page_paragraph(out, "On %s: %.1f KiB of flash, %.1f KiB of RAM, %.3g ms an inference, %s.",
                       r->boards[0].target.name, quant_whole(e->whole_flash, e->flash) / 1024,
                       quant_whole(e->whole_ram, e->ram) / 1024, e->latency.value,
                       e->fits ? "as estimated" : "which it does not hold");
    }
}

/* ---- data ---- */

static void put_counts(const data_task *task, base_str *out)
{
    static const char *const heads[] = {"class", "#training", "#validation", "#test"};
    int n;
    const char *const *classes = data_task_classes(task, &n);
    page_table(out, "data-counts", heads, BASE_COUNT(heads));
    for (int k = 0; k <= n; k++) {
        page_row(out);
        page_cell(out, k < n ? classes[k] : "all");
        for (int split = 0; split < DATA_SPLITS; split++)
            page_number(out, (double)data_task_count(task, (data_split)split, k < n ? k : -1), 0);
    }
    page_table_end(out);
}

/* The model's classes with the shares that its run trained with. */
static base_status task_of_run(const report *r, data_task **task, base_err *err)
{
    static const char *const keys[] = {"unknown_share", "silence_share"};
    const report_model *m = &r->models[0];
    data_config cfg = data_config_default();
    char value[64];
    for (size_t i = 0; i < BASE_COUNT(keys); i++)
        if (report_run_key(&m->run, "data", keys[i], value))
            BASE_TRY(data_config_set(&cfg, keys[i], value, err));
    return data_task_of_labels(r->pack, (const char *const *)m->model->labels,
                               (int)m->model->n_labels, &cfg, task, err);
}

base_status report_data(const report *r, base_str *out, base_err *err)
{
    char hash[65];
    size_t words, speakers;
    data_task *task = NULL;
    BASE_TRY(task_of_run(r, &task, err));
    data_pack_hash(r->pack, hash);
    data_pack_words(r->pack, &words);
    data_pack_speakers(r->pack, &speakers);
    page_section(out, "data", "Data");
    page_paragraph(out, "%s: %zu clips of %zu words by %zu speakers, %zu recordings of noise.",
                   data_pack_path(r->pack), data_pack_clips(r->pack), words, speakers,
                   data_pack_noises(r->pack));
    page_paragraph(out, "SHA-256 of its clips and splits: %s", hash);
    page_paragraph(out, "What the model's classes take of it%s:",
                   r->models[0].run.config ? " with the shares of the run" : "");
    put_counts(task, out);
    data_task_free(task);
    return BASE_OK;
}

/* ---- classes ---- */

static void put_confusion(const report_model *m, base_str *out)
{
    const size_t n = m->model->n_labels;
    const char *heads[MOST_CLASSES + 1] = {"said"};
    base_str name[MOST_CLASSES] = {{0}};
    for (size_t k = 0; k < n; k++) {
        base_str_add(&name[k], "#%s", m->model->labels[k]);
        out->failed = out->failed || name[k].failed;
        heads[k + 1] = name[k].failed ? "" : name[k].s;
    }
    page_paragraph(out, "Rows are what was said, columns what was heard.");
    page_table(out, "confusion", heads, n + 1);
    for (size_t i = 0; i < n; i++) {
        const data_class_score s = data_score_class(m->confusion, (int)n, (int)i);
        page_row(out);
        page_cell(out, m->model->labels[i]);
        for (size_t k = 0; k < n; k++) {
            const int64_t count = m->confusion[i * n + k];
            page_shade(out, count, s.n > 0 ? (double)count / (double)s.n : 0, i == k);
        }
    }
    page_table_end(out);
    for (size_t k = 0; k < n; k++) base_str_free(&name[k]);
}

void report_classes(const report *r, base_str *out)
{
    static const char *const heads[] = {"class", "#clips", "#precision", "#recall", "#F1"};
    const report_model *m = &r->models[0];
    const size_t n = m->model->n_labels;
    page_section(out, "classes", "Classes");
    if (n <= MOST_CLASSES)
        put_confusion(m, out);
    else
        page_paragraph(out,
                       "%zu classes are too many for a confusion matrix here: sotto eval "
                       "--format json has it.",
                       n);
    page_table(out, "per-class", heads, BASE_COUNT(heads));
    for (size_t k = 0; k < n; k++) {
        const data_class_score s = data_score_class(m->confusion, (int)n, (int)k);
        page_row(out);
        page_cell(out, m->model->labels[k]);
        page_number(out, (double)s.n, 0);
        page_percent(out, s.precision, 1);
        page_percent(out, s.recall, 1);
        page_percent(out, s.f1, 1);
    }
    page_table_end(out);
}

/* ---- int8 ---- */

static void put_accuracy(base_str *out, const char *what, data_score s)
{
    page_row(out);
    page_cell(out, what);
    page_number(out, (double)s.correct, 0);
    page_number(out, (double)s.n, 0);
    page_percent(out, s.accuracy, 2);
    page_percent(out, s.lo, 2);
    page_percent(out, s.hi, 2);
}

void report_int8(const report *r, base_str *out)
{
    static const char *const heads[] = {"", "#right", "#of", "#accuracy", "#from", "#to"};
    const report_model *m = &r->models[0], *d = r->deploy;
    if (!d->work.int8) return;
    page_section(out, "int8", d == m ? "Int8" : "Int8 against float");
    page_table(out, "int8-accuracy", heads, BASE_COUNT(heads));
    if (d != m) put_accuracy(out, report_kind(m), m->score);
    put_accuracy(out, "int8", d->score);
    if (d->fixed)
        put_accuracy(out, "int8, features in integers",
                     data_score_all(d->fixed, (int)d->model->n_labels));
    page_table_end(out);
    if (d == m || d->score.n != m->score.n) return;
    const data_difference t = data_paired_test(d->right, m->right, (size_t)m->score.n);
    page_paragraph(out,
                   "Clips that only %s gets right: %lld; only int8: %lld (McNemar, p = %.4f: %s).",
                   report_kind(m), (long long)t.only_b, (long long)t.only_a, t.p,
                   t.p < DATA_PAIRED_LEVEL ? "more than luck" : "may be luck");
}

base_status report_page(const report *r, base_str *out, base_err *err)
{
    page_begin(out, r->models[0].path);
    report_summary(r, out);
    report_problem(r, out);
    BASE_TRY(report_data(r, out, err));
    report_curves(r, out);
    report_classes(r, out);
    BASE_TRY(report_errors(r, out, err));
    report_int8(r, out);
    report_layers(r, out);
    report_boards(r, out);
    BASE_TRY(report_compare(r, out, err));
    report_config(r, out);
    page_end(out);
    return out->failed ? base_nomem(err, out->len) : BASE_OK;
}
