/* See train/objective.h. */
#include "train/objective.h"

static base_status parse(base_str *text, nn_graph **g, base_err *err)
{
    base_status status =
        text->failed ? base_nomem(err, text->len) : nn_parse(text->s, "model", g, err);
    base_str_free(text);
    return status;
}

bool objective_has_third(const train_settings *t)
{
    return t->teacher[0] || t->class_weights != TRAIN_WEIGHTS_NONE;
}

/* A loss that takes the same two inputs in training and in validation. */
static void add_plain(const train_settings *t, const char *logits, base_str *text)
{
    static const char *const op[] = {[TRAIN_CROSS_ENTROPY] = "cross_entropy",
                                     [TRAIN_HINGE] = "hinge",
                                     [TRAIN_SQUARED_HINGE] = "hinge",
                                     [TRAIN_BINARY_CROSS_ENTROPY] = "binary_cross_entropy",
                                     [TRAIN_MEAN_SQUARED_ERROR] = "mean_squared_error"};
    base_str_add(text, "loss. = %s(%s, target.)%s\n", op[t->loss], logits,
                 t->loss == TRAIN_SQUARED_HINGE ? " squared=yes" : "");
}

base_status objective_graph(const nn_graph *model, const train_settings *t, int classes,
                            nn_graph **g, base_err *err)
{
    base_str text = {0};
    const char *logits = nn_graph_output(model)->name;
    nn_print(model, &text);
    base_str_add(&text, "target. = input %d\n", classes);
    if (objective_has_third(t))
        base_str_add(&text, "%s = input %d\n", t->teacher[0] ? "teacher." : "weights.", classes);
    if (t->teacher[0])
        base_str_add(&text,
                     "loss. = distillation(%s, target., teacher.) alpha=%.17g temperature=%.17g "
                     "smoothing=%.17g\n",
                     logits, t->distill_alpha, t->distill_temperature, t->label_smoothing);
    else if (t->loss == TRAIN_CROSS_ENTROPY)
        base_str_add(&text, "loss. = cross_entropy(%s, target.%s) smoothing=%.17g\n", logits,
                     objective_has_third(t) ? ", weights." : "", t->label_smoothing);
    else
        add_plain(t, logits, &text);
    return parse(&text, g, err);
}

base_status objective_measure(const train_settings *t, int classes, nn_graph **g, base_err *err)
{
    base_str text = {0};
    base_str_add(&text, "logits = input %d\ntarget. = input %d\n", classes, classes);
    add_plain(t, "logits", &text);
    return parse(&text, g, err);
}

void objective_balance(const data_task *task, int classes, nn_real *w)
{
    double all = (double)data_task_count(task, DATA_TRAIN, -1);
    int present = 0;
    for (int k = 0; k < classes; k++) present += data_task_count(task, DATA_TRAIN, k) > 0;
    for (int k = 0; k < classes; k++) {
        double n = (double)data_task_count(task, DATA_TRAIN, k);
        w[k] = n > 0 ? (nn_real)(all / (present * n)) : 0;
    }
}
