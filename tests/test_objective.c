/* What a training makes small: the loss that validation measures, class weights, and a teacher
 * whose twin has nothing to learn. */
#include "tests/check.h"
#include "tests/corpus.h"
#include "train/objective.h"
#include "train/session.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CLASSES = 4, BATCH = 8 };

typedef struct world {
    char dir[64], model[128];
    train_setup setup;
} world;

static int make_world(void **state)
{
    world *w = calloc(1, sizeof *w);
    corpus_folder(w->dir);
    corpus_make(w->dir, "yes,no,bed,cat", 12, 3, 0);
    data_pack_close(corpus_pack(w->dir, NULL, NULL));
    w->setup = train_setup_default();
    snprintf(w->setup.data.pack, sizeof w->setup.data.pack, "%s/pack.h5", w->dir);
    snprintf(w->setup.data.keywords, sizeof w->setup.data.keywords, "yes,no");
    w->setup.data.unknown_share = 0.5;
    w->setup.data.silence_share = 0.25;
    snprintf(w->setup.model.arch, sizeof w->setup.model.arch, "dnn");
    w->setup.train.batch = BATCH;
    snprintf(w->model, sizeof w->model, "%s/model.h5", w->dir);
    *state = w;
    return 0;
}

static int free_world(void **state)
{
    world *w = *state;
    corpus_remove(w->dir);
    free(w);
    return 0;
}

static session opened(const train_setup *setup)
{
    session s;
    base_err err = {0};
    if (session_open(&s, setup, 1, &err) != BASE_OK) fail_msg("%s", err.message);
    assert_int_equal(s.classes, CLASSES);
    return s;
}

/* Weights of nothing score 0 everywhere, of which every loss is known. */
static void validation_measures_the_loss_of_the_settings(void **state)
{
    const world *w = *state;
    const struct {
        int loss;
        double expected;
    } known[] = {{TRAIN_CROSS_ENTROPY, log(CLASSES)},
                 {TRAIN_HINGE, CLASSES},
                 {TRAIN_SQUARED_HINGE, CLASSES},
                 {TRAIN_BINARY_CROSS_ENTROPY, log(2)},
                 {TRAIN_MEAN_SQUARED_ERROR, 1.0 / CLASSES}};
    for (size_t i = 0; i < BASE_COUNT(known); i++) {
        train_setup setup = w->setup;
        setup.train.loss = known[i].loss;
        session s = opened(&setup);
        nn_real *zeros = calloc(nn_graph_params(s.graph), sizeof *zeros);
        double loss, accuracy;
        base_err err = {0};
        assert_int_equal(session_validate(&s, zeros, &loss, &accuracy, &err), BASE_OK);
        if (!(fabs(loss - known[i].expected) < 1e-6))
            fail_msg("loss %d is %.9g, expected %.9g", known[i].loss, loss, known[i].expected);
        free(zeros);
        session_close(&s);
    }
}

static void the_graph_ends_in_the_loss_of_the_settings(void **state)
{
    (void)state;
    base_err err = {0};
    nn_graph *model, *g;
    train_settings t = train_settings_default();
    assert_int_equal(nn_parse("x = input 5; y = dense(x) out=3", NULL, &model, &err), BASE_OK);
    static const char *const endings[] = {
        "cross_entropy(y, target.)", "hinge(y, target.)", "hinge(y, target.) squared=yes",
        "binary_cross_entropy(y, target.)", "mean_squared_error(y, target.)"};
    for (int loss = 0; loss < (int)BASE_COUNT(endings); loss++) {
        t.loss = loss;
        assert_false(objective_has_third(&t));
        base_str line = {0}, expected = {0};
        assert_int_equal(objective_graph(model, &t, 3, &g, &err), BASE_OK);
        nn_print_node(nn_graph_output(g), &line);
        base_str_add(&expected, "loss. = %s", endings[loss]);
        assert_string_equal(line.s, expected.s);
        assert_int_equal(nn_graph_params(g), nn_graph_params(model));
        base_str_free(&line);
        base_str_free(&expected);
        nn_graph_free(g);
    }
    nn_graph_free(model);
}

static void balanced_weights_give_every_class_the_same_say(void **state)
{
    const world *w = *state;
    train_setup setup = w->setup;
    setup.train.class_weights = TRAIN_WEIGHTS_BALANCED;
    session s = opened(&setup);
    double all = (double)data_task_count(s.task, DATA_TRAIN, -1), sum = 0;
    for (int k = 0; k < CLASSES; k++) {
        double n = (double)data_task_count(s.task, DATA_TRAIN, k);
        assert_true(n > 0);
        assert_true(fabs(n * (double)s.third[k] - all / CLASSES) < 1e-4);
        sum += n * (double)s.third[k];
        for (int b = 1; b < BATCH; b++) /* one row a clip */
            assert_true(s.third[b * CLASSES + k] == s.third[k]);
    }
    assert_true(fabs(sum / all - 1) < 1e-6);
    assert_true(s.third[CLASSES - 1] > s.third[0]); /* silence is rare */
    session_close(&s);
}

/* Loss of the first batch, and the largest gradient. */
static double first_loss(session *s, const nn_real *weights, double *gradient)
{
    data_batch b;
    base_err err = {0};
    size_t n = nn_graph_params(s->graph);
    assert_int_equal(data_loader_next(s->loader, &b, &err), BASE_OK);
    session_convert(s, &b);
    memcpy(nn_net_weights(s->net), weights, n * sizeof *weights);
    double loss =
        nn_net_step(s->net, (const nn_real *const[]){s->x, s->target, s->third}, b.n, 1, 0);
    *gradient = 0;
    for (size_t i = 0; i < n; i++)
        *gradient = fmax(*gradient, fabs((double)nn_net_grads(s->net)[i]));
    return loss;
}

/* Weights of a seed, saved as a model of the world's settings. Freed with free(). */
static nn_real *saved_teacher(const world *w, train_setup *student)
{
    base_err err = {0};
    session s = opened(&w->setup);
    nn_real *weights = calloc(nn_graph_params(s.graph), sizeof *weights);
    nn_init_weights(s.graph, 1, weights);
    assert_int_equal(session_save(&s, weights, w->model, "", &err), BASE_OK);
    session_close(&s);
    *student = w->setup;
    snprintf(student->train.teacher, sizeof student->train.teacher, "%s", w->model);
    student->train.distill_alpha = 1;
    return weights;
}

static void a_twin_of_its_teacher_has_nothing_to_learn(void **state)
{
    train_setup setup;
    nn_real *weights = saved_teacher(*state, &setup);
    session s = opened(&setup);
    nn_real *other = calloc(nn_graph_params(s.graph), sizeof *other);
    nn_init_weights(s.graph, 2, other);
    double gradient;
    assert_false(s.teacher.own_features);
    assert_true(fabs(first_loss(&s, weights, &gradient)) < 1e-4);
    assert_true(gradient < 1e-4);
    assert_true(first_loss(&s, other, &gradient) > 0.01);
    assert_true(gradient > 0.01);
    session_close(&s);
    free(weights);
    free(other);
}

/* The first batch, in x and third. */
static void first_batch(session *s)
{
    data_batch b;
    base_err err = {0};
    assert_int_equal(data_loader_next(s->loader, &b, &err), BASE_OK);
    assert_int_equal(b.n, BATCH);
    session_convert(s, &b);
}

/* Beside a student of other features it answers as it would alone. */
static void a_teacher_hears_its_own_features(void **state)
{
    const world *w = *state;
    train_setup setup;
    nn_real *weights = saved_teacher(w, &setup), logits[BATCH * CLASSES];
    setup.features.normalize = DSP_NORMALIZE_FEATURE;
    session alone = opened(&w->setup), beside = opened(&setup);
    assert_true(beside.teacher.own_features);
    first_batch(&alone);
    first_batch(&beside);
    memcpy(nn_net_weights(alone.eval), weights, nn_graph_params(alone.graph) * sizeof *weights);
    nn_net_forward(alone.eval, (const nn_real *const[]){alone.x}, BATCH, logits);
    for (int i = 0; i < BATCH * CLASSES; i++)
        assert_true(fabs((double)(beside.third[i] - logits[i])) < 1e-4);
    session_close(&alone);
    session_close(&beside);
    free(weights);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(validation_measures_the_loss_of_the_settings),
        cmocka_unit_test(the_graph_ends_in_the_loss_of_the_settings),
        cmocka_unit_test(balanced_weights_give_every_class_the_same_say),
        cmocka_unit_test(a_twin_of_its_teacher_has_nothing_to_learn),
        cmocka_unit_test(a_teacher_hears_its_own_features),
    };
    return cmocka_run_group_tests_name("objective", tests, make_world, free_world);
}
