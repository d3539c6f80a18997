/* What makes weights of gradients: optimizers against their recurrences in double and against
 * recorded runs of PyTorch (tests/vectors/optim.py), groups of weight decay, clipping, averaged
 * weights, schedules. Compiled in float, and in double by double_optim.c. */
#include "tests/check.h"
#include "tests/nets.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 64 };
static const char optim_net[] = "x = input 3; d = dense(x) out=4; b = batchnorm(d)";
#ifdef NN_DOUBLE
static const double rounding = 1e-12;
#else
static const double rounding = 2e-6;
#endif

static void random_reals(nn_real *v, size_t n, uint32_t stream)
{
    base_rng r = base_rng_at(2, BASE_RNG_TEST, stream, 0);
    for (size_t i = 0; i < n; i++) v[i] = (nn_real)base_rng_normal(&r);
}

static nn_optim *optim_new(const nn_graph *g, nn_optim_options o)
{
    base_err err = {0};
    nn_optim *optim = NULL;
    if (nn_optim_new(g, o, &optim, &err) != BASE_OK) fail_msg("%s", err.message);
    return optim;
}

static void near(const char *what, int step, size_t i, nn_real got, double expected, double bound)
{
    if (!(fabs((double)got - expected) <= bound * (1 + fabs(expected))))
        fail_msg("%s, step %d: number %zu is %.17g, expected %.17g", what, step, i, (double)got,
                 expected);
}

/* ---- optimizers against their papers ---- */

/* The five trained tensors of optim_net and their statistics, each with its decay factors: of the
 * default, and of the groups that follow. */
static const char groups[] = "b.b*=0.25,  *.gamma=3 d.weight=0.5 *=0";
static const struct tensor {
    const char *node, *name;
    double factor, grouped;
} tensors[] = {{"d", "weight", 1, 0.5}, {"d", "bias", 0, 0}, {"b", "gamma", 0, 3},
               {"b", "beta", 0, 0.25},  {"b", "mean", 0, 0}, {"b", "var", 0, 0}};

static const nn_param *param_of(const nn_graph *g, const struct tensor *t)
{
    const nn_node *n = nn_graph_find(g, t->node);
    for (int k = 0; k < n->n_params; k++)
        if (strcmp(n->param[k].name, t->name) == 0) return &n->param[k];
    fail_msg("no parameter '%s.%s'", t->node, t->name);
    return NULL;
}

typedef struct reference {
    double w[MOST], m[MOST], v[MOST];
} reference;

/* One number, as the papers write it. squares: of the tensor's gradient; t counts from 1. */
static void reference_one(double *w, double *m, double *v, const nn_optim_options *o, double g,
                          double squares, double decay, double lr, int t)
{
    switch (o->kind) {
    case NN_SGD:
        g += decay * *w;
        *m = o->momentum * *m + g;
        *w -= lr * (o->nesterov ? g + o->momentum * *m : *m);
        return;
    case NN_RMSPROP:
        g += decay * *w;
        *v += (1 - o->rho) * (g * g - *v);
        *m = o->momentum * *m + g / (sqrt(*v) + o->epsilon);
        *w -= lr * *m;
        return;
    case NN_NOVOGRAD:
        *v = t == 1 ? squares : o->beta2 * *v + (1 - o->beta2) * squares;
        *m = o->beta1 * *m + g / (sqrt(*v) + o->epsilon) + decay * *w;
        *w -= lr * *m;
        return;
    case NN_ADAM: g += decay * *w; break;
    case NN_ADAMW: *w -= lr * decay * *w; break;
    }
    *m = o->beta1 * *m + (1 - o->beta1) * g;
    *v = o->beta2 * *v + (1 - o->beta2) * g * g;
    double mh = *m / (1 - pow(o->beta1, t)), vh = *v / (1 - pow(o->beta2, t));
    *w -= lr * mh / (sqrt(vh) + o->epsilon);
}

static void reference_step(reference *r, const nn_graph *g, const nn_optim_options *o,
                           const nn_real *grads, double lr, int t)
{
    for (size_t k = 0; k < BASE_COUNT(tensors); k++) {
        const nn_param *q = param_of(g, &tensors[k]);
        double decay = o->weight_decay * (o->decay_groups ? tensors[k].grouped : tensors[k].factor);
        double squares = 0;
        for (size_t i = q->offset; i < q->offset + q->count; i++)
            squares += (double)grads[i] * (double)grads[i];
        for (size_t i = q->offset; i < q->offset + q->count; i++)
            if (k >= 4)
                r->w[i] = (1 - o->statistics) * r->w[i] + o->statistics * (double)grads[i];
            else
                reference_one(&r->w[i], &r->m[i], &r->v[i], o, (double)grads[i], squares, decay, lr,
                              t);
    }
}

static void follow_recurrence(nn_optim_options o)
{
    enum { STEPS = 8 };
    nn_graph *g = nets_parse(optim_net);
    size_t n = nn_graph_params(g);
    nn_real w[MOST], grads[MOST];
    reference r = {.w = {0}};
    assert_int_equal(n, 12 + 4 + 4 * 4);
    nn_optim *optim = optim_new(g, o);
    random_reals(w, n, 0);
    for (size_t i = 0; i < n; i++) r.w[i] = (double)w[i];
    for (int t = 1; t <= STEPS; t++) {
        char what[32];
        snprintf(what, sizeof what, "kind %d", (int)o.kind);
        random_reals(grads, n, (uint32_t)t);
        nn_optim_step(optim, w, grads, 0.1 / t);
        reference_step(&r, g, &o, grads, 0.1 / t, t);
        for (size_t i = 0; i < n; i++) near(what, t, i, w[i], r.w[i], rounding);
        assert_int_equal(nn_optim_steps(optim), t);
    }
    nn_optim_free(optim);
    nn_graph_free(g);
}

static void optimizers_follow_their_papers(void **state)
{
    (void)state;
    static const double decays[] = {0, 0.01, 0.3};
    for (int kind = NN_SGD; kind <= NN_NOVOGRAD; kind++)
        for (size_t d = 0; d < 2 * BASE_COUNT(decays); d++) {
            nn_optim_options o = nn_optim_defaults((nn_optim_kind)kind);
            o.weight_decay = decays[d / 2];
            o.decay_groups = d % 2 ? groups : NULL;
            follow_recurrence(o);
            o.momentum = 0.7, o.nesterov = true;
            follow_recurrence(o);
            o.momentum = 0, o.nesterov = false;
            o.beta1 = 0.5, o.beta2 = 0.9, o.rho = 0.6, o.epsilon = 1e-3, o.statistics = 0.4;
            follow_recurrence(o);
        }
}

/* A tensor whose first gradients are zero (behind a layer that is still dead) neither divides by
 * zero nor stays where it is for ever. */
static void novograd_takes_zero_gradients(void **state)
{
    (void)state;
    nn_graph *g = nets_parse("x = input 1; d = dense(x) out=1 bias=no");
    nn_optim *optim = optim_new(g, nn_optim_defaults(NN_NOVOGRAD));
    nn_real w = 1, grad = 0;
    nn_optim_step(optim, &w, &grad, 0.1);
    assert_true(w == 1);
    grad = -4;
    nn_optim_step(optim, &w, &grad, 0.1);
    near("novograd", 2, 0, w, 1 + 0.1 * 4 / (4 + 1e-8), rounding);
    nn_optim_free(optim);
    nn_graph_free(g);
}

/* Three steps, state and count into a new optimizer, three more: the bits of six steps. */
static void resume(nn_optim_options o)
{
    nn_graph *g = nets_parse(optim_net);
    size_t n = nn_graph_params(g), count, again;
    nn_real w[MOST], v[MOST], grads[MOST];
    nn_optim *whole = optim_new(g, o), *part = optim_new(g, o);
    random_reals(w, n, 0);
    for (uint32_t t = 1; t <= 6; t++) {
        random_reals(grads, n, t);
        nn_optim_step(whole, w, grads, 0.01);
        if (t > 3) nn_optim_step(part, v, grads, 0.01);
        if (t != 3) continue;
        memcpy(v, w, sizeof v);
        nn_real *from = nn_optim_state(whole, &count), *to = nn_optim_state(part, &again);
        assert_int_equal(count, again);
        memcpy(to, from, count * sizeof *to);
        nn_optim_set_steps(part, nn_optim_steps(whole));
    }
    assert_memory_equal(w, v, n * sizeof *w);
    nn_optim_free(whole);
    nn_optim_free(part);
    nn_graph_free(g);
}

static void optimizers_resume(void **state)
{
    (void)state;
    for (int kind = NN_SGD; kind <= NN_NOVOGRAD; kind++) {
        nn_optim_options o = nn_optim_defaults((nn_optim_kind)kind);
        for (int nesterov = 0; nesterov < 2; nesterov++)
            for (int momentum = 0; momentum < 2; momentum++) {
                o.nesterov = nesterov, o.momentum = momentum * 0.8, o.weight_decay = 0.1;
                resume(o);
            }
    }
}

/* ---- against PyTorch ---- */

enum { TORCH_STEPS = 8, TORCH_COUNT = 16 };

/* The numbers of the next line of *text that is no comment; the line itself when there are none. */
static char *torch_line(char **text, double *v, int n)
{
    char *line;
    do line = strsep(text, "\n");
    while (line && line[0] == '#');
    char *at = line;
    for (int i = 0; i < n; i++) v[i] = strtod(at, &at);
    if (n > 0) assert_string_equal(at, "");
    return line;
}

static nn_optim_options torch_case(const char *line)
{
    static const char *const kinds[] = {
        [NN_SGD] = "sgd", [NN_ADAM] = "adam", [NN_ADAMW] = "adamw", [NN_RMSPROP] = "rmsprop"};
    char kind[16];
    int nesterov, found = -1;
    nn_optim_options o = {0};
    int read = sscanf(line, "case %15s %lf %d %lf %lf %lf %lf %lf", kind, &o.momentum, &nesterov,
                      &o.beta1, &o.beta2, &o.rho, &o.epsilon, &o.weight_decay);
    assert_int_equal(read, 8);
    for (size_t i = 0; i < BASE_COUNT(kinds); i++)
        if (strcmp(kind, kinds[i]) == 0) found = (int)i;
    assert_true(found >= 0);
    o.kind = (nn_optim_kind)found, o.nesterov = nesterov;
    return o;
}

static void optimizers_follow_pytorch(void **state)
{
    (void)state;
    base_err err = {0};
    char *file, *line;
    if (base_read_file("tests/vectors/optim.txt", 1 << 20, &file, NULL, &err) != BASE_OK)
        fail_msg("%s", err.message);
    char *text = file;
    int cases = 0;
    double start[TORCH_COUNT], grads[TORCH_STEPS][TORCH_COUNT], expected[TORCH_COUNT];
    nn_graph *g = nets_parse("x = input 3; d = dense(x) out=4");
    assert_int_equal(nn_graph_params(g), TORCH_COUNT);
    torch_line(&text, start, TORCH_COUNT);
    for (int t = 0; t < TORCH_STEPS; t++) torch_line(&text, grads[t], TORCH_COUNT);
    for (; (line = torch_line(&text, NULL, 0)) && line[0]; cases++) {
        nn_optim *optim = optim_new(g, torch_case(line));
        nn_real w[TORCH_COUNT], d[TORCH_COUNT];
        for (int i = 0; i < TORCH_COUNT; i++) w[i] = (nn_real)start[i];
        for (int t = 0; t < TORCH_STEPS; t++) {
            for (int i = 0; i < TORCH_COUNT; i++) d[i] = (nn_real)grads[t][i];
            nn_optim_step(optim, w, d, 0.05 * pow(0.8, t));
            torch_line(&text, expected, TORCH_COUNT);
            for (size_t i = 0; i < TORCH_COUNT; i++)
                near(line, t + 1, i, w[i], expected[i], rounding / 2);
        }
        nn_optim_free(optim);
    }
    assert_int_equal(cases, 10);
    nn_graph_free(g);
    free(file);
}

/* ---- groups of weight decay ---- */

static void decay_groups_pick_parameters(void **state)
{
    (void)state;
    static const struct {
        const char *groups;
        double factor[BASE_COUNT(tensors)];
    } cases[] = {
        {"", {1, 0, 0, 0, 0, 0}},
        {" ,  ", {1, 0, 0, 0, 0, 0}},
        {"*=1", {1, 1, 1, 1, 0, 0}}, /* statistics are never decayed */
        {"*.gamma=0.5", {1, 0, 0.5, 0, 0, 0}},
        {"d.*=0 *.b*=2", {0, 0, 0, 2, 0, 0}}, /* the first wins */
        {"*.b*=2\t\n,d.*=0", {0, 2, 0, 2, 0, 0}},
        {"?.weight=3,[a-b].*a=1e-1", {3, 0, 0.1, 0.1, 0, 0}},
        {groups, {0.5, 0, 3, 0.25, 0, 0}},
    };
    nn_graph *g = nets_parse(optim_net);
    for (size_t c = 0; c < BASE_COUNT(cases); c++) {
        base_err err = {0};
        double factor[BASE_COUNT(tensors)];
        assert_int_equal(nn_decay_factors(g, cases[c].groups, factor, &err), BASE_OK);
        assert_memory_equal(factor, cases[c].factor, sizeof factor);
        assert_int_equal(nn_decay_factors(NULL, cases[c].groups, NULL, &err), BASE_OK);
    }
    nn_graph_free(g);
}

static void bad_decay_groups_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *groups, *named;
        bool word; /* wrong without a graph too */
    } cases[] = {
        {"gamma", "'gamma'", true},         {"*.gamma=", "'*.gamma='", true},
        {"*=1 =2", "'=2'", true},           {"*.gamma=-1", "'*.gamma=-1'", true},
        {"*=nan", "'*=nan'", true},         {"*=inf", "'*=inf'", true},
        {"*=1x", "'*=1x'", true},           {"*=1 *.gama=1", "'*.gama' matches no", false},
        {"weight=1", "'weight' ma", false}, {"*.mean=1", "'*.mean' matches", false},
    };
    nn_graph *g = nets_parse(optim_net);
    for (size_t c = 0; c < BASE_COUNT(cases); c++) {
        base_err err = {0}, words = {0};
        nn_optim *optim = NULL;
        nn_optim_options o = nn_optim_defaults(NN_ADAM);
        o.decay_groups = cases[c].groups;
        assert_int_equal(nn_optim_new(g, o, &optim, &err), BASE_USAGE);
        assert_null(optim);
        assert_non_null(strstr(err.message, cases[c].named));
        assert_true(err.hint[0]);
        assert_int_equal(nn_decay_factors(NULL, cases[c].groups, NULL, &words),
                         cases[c].word ? BASE_USAGE : BASE_OK);
    }
    char word[400];
    memset(word, 'a', sizeof word);
    strcpy(word + sizeof word - 3, "=1");
    base_err err = {0};
    assert_int_equal(nn_decay_factors(NULL, word, NULL, &err), BASE_USAGE);
    nn_graph_free(g);
}

/* ---- clipping and averaging ---- */

static void gradients_are_clipped_together(void **state)
{
    (void)state;
    nn_graph *g = nets_parse(optim_net);
    size_t n = nn_graph_params(g);
    nn_real grads[MOST], before[MOST];
    double squares = 0;
    random_reals(before, n, 3);
    memcpy(grads, before, sizeof grads);
    bool trained[MOST] = {false};
    for (size_t k = 0; k < 4; k++) {
        const nn_param *q = param_of(g, &tensors[k]);
        for (size_t i = q->offset; i < q->offset + q->count; i++) {
            squares += (double)before[i] * (double)before[i];
            trained[i] = true;
        }
    }
    double norm = sqrt(squares);
    assert_true(fabs(nn_clip_norm(g, grads, norm * 1.0001) - norm) <= 1e-12 * norm);
    assert_memory_equal(grads, before, n * sizeof *grads);
    assert_true(fabs(nn_clip_norm(g, grads, 0.5) - norm) <= 1e-12 * norm);
    for (size_t i = 0; i < n; i++)
        near("clipped", 1, i, grads[i], (double)before[i] * (trained[i] ? 0.5 / norm : 1),
             rounding);
    assert_true(fabs(nn_clip_norm(g, grads, 1) - 0.5) <= rounding);
    nn_graph_free(g);
}

static void norms_that_are_not_finite_are_told(void **state)
{
    (void)state;
    nn_graph *g = nets_parse(optim_net);
    nn_real grads[MOST], before[MOST];
    random_reals(grads, MOST, 4);
    grads[5] = (nn_real)NAN;
    memcpy(before, grads, sizeof grads);
    assert_true(isnan(nn_clip_norm(g, grads, 1)));
    assert_memory_equal(grads, before, sizeof grads);
    grads[5] = (nn_real)INFINITY;
    assert_true(isinf(nn_clip_norm(g, grads, 1)));
    assert_true(grads[6] == before[6]);
    memset(grads, 0, sizeof grads);
    assert_true(nn_clip_norm(g, grads, 1) == 0);
    assert_true(grads[0] == 0);
    nn_graph_free(g);
}

static void averages_forget_their_start(void **state)
{
    (void)state;
    enum { N = 5, STEPS = 400 };
    nn_real average[N] = {100, 100, 100, 100, 100}, w[N];
    double expected[N] = {100, 100, 100, 100, 100};
    for (int t = 0; t < STEPS; t++) {
        double early = (1.0 + t) / (10.0 + t), d = early < 0.9 ? early : 0.9;
        random_reals(w, N, (uint32_t)t);
        nn_average(average, w, N, 0.9, t);
        for (size_t i = 0; i < N; i++) {
            expected[i] = d * expected[i] + (1 - d) * (double)w[i];
            near("average", t, i, average[i], expected[i], 10 * rounding);
        }
        if (t == 0) near("first", 0, 0, average[0], 10 + 0.9 * (double)w[0], rounding);
    }
    for (size_t i = 0; i < N; i++) assert_true(fabs((double)average[i]) < 2);
}

/* ---- schedules ---- */

static void lr_is(const nn_schedule *s, double epoch, double expected)
{
    double lr = nn_schedule_lr(s, epoch);
    if (!(fabs(lr - expected) <= 1e-12))
        fail_msg("kind %d at epoch %g: %.15g, expected %.15g", (int)s->kind, epoch, lr, expected);
}

static void schedules_at_chosen_points(void **state)
{
    (void)state;
    nn_schedule s = {.kind = NN_CONSTANT, .lr = 0.4, .final_lr = 0.1, .warmup = 4, .total = 24};
    for (int kind = NN_CONSTANT; kind <= NN_POLYNOMIAL; kind++) {
        s.kind = (nn_schedule_kind)kind;
        s.step_epochs = 10, s.step_factor = 0.5, s.power = 2;
        lr_is(&s, 0, 0);
        lr_is(&s, 1, 0.1); /* warm-up is a line */
        lr_is(&s, 3, 0.3);
        lr_is(&s, 4, 0.4);
    }
    s.kind = NN_CONSTANT;
    lr_is(&s, 23.9, 0.4);
    s.kind = NN_STEPS;
    lr_is(&s, 9.99, 0.4);
    lr_is(&s, 10, 0.2);
    lr_is(&s, 19.99, 0.2);
    lr_is(&s, 20, 0.1);
    s.kind = NN_EXPONENTIAL;
    lr_is(&s, 14, 0.2); /* geometric mean of 0.4 and 0.1 */
    s.kind = NN_COSINE;
    lr_is(&s, 14, 0.25);
    lr_is(&s, 9, 0.25 + 0.15 * sqrt(0.5));
    s.kind = NN_POLYNOMIAL;
    lr_is(&s, 14, 0.1 + 0.3 / 4);
    lr_is(&s, 19, 0.1 + 0.3 / 16);
    s.power = 0.5;
    lr_is(&s, 14, 0.1 + 0.3 * sqrt(0.5));
}

/* MatchboxNet's: 5 % warm-up, 45 % hold, then half the time of a parabola. The two others that end
 * hold as well. */
static void schedules_hold(void **state)
{
    (void)state;
    static const double half_way[] = {
        [NN_EXPONENTIAL] = 0.2, [NN_COSINE] = 0.25, [NN_POLYNOMIAL] = 0.175};
    nn_schedule s = {.lr = 0.4, .final_lr = 0.1, .warmup = 10, .total = 200, .power = 2};
    s.hold = 90;
    for (size_t kind = 0; kind < BASE_COUNT(half_way); kind++) {
        if (half_way[kind] <= 0) continue;
        s.kind = (nn_schedule_kind)kind;
        lr_is(&s, 5, 0.2);
        for (double e = 10; e <= 100; e += 7.5) lr_is(&s, e, 0.4);
        assert_true(nn_schedule_lr(&s, 101) < 0.4);
        lr_is(&s, 150, half_way[kind]);
    }
}

/* Not nearly: the very number, for whatever rates. */
static void schedules_end_at_their_final_rate(void **state)
{
    (void)state;
    static const nn_schedule_kind ending[] = {NN_EXPONENTIAL, NN_COSINE, NN_POLYNOMIAL};
    base_rng r = base_rng_at(1, BASE_RNG_TEST, 0, 0);
    for (int trial = 0; trial < 3000; trial++) {
        nn_schedule s = {.kind = ending[trial % 3], .power = 0.5 + 3 * base_rng_uniform(&r)};
        s.total = 1 + base_rng_below(&r, 300);
        s.warmup = s.total * 0.4 * base_rng_uniform(&r);
        s.hold = s.total * 0.4 * base_rng_uniform(&r);
        s.lr = base_rng_uniform(&r) + 1e-3;
        s.final_lr = s.lr * (base_rng_uniform(&r) + 1e-3);
        double near_end = nn_schedule_lr(&s, s.total * (1 - 1e-9));
        assert_true(nn_schedule_lr(&s, s.total) == s.final_lr);
        assert_true(nn_schedule_lr(&s, 2 * s.total) == s.final_lr);
        assert_true(fabs(near_end - s.final_lr) < 1e-3 * s.lr);
    }
}

static void schedules_fall_and_never_jump_up(void **state)
{
    (void)state;
    for (int kind = NN_STEPS; kind <= NN_POLYNOMIAL; kind++) {
        nn_schedule s = {.kind = (nn_schedule_kind)kind,
                         .lr = 1,
                         .final_lr = 1e-3,
                         .total = 30,
                         .power = 2,
                         .step_epochs = 7,
                         .step_factor = 0.3,
                         .patience = 2,
                         .plateau = {.best = HUGE_VAL}};
        double before = nn_schedule_lr(&s, 0);
        assert_true(before == 1);
        for (double e = 0.05; e < 31; e += 0.05) {
            double lr = nn_schedule_lr(&s, e);
            assert_true(lr <= before && lr > 0);
            before = lr;
            if (fmod(e, 1) < 0.05) nn_schedule_observe(&s, e, 1);
        }
        assert_true(before < 0.02);
    }
}

/* Validation losses one an epoch, and the rate after each. */
static void plateaus_reduce_the_rate(void **state)
{
    (void)state;
    static const struct {
        double loss, lr;
    } seen[] = {
        {9, 0.1},    {9.5, 0.2}, /* of warm-up; what is worse there does not count, */
        {8.5, 0.4},              /* what is better does */
        {8.45, 0.4},             /* not by enough */
        {8.39, 0.4},             /* this is: 0.11 */
        {8.30, 0.4}, {8.39, 0.4}, {(double)NAN, 0.2}, /* three in a row */
        {8.38, 0.2}, {8.37, 0.2}, {8.25, 0.2},        /* in time */
        {9, 0.2},    {9, 0.2},    {9, 0.15},          /* no less than final_lr */
        {9, 0.15},   {9, 0.15},   {9, 0.15},
    };
    nn_schedule s = {.kind = NN_PLATEAU,
                     .lr = 0.4,
                     .final_lr = 0.15,
                     .warmup = 2,
                     .total = 100,
                     .step_factor = 0.5,
                     .patience = 3,
                     .delta = 0.1,
                     .plateau = {.best = HUGE_VAL}};
    lr_is(&s, 0.5, 0.1);
    for (size_t i = 0; i < BASE_COUNT(seen); i++) {
        nn_schedule_observe(&s, (double)i + 1, seen[i].loss);
        lr_is(&s, i == 0 ? 0.5 : i == 1 ? 1 : (double)i + 1, seen[i].lr);
        nn_schedule copy = {.kind = NN_COSINE, .plateau = s.plateau};
        nn_schedule_observe(&copy, 50, 99);
        assert_int_equal(copy.plateau.waited, s.plateau.waited); /* others do not care */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(optimizers_follow_their_papers),
        cmocka_unit_test(novograd_takes_zero_gradients),
        cmocka_unit_test(optimizers_resume),
        cmocka_unit_test(optimizers_follow_pytorch),
        cmocka_unit_test(decay_groups_pick_parameters),
        cmocka_unit_test(bad_decay_groups_are_refused),
        cmocka_unit_test(gradients_are_clipped_together),
        cmocka_unit_test(norms_that_are_not_finite_are_told),
        cmocka_unit_test(averages_forget_their_start),
        cmocka_unit_test(schedules_at_chosen_points),
        cmocka_unit_test(schedules_hold),
        cmocka_unit_test(schedules_end_at_their_final_rate),
        cmocka_unit_test(schedules_fall_and_never_jump_up),
        cmocka_unit_test(plateaus_reduce_the_rate),
    };
    return cmocka_run_group_tests_name("optim", tests, NULL, NULL);
}
