/* The training loop: see train/train.h. */
#include "train/train.h"

#include "train/events.h"
#include "train/manifest.h"
#include "train/prototype.h"
#include "train/session.h"

#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char FLOAT_FILE[] = "float.h5"; /* what the float epochs before those in int8 gave */
enum { CHECKPOINT_SECONDS = 5 };             /* epochs shorter than this do not each write one */

typedef struct trainer {
    train_setup setup; /* of the session */
    session s;
    rundir run;
    const train_hooks *hooks;
    checkpoint c;
    nn_schedule schedule;
    double grad_norm; /* sum over the steps of this epoch, before clipping */
    double l2;        /* train.fit: what it has chosen; 0: nothing */
    int64_t steps;    /* batches of an epoch */
    bool float_part;  /* epochs in float that others in int8 follow */
    int64_t first;    /* epochs of the run before those of this session, */
    int64_t total;    /* and of the whole run, */
    int64_t until;    /* of which this process does so many */
    double started;   /* of this process */
    double before;    /* seconds trained by earlier ones */
    double saved_at;
    char *provenance;
} trainer;

static nn_schedule schedule_of(const train_settings *t)
{
    return (nn_schedule){.kind = (nn_schedule_kind)t->schedule,
                         .lr = t->lr,
                         .final_lr = t->final_lr,
                         .warmup = t->warmup_epochs,
                         .total = (double)t->epochs,
                         .hold = t->hold_epochs,
                         .power = t->poly_power,
                         .step_epochs = t->step_epochs,
                         .step_factor = t->step_factor,
                         .patience = t->plateau_patience,
                         .delta = t->plateau_delta,
                         .plateau = {.best = HUGE_VAL}};
}

/* ---- saving ---- */

static base_status save_checkpoint(trainer *t, base_err *err)
{
    char *path = rundir_file(&t->run, "checkpoint.h5");
    if (!path) return base_nomem(err, 1);
    t->c.seconds = t->before + base_seconds() - t->started;
    t->c.optim_steps = nn_optim_steps(t->s.optim);
    base_status status = checkpoint_save(&t->c, path, err);
    free(path);
    t->saved_at = base_seconds();
    return status;
}

static base_status load_checkpoint(trainer *t, base_err *err)
{
    char *path = rundir_file(&t->run, "checkpoint.h5");
    if (!path) return base_nomem(err, 1);
    base_status status = BASE_OK;
    bool there = base_exists(path), simulates = true;
    if (there && t->first > 0) status = checkpoint_simulates(path, &simulates, err);
    if (there && simulates && status == BASE_OK) status = checkpoint_load(&t->c, path, err);
    free(path);
    BASE_TRY(status);
    nn_optim_set_steps(t->s.optim, t->c.optim_steps);
    t->before = t->c.seconds;
    BASE_TRY(rundir_rewind(&t->run, (size_t)(t->first + t->c.epoch), err));
    return rundir_clear_end(&t->run, err);
}

static base_status save_model(const trainer *t, const char *name, base_err *err)
{
    char *path = rundir_file(&t->run, name);
    if (!path) return base_nomem(err, 1);
    base_status status = session_save(&t->s, session_weights(&t->s), path, t->provenance, err);
    free(path);
    return status;
}

/* One line of metrics.jsonl. */
static base_status record(const trainer *t, const train_epoch *e, base_err *err)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    json_t *o =
        json_pack("{sI sI sf sf sf sf sf sf}", "epoch", (json_int_t)e->epoch, "step",
                  (json_int_t)(e->epoch * t->steps), "lr", e->lr, "loss", e->loss, "accuracy",
                  e->accuracy, "seconds", e->seconds, "clips_per_s", e->clips_per_s, "time",
                  (double)now.tv_sec + 1e-3 * (double)(now.tv_nsec / 1000000));
    if (o && e->validated && isfinite(e->val_loss)) {
        json_object_set_new(o, "val_loss", json_real(e->val_loss));
        json_object_set_new(o, "val_accuracy", json_real(e->val_accuracy));
    }
    if (o && t->c.grad_norm)
        json_object_set_new(o, "grad_norm", json_real(t->grad_norm / (double)t->steps));
    if (o && t->s.setup->train.fit != FIT_NO) json_object_del(o, "lr"); /* nothing is descended */
    if (o && t->l2 > 0) json_object_set_new(o, "l2", json_real(t->l2));
    char *line = o ? json_dumps(o, JSON_COMPACT) : NULL;
    base_status status = line ? rundir_append(&t->run, line, err) : base_nomem(err, 1);
    if (status == BASE_OK) status = events_epoch(t->run.path, o, err);
    free(line);
    json_decref(o);
    return status;
}

/* confusion.json: validation clips by what the model that is kept takes them for. */
static base_status record_confusion(const trainer *t, int64_t epoch, base_err *err)
{
    const session *s = &t->s;
    json_t *labels = json_array(), *rows = json_array();
    for (int i = 0; i < s->classes; i++) {
        json_t *row = json_array();
        json_array_append_new(labels, json_string(s->labels[i]));
        for (int k = 0; k < s->classes; k++)
            json_array_append_new(row, json_integer(s->confusion[i * s->classes + k]));
        json_array_append_new(rows, row);
    }
    json_t *o = json_pack("{sI so so}", "epoch", (json_int_t)epoch, "labels", labels, "rows", rows);
    char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;
    base_status status =
        text ? rundir_write(&t->run, "confusion.json", text, err) : base_nomem(err, 1);
    free(text);
    json_decref(o);
    return status;
}

/* ---- an epoch ---- */

static void count_correct(trainer *t, const data_batch *b)
{
    const nn_real *logits = nn_net_watched(t->s.net);
    for (int i = 0; i < b->n; i++)
        t->c.correct += session_argmax(logits + (ptrdiff_t)i * t->s.classes, t->s.classes) ==
                        session_label(b, i);
    t->c.seen += b->n;
}

static double lr_now(const trainer *t)
{
    return nn_schedule_lr(&t->schedule, (double)t->c.epoch + (double)t->c.step / (double)t->steps);
}

static base_status check_finite(const trainer *t, const char *what, double v, base_err *err)
{
    if (isfinite(v)) return BASE_OK;
    base_fail(err, BASE_MISMATCH, "the %s is %g in epoch %lld, step %lld", what, v,
              (long long)(t->first + t->c.epoch) + 1, (long long)t->c.step + 1);
    return base_hint(err, "lower train.lr (now %g) or give it some train.warmup_epochs",
                     t->s.setup->train.lr);
}

/* Weights from the gradients of a step. */
static base_status update_weights(trainer *t, base_err *err)
{
    session *s = &t->s;
    const train_settings *set = &s->setup->train;
    nn_real *weights = session_trained(s), *grads = nn_net_grads(s->net);
    if (set->clip_norm > 0) {
        double norm = nn_clip_norm(s->losses, grads, set->clip_norm);
        BASE_TRY(check_finite(t, "norm of the gradients", norm, err));
        t->grad_norm += norm;
    }
    nn_optim_step(s->optim, weights, grads, lr_now(t));
    if (s->ema)
        nn_average(s->ema, weights, nn_graph_params(s->losses), set->ema,
                   nn_optim_steps(s->optim) - 1);
    return session_refresh(s, err);
}

static base_status one_step(trainer *t, base_err *err)
{
    session *s = &t->s;
    data_batch b;
    BASE_TRY(data_loader_next(s->loader, &b, err));
    session_convert(s, &b);
    uint32_t global = (uint32_t)((t->first + t->c.epoch) * t->steps + t->c.step);
    double loss = nn_net_step(s->net, (const nn_real *const[]){s->x, s->target, s->third}, b.n,
                              (uint64_t)s->setup->train.seed, global);
    BASE_TRY(check_finite(t, "loss", loss, err));
    BASE_TRY(update_weights(t, err));
    t->c.loss += loss * b.n;
    count_correct(t, &b);
    t->c.step++;
    return BASE_OK;
}

static void show_progress(const trainer *t)
{
    const train_settings *set = &t->s.setup->train;
    if (!t->hooks->step) return;
    int64_t per_epoch = t->steps * set->batch;
    const int64_t epoch = t->first + t->c.epoch;
    train_progress p = {.done = epoch * per_epoch + t->c.step * set->batch,
                        .total = t->total * per_epoch,
                        .epoch = epoch + 1,
                        .epochs = t->total,
                        .loss = t->c.loss / (double)t->c.seen,
                        .accuracy = (double)t->c.correct / (double)t->c.seen};
    t->hooks->step(t->hooks->ctx, &p);
}

static bool must_stop(const trainer *t)
{
    return t->hooks->stop && *t->hooks->stop;
}

/* Steps until the epoch's end; BASE_INTERRUPTED when asked to stop before it. */
static base_status train_steps(trainer *t, base_err *err)
{
    double began = base_seconds() - t->c.epoch_seconds;
    if (t->c.epoch > 0 && t->c.step == 0) BASE_TRY(session_move_ranges(&t->s, err));
    while (t->c.step < t->steps) {
        BASE_TRY(one_step(t, err));
        t->c.epoch_seconds = base_seconds() - began;
        show_progress(t);
        if (must_stop(t) && (t->c.step < t->steps || t->first + t->c.epoch + 1 < t->total))
            return BASE_INTERRUPTED;
    }
    return BASE_OK;
}

static base_status end_epoch(trainer *t, base_err *err)
{
    const train_settings *set = &t->s.setup->train;
    checkpoint *c = &t->c;
    const bool last = c->epoch + 1 == set->epochs;
    train_epoch e = {.epoch = t->first + c->epoch + 1,
                     .epochs = t->total,
                     .lr = lr_now(t),
                     .loss = c->loss / (double)c->seen,
                     .accuracy = (double)c->correct / (double)c->seen,
                     .seconds = c->epoch_seconds,
                     .clips_per_s = (double)c->seen / c->epoch_seconds};
    e.validated = t->s.n_val > 0 && (e.epoch % set->val_every == 0 || last);
    if (e.validated) {
        BASE_TRY(
            session_validate(&t->s, session_weights(&t->s), &e.val_loss, &e.val_accuracy, err));
        if (!isfinite(e.val_loss)) {
            base_fail(err, BASE_MISMATCH, "the validation loss is %g after epoch %lld", e.val_loss,
                      (long long)e.epoch);
            return base_hint(err, "lower train.lr (now %g)", set->lr);
        }
        nn_schedule_observe(&t->schedule, (double)(c->epoch + 1), e.val_loss);
        e.best = e.val_accuracy > c->best_accuracy;
    }
    BASE_TRY(record(t, &e, err));
    if (e.validated && (e.best || set->keep != TRAIN_KEEP_BEST))
        BASE_TRY(record_confusion(t, e.epoch, err));
    if (e.best) {
        BASE_TRY(save_model(t, "best.h5", err));
        c->best_accuracy = e.val_accuracy;
        c->best_epoch = e.epoch;
    }
    c->epoch++;
    c->step = c->seen = c->correct = 0;
    c->loss = c->epoch_seconds = t->grad_norm = 0;
    if (t->hooks->epoch) t->hooks->epoch(t->hooks->ctx, &e);
    bool due = base_seconds() - t->saved_at >= CHECKPOINT_SECONDS || last;
    return due ? save_checkpoint(t, err) : BASE_OK;
}

static base_status stopped(trainer *t, base_err *err)
{
    BASE_TRY(save_checkpoint(t, err));
    base_fail(err, BASE_INTERRUPTED, "stopped in epoch %lld; the checkpoint is in '%s'",
              (long long)(t->first + t->c.epoch) + 1, t->run.path);
    return base_hint(err, "go on with: sotto train --resume %s", t->run.path);
}

static base_status train_epochs(trainer *t, base_err *err)
{
    while (t->c.epoch < t->s.setup->train.epochs && t->first + t->c.epoch < t->until) {
        base_status status = train_steps(t, err);
        if (status == BASE_INTERRUPTED) return stopped(t, err);
        BASE_TRY(status);
        BASE_TRY(end_epoch(t, err));
    }
    return BASE_OK;
}

/* All epochs in one, for train.fit. */
static base_status fit_epochs(trainer *t, base_err *err)
{
    const int64_t epochs = t->s.setup->train.epochs;
    prototype_result r;
    if (t->c.epoch == epochs) return BASE_OK;
    const base_status status = prototype_fit(&t->s, t->hooks, &r, err);
    if (status == BASE_INTERRUPTED) return stopped(t, err);
    BASE_TRY(status);
    t->l2 = r.l2;
    t->c.epoch = epochs - 1;
    t->c.step = t->steps;
    t->c.seen = r.seen;
    t->c.correct = r.correct;
    t->c.loss = r.loss * (double)r.seen;
    t->c.epoch_seconds = base_seconds() - t->started;
    return end_epoch(t, err);
}

/* ---- the run ---- */

/* Whether the weights that are kept are those of the best epoch, else the last ones. */
static bool keeps_best(const trainer *t)
{
    return t->s.setup->train.keep == TRAIN_KEEP_BEST && t->c.best_epoch > 0;
}

/* The weights that are kept, as a file of this name. */
static base_status keep_model(const trainer *t, const char *name, base_err *err)
{
    if (!keeps_best(t)) return save_model(t, name, err);
    char *from = rundir_file(&t->run, "best.h5"), *to = rundir_file(&t->run, name), *bytes = NULL;
    size_t n;
    base_status status = from && to ? BASE_OK : base_nomem(err, 1);
    if (status == BASE_OK) status = base_read_file(from, SIZE_MAX / 2, &bytes, &n, err);
    if (status == BASE_OK) status = base_write_file(to, bytes, n, err);
    free(bytes);
    free(from);
    free(to);
    return status;
}

/* What has come out so far; *best: it is the best epoch's. */
static base_status sum_up(trainer *t, train_result *r, bool *best, base_err *err)
{
    const train_settings *set = &t->s.setup->train;
    *best = keeps_best(t);
    r->epochs = t->first + t->c.epoch;
    r->best_epoch = t->c.best_epoch;
    r->seconds = t->before + base_seconds() - t->started;
    r->clips = r->epochs * t->steps * set->batch;
    r->clips_per_s = (double)r->clips / r->seconds;
    r->parameters = (int64_t)nn_graph_trainable(t->s.graph);
    r->macs = nn_graph_cost(t->s.graph).macs;
    r->val_clips = t->s.n_val;
    r->val_accuracy = t->c.best_accuracy;
    double loss;
    return *best ? BASE_OK
                 : session_validate(&t->s, session_weights(&t->s), &loss, &r->val_accuracy, err);
}

static base_status finish(trainer *t, train_result *r, base_err *err)
{
    bool best;
    BASE_TRY(keep_model(t, "model.h5", err));
    BASE_TRY(sum_up(t, r, &best, err));
    char text[256];
    snprintf(text, sizeof text,
             "{\"epochs\":%lld,\"kept_epoch\":%lld,\"val_accuracy\":%.17g,\"seconds\":%.3f}\n",
             (long long)r->epochs, (long long)(best ? r->best_epoch : r->epochs),
             isfinite(r->val_accuracy) ? r->val_accuracy : 0, r->seconds);
    BASE_TRY(events_end(t->run.path, true, err));
    return rundir_end(&t->run, RUN_DONE, text, err);
}

/* The end of this process's share, with the checkpoint that the next one begins at. */
static base_status leave(trainer *t, train_result *r, base_err *err)
{
    bool best;
    char text[96];
    BASE_TRY(save_checkpoint(t, err));
    BASE_TRY(sum_up(t, r, &best, err));
    snprintf(text, sizeof text, "paused after epoch %lld of %lld\n", (long long)r->epochs,
             (long long)t->total);
    return rundir_end(&t->run, RUN_INTERRUPTED, text, err);
}

static base_status make_provenance(trainer *t, base_err *err)
{
    const train_setup *s = t->s.setup;
    base_str b = {0};
    base_str_add(&b, "pack = %s\n", s->data.pack);
    base_str_add(&b, "train_clips = %zu\nvalidation_clips = %d\n",
                 data_task_count(t->s.task, DATA_TRAIN, -1), t->s.n_val);
    base_str_add(&b, "arch = %s\nepochs = %lld\nseed = %lld\n",
                 s->model.file[0] ? s->model.file : s->model.arch, (long long)s->train.epochs,
                 (long long)s->train.seed);
    if (s->train.fit != FIT_NO) base_str_add(&b, "fit = %s\n", fit_kinds[s->train.fit]);
    if (t->s.teacher.net)
        base_str_add(&b, "teacher = %s\nteacher_sha256 = %s\n", t->s.teacher.from.path,
                     t->s.teacher.from.sha256);
    if (t->s.init.model)
        base_str_add(&b, "init = %s\ninit_sha256 = %s\n", t->s.init.path, t->s.init.sha256);
    t->provenance = b.s;
    return b.failed ? base_nomem(err, b.len) : BASE_OK;
}

static void note(const trainer *t, const char *fmt, ...)
{
    char text[1400];
    va_list args;
    if (!t->hooks->note) return;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    t->hooks->note(t->hooks->ctx, text);
}

static base_status start(trainer *t, bool resume, base_err *err)
{
    session *s = &t->s;
    const train_settings *set = &s->setup->train;
    t->c = (checkpoint){.best_accuracy = -1, .graph = s->losses, .seconds = t->before};
    t->c.weights = session_trained(s);
    t->c.state = nn_optim_state(s->optim, &t->c.n_state);
    t->c.ema = s->ema;
    t->schedule = schedule_of(set);
    if (set->schedule == NN_PLATEAU) t->c.plateau = &t->schedule.plateau;
    if (set->clip_norm > 0) t->c.grad_norm = &t->grad_norm;
    t->c.quant = s->quant;
    t->c.model = s->graph;
    t->steps = data_loader_steps(s->loader);
    t->started = t->saved_at = base_seconds();
    BASE_TRY(make_provenance(t, err));
    nn_init_weights(s->losses, (uint64_t)set->seed, t->c.weights);
    if (s->master) {
        const nn_model *m = s->setup->int8->start;
        memcpy(t->c.weights, m->weights, nn_graph_params(m->graph) * sizeof *m->weights);
        note(t, "simulating int8 in %s, folded", s->init.path);
    } else if (s->init.model) {
        int all, found = parent_weights(&s->init, s->losses, t->c.weights, &all);
        note(t, "%d of %d tensors start as those of %s", found, all, s->init.path);
    }
    if (s->ema) memcpy(s->ema, t->c.weights, nn_graph_params(s->losses) * sizeof *s->ema);
    if (resume) BASE_TRY(load_checkpoint(t, err));
    BASE_TRY(events_open(t->run.path, (size_t)(t->first + t->c.epoch), err));
    BASE_TRY(session_refresh(s, err));
    data_loader_seek(s->loader, t->first + t->c.epoch, t->c.step);
    note(t, "%zu parameters, %.3f M MACs; %zu training and %d validation clips, %d classes",
         nn_graph_trainable(s->graph), 1e-6 * (double)nn_graph_cost(s->graph).macs,
         data_task_count(s->task, DATA_TRAIN, -1), s->n_val, s->classes);
    return BASE_OK;
}

/* The run directory with what is known before the first step. */
static base_status open_run(trainer *t, const train_output *out, base_err *err)
{
    if (out->resume) {
        BASE_TRY(rundir_reopen(out->dir, &t->run, err));
        base_status same = manifest_check(&t->s, &t->run, err);
        if (same != BASE_OK) rundir_close(&t->run);
        return same;
    }
    BASE_TRY(rundir_create(out->dir, &t->run, err));
    base_status status = manifest_write(&t->s, &t->run, out->command, t->hooks->threads, err);
    if (status == BASE_OK) status = rundir_write(&t->run, "config.ini", out->config_text, err);
    if (status != BASE_OK) rundir_discard(&t->run);
    return status;
}

/* ---- int8 ---- */

/* The session's settings become those of the epochs in int8. */
static void settings_of_int8(train_setup *setup)
{
    train_settings *set = &setup->train;
    const train_settings usual = train_settings_default();
    set->epochs = setup->quantize.epochs;
    set->optimizer = NN_ADAM;
    set->beta1 = usual.beta1;
    set->beta2 = usual.beta2;
    set->epsilon = usual.epsilon;
    set->weight_decay = 0;
    set->lr = setup->quantize.lr;
    set->final_lr = 0;
    set->schedule = NN_COSINE;
    set->warmup_epochs = set->hold_epochs = 0;
    set->fit = FIT_NO;
}

/* They begin after the float epochs, from what those have left in `path`. */
static base_status follow_float(trainer *t, const char *path, base_err *err)
{
    train_settings *set = &t->setup.train;
    if (strlen(path) >= sizeof set->init)
        return base_fail(err, BASE_USAGE, "the path '%s' is too long", path);
    strcpy(set->init, path);
    t->float_part = false;
    t->first = set->epochs;
    settings_of_int8(&t->setup);
    return BASE_OK;
}

static base_status open_session(trainer *t, base_err *err)
{
    if (t->setup.train.qat && !t->float_part)
        BASE_TRY(t->hooks->simulate(t->hooks->ctx, &t->setup, &t->setup.int8, err));
    BASE_TRY(session_open(&t->s, &t->setup, t->hooks->threads, err));
    base_status status = t->setup.train.fit != FIT_NO ? prototype_check(&t->s, err) : BASE_OK;
    if (status == BASE_OK && t->float_part)
        status = t->hooks->check(t->hooks->ctx, &t->setup, t->s.graph, err);
    if (status != BASE_OK) session_close(&t->s);
    return status;
}

/* From float to int8, of the model that the float epochs have given. */
static base_status turn_to_int8(trainer *t, base_err *err)
{
    char *path = rundir_file(&t->run, FLOAT_FILE);
    base_status status = path ? keep_model(t, FLOAT_FILE, err) : base_nomem(err, 1);
    if (status == BASE_OK) status = follow_float(t, path, err);
    free(path);
    BASE_TRY(status);
    t->before += base_seconds() - t->started;
    session_close(&t->s);
    free(t->provenance);
    t->provenance = NULL;
    BASE_TRY(open_session(t, err));
    return start(t, false, err);
}

static base_status train_parts(trainer *t, bool resume, base_err *err)
{
    BASE_TRY(start(t, resume, err));
    BASE_TRY(t->setup.train.fit != FIT_NO ? fit_epochs(t, err) : train_epochs(t, err));
    if (!t->float_part || t->first + t->c.epoch >= t->until) return BASE_OK;
    BASE_TRY(turn_to_int8(t, err));
    return train_epochs(t, err);
}

static base_status run_open_session(trainer *t, const train_output *out, train_result *result,
                                    base_err *err)
{
    BASE_TRY(open_run(t, out, err));
    base_err e = {0};
    base_status status = train_parts(t, out->resume, &e);
    if (status == BASE_OK)
        status = t->first + t->c.epoch < t->total ? leave(t, result, &e) : finish(t, result, &e);
    if (status != BASE_OK) {
        char line[sizeof e.message + 1];
        snprintf(line, sizeof line, "%s\n", e.message);
        if (status != BASE_INTERRUPTED) events_end(t->run.path, false, NULL);
        rundir_end(&t->run, status == BASE_INTERRUPTED ? RUN_INTERRUPTED : RUN_FAILED, line, NULL);
        if (err) *err = e;
    }
    rundir_close(&t->run);
    return status;
}

/* Which part of its run a trainer begins with. */
static base_status choose_part(trainer *t, const train_output *out, base_err *err)
{
    const train_settings *set = &t->setup.train;
    t->total = train_setup_epochs(&t->setup);
    t->until = out->until > 0 && out->until < t->total ? out->until : t->total;
    if (set->qat && set->init[0]) settings_of_int8(&t->setup);
    if (!set->qat || set->init[0]) return BASE_OK;
    t->float_part = true;
    if (!out->resume) return BASE_OK;
    char *path = base_path(out->dir, FLOAT_FILE);
    if (!path) return base_nomem(err, 1);
    const base_status status = base_exists(path) ? follow_float(t, path, err) : BASE_OK;
    free(path);
    return status;
}

base_status train_run(const train_setup *setup, const train_output *out, const train_hooks *hooks,
                      train_result *result, base_err *err)
{
    trainer t = {.hooks = hooks, .setup = *setup};
    *result = (train_result){0};
    BASE_TRY(choose_part(&t, out, err));
    BASE_TRY(open_session(&t, err));
    base_status status = run_open_session(&t, out, result, err);
    session_close(&t.s);
    free(t.provenance);
    return status;
}
