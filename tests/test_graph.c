/* Graphs and their text: what is refused and in which words, comments and blanks, sticky building,
 * copies, texts mutated at random, and the cost of a known network. */
#include "nn/op.h"
#include "tests/check.h"
#include "tests/nets.h"

#include <stdlib.h>
#include <string.h>

/* ---- refused ---- */

/* Every word must occur in the message or the hint. */
typedef struct bad_graph {
    const char *text, *words[5];
} bad_graph;

static const bad_graph bad[] = {
    /* shapes */
    {"x = input 5x9x2; c9 = conv2d(x) out=4 kernel=7 pad=valid", {"conv2d", "'c9'", "7", "5"}},
    {"x = input 9x5x2; c9 = conv2d(x) out=4 kernel=3x7 pad=valid", {"conv2d", "'c9'", "7", "5"}},
    {"x = input 8x8x2; c = conv2d(x) out=4 kernel=3 dilation=4 pad=valid", {"'c'", "3", "9", "8"}},
    {"x = input 5x5x2; d = dwconv2d(x) kernel=6 pad=valid", {"dwconv2d", "'d'", "6", "5"}},
    {"x = input 4x4x1; p = avgpool(x) kernel=5x2", {"avgpool", "'p'", "5", "4"}},
    {"x = input 4x4x1; p = maxpool(x) kernel=2x5", {"maxpool", "'p'", "5", "4"}},
    {"x = input 5x5x6; c = conv2d(x) out=8 kernel=3 groups=4", {"'c'", "groups", "4", "6", "8"}},
    {"x = input 5x5x8; c = conv2d(x) out=6 kernel=3 groups=4", {"'c'", "groups", "4", "6", "8"}},
    {"x = input 12; c = conv2d(x) out=6 kernel=3", {"conv2d", "'c'", "'x'", "12", "3"}},
    {"x = input 5x5x5x5; c = conv2d(x) out=6 kernel=3", {"conv2d", "'c'", "5x5x5x5", "3"}},
    {"x = input 5x2; d = dwconv2d(x) kernel=3", {"dwconv2d", "'d'", "5x2"}},
    {"x = input 5; g = globalpool(x)", {"globalpool", "'g'", "'x'", "5"}},
    {"x = input 5x4x3; y = dense(x) out=2", {"dense", "'y'", "5x4x3", "flatten"}},
    {"x = input 40; y = gru(x) units=4", {"gru", "'y'", "'x'", "40", "time"}},
    {"x = input 40; y = lstm(x) units=4", {"lstm", "'y'", "'x'", "40", "time"}},
    {"x = input 40; y = svdf(x) units=4 memory=2", {"svdf", "'y'", "'x'", "40", "time"}},
    {"x = input 4x1x9; y = svdf(x) units=2 memory=5 causal=no", {"'y'", "memory=5", "4", "causal"}},
    {"x = input 4x1x99999; y = gru(x) units=65536", {"gru", "weight", "99999x196608"}},
    {"x = input 5x4x3; z = input 5x4x2; y = add(x, z)", {"add", "'y'", "5x4x3", "5x4x2"}},
    {"x = input 5; z = input 5x1; y = add(x, z)", {"add", "'y'", "5x1"}},
    {"x = input 5; t = input 6; l = cross_entropy(x, t)", {"cross_entropy", "'l'", "5", "6"}},
    {"x = input 5x1; t = input 5x1; l = cross_entropy(x, t)", {"cross_entropy", "'l'", "5x1"}},
    {"x = input 5x4; z = input 5x3; y = concat(x, z) axis=0", {"concat", "'y'", "5x4", "5x3", "0"}},
    {"x = input 5x4; z = input 5x4x1; y = concat(x, z) axis=1", {"concat", "'y'", "'z'", "5x4x1"}},
    {"x = input 5x4; y = concat(x, x) axis=2", {"concat", "'y'", "axis 2", "'x'", "5x4"}},
    {"x = input 5x4; y = concat(x, x) axis=4", {"concat", "'y'", "axis=4"}},
    {"x = input 5x4; y = concat(x) axis=0", {"concat", "'y'", "2 to 8 inputs", "1"}},
    {"x = input 5; y = concat(x, x, x, x, x, x, x, x, x) axis=0", {"concat", "8"}},
    {"x = input 16777216x16; y = concat(x, x) axis=0", {"concat", "'y'", "33554432x16"}},
    {"x = input 5x4; y = slice(x) axis=2 size=1", {"slice", "'y'", "axis 2", "'x'", "5x4"}},
    {"x = input 5x4; y = slice(x) axis=0 begin=3 size=3", {"'y'", "begin=3", "size=3", "5x4"}},
    {"x = input 5x4; y = slice(x) axis=0 size=0", {"slice", "'y'", "size=0"}},
    {"x = input 5x4; y = slice(x) axis=0 begin=-1 size=2", {"slice", "begin=-1", "0 to 16777216"}},
    {"x = input 5x4; y = split(x) axis=3 parts=2 part=0", {"split", "'y'", "axis 3", "5x4"}},
    {"x = input 5x4; y = split(x) axis=0 parts=2 part=0", {"'y'", "parts=2", "axis 0", "5x4"}},
    {"x = input 5x4; y = split(x) axis=1 parts=2 part=2", {"split", "'y'", "part=2", "0 to 1"}},
    {"x = input 49x10x1; y = reshape(x) shape=49x11", {"'y'", "539", "49x11", "49x10x1", "490"}},
    {"x = input 16; y = reshape(x) shape=65536x65536x65536x65536", {"'y'", "18446744073709551616"}},
    {"x = input 5x4x3; y = transpose(x) order=0,1", {"transpose", "'y'", "order=0,1", "5x4x3"}},
    {"x = input 5x4x3; y = transpose(x) order=0,2,2", {"'y'", "order=0,2,2", "0 to 2"}},
    {"x = input 5x4x3; y = transpose(x) order=1,2,3", {"'y'", "order=1,2,3", "0 to 2"}},
    {"x = input 5x4; y = pad(x) pad=1,1,1,1", {"pad", "'y'", "5x4", "3"}},
    {"x = input 5x4x3; y = pad(x) pad=same", {"pad", "'y'", "pad=same", "top,bottom,left,right"}},
    {"x = input 5x4x3; y = max(x) axes=3", {"max", "'y'", "axis 3", "5x4x3"}},
    {"x = input 5x4x3; y = max(x) axes=1,1", {"max", "'y'", "axis 1", "twice"}},
    {"x = input 5x4; z = input 5x4; y = matmul(x, z)", {"matmul", "'y'", "'x'", "'z'", "5x4"}},
    {"x = input 5x4; z = input 4x5; y = matmul(x, z) transpose=yes", {"'y'", "4x5 transposed"}},
    {"x = input 2x5x4; z = input 3x4x5; y = matmul(x, z)", {"matmul", "'y'", "2x5x4", "3x4x5"}},
    {"x = input 2x5x4; z = input 4x5; y = matmul(x, z)", {"matmul", "'y'", "2x5x4", "4x5"}},
    {"x = input 4; z = input 4; y = matmul(x, z)", {"matmul", "'y'", "4"}},
    {"x = input 9x4; y = dtw(x) out=2 each=3 nearest=4", {"dtw", "'y'", "nearest=4", "each=3"}},
    {"x = input 1x300000; y = dtw(x) out=1 each=2 nearest=2", {"'y'", "300000", "263172", "=2"}},
    /* attributes */
    {"x = input 5x5x2; c = conv2d(x) out=4 kernal=3", {"conv2d", "'c'", "kernal", "'kernel'"}},
    {"x = input 5x5x2; c = conv2d(x) out=4 kernel=3 xyzzy=1", {"conv2d", "'c'", "xyzzy"}},
    {"x = input 5x5x2; c = conv2d(x) kernel=3", {"conv2d", "'c'", "out"}},
    {"x = input 5x5x2; c = conv2d(x) out=4", {"conv2d", "'c'", "kernel"}},
    {"x = input 5; y = dense(x)", {"dense", "'y'", "out"}},
    {"x = input 5; y = dense(x) out=0", {"dense", "'y'", "out=0"}},
    {"x = input 5; y = dense(x) out=-3", {"dense", "'y'", "out=-3"}},
    {"x = input 5; y = dense(x) out=4.5", {"dense", "'y'", "out=4.5"}},
    {"x = input 5; y = dense(x) out=", {"dense", "'y'", "out="}},
    {"x = input 5; y = dense(x) out=99999999999999999999", {"dense", "out=99999999999999999999"}},
    {"x = input 9x4; y = dtw(x) out=2 nearest=0", {"dtw", "'y'", "nearest=0", "1 to 4096"}},
    {"x = input 4x1x3; y = gru(x) units=0", {"gru", "'y'", "units=0"}},
    {"x = input 4x1x3; y = lstm(x) units=4 projection=-1", {"lstm", "projection=-1"}},
    {"x = input 4x1x3; y = svdf(x) units=4", {"svdf", "'y'", "memory"}},
    {"x = input 5; y = dense(x) out=4 out=4", {"dense", "'y'", "out", "twice"}},
    {"x = input 5; y = dense(x) out=4 bias=maybe", {"dense", "'y'", "bias=maybe", "yes", "no"}},
    {"x = input 5x5x2; c = conv2d(x) out=4 kernel=3 stride=-1", {"'c'", "stride=-1"}},
    {"x = input 5x5x2; c = conv2d(x) out=4 kernel=3 stride=0x2", {"'c'", "stride=0x2"}},
    {"x = input 5x5x2; c = conv2d(x) out=4 kernel=3x", {"'c'", "kernel=3x"}},
    {"x = input 5x5x2; c = conv2d(x) out=4 kernel=3x3x3", {"'c'", "kernel=3x3x3"}},
    {"x = input 5x5x2; c = conv2d(x) out=4 kernel=3 pad=full",
     {"'c'", "pad=full", "same", "valid"}},
    {"x = input 5x5x2; c = conv2d(x) out=4 kernel=3 pad=1,1", {"'c'", "pad=1,1"}},
    {"x = input 5x5x2; c = conv2d(x) out=4 kernel=3 pad=1,1,1,-1", {"'c'", "pad=1,1,1,-1"}},
    {"x = input 5x5x2; c = conv2d(x) out=4 kernel=3 pad=3,0,0,0", {"'c'", "3", "kernel"}},
    {"x = input 5x5x2; c = conv2d(x) out=4 kernel=3 groups=0", {"'c'", "groups=0"}},
    {"x = input 5; d = dropout(x) rate=1", {"dropout", "'d'", "rate=1"}},
    {"x = input 5; d = dropout(x) rate=nan", {"dropout", "'d'", "rate=nan"}},
    {"x = input 5; c = clip(x) lo=3 hi=-2", {"clip", "'c'", "lo=3", "hi=-2"}},
    {"x = input 5; c = clip(x) lo=1 hi=1", {"clip", "'c'", "lo=1", "hi=1"}},
    {"x = input 5; c = clip(x) lo=1", {"clip", "'c'", "hi"}},
    {"x = input 5; d = noise(x) sigma=-1", {"noise", "'d'", "sigma=-1"}},
    {"x = input 5; d = layernorm(x) eps=0", {"layernorm", "'d'", "eps=0"}},
    {"x = input 5; c = class_token(x)", {"class_token", "'c'", "'x'", "5"}},
    {"x = input 5x2x3; c = class_token(x)", {"class_token", "'c'", "'x'", "5x2x3", "Tx1xC"}},
    {"x = input 5; d = batchnorm(x) eps=-1", {"batchnorm", "'d'", "eps=-1"}},
    {"x = input 5; t = input 5; l = cross_entropy(x, t) smoothing=2", {"'l'", "smoothing=2"}},
    {"x = input", {"input", "'x'"}},
    {"x = input 0x4x1", {"input", "'x'", "0x4x1"}},
    {"x = input 4x4x4x4x4", {"input", "'x'", "4x4x4x4x4"}},
    {"x = input 60000x60000x9", {"'x'", "60000x60000x9"}},
    {"x = input 5 6", {"input", "'x'", "shape", "twice"}},
    {"x = input 99999; y = dense(x) out=65536", {"dense", "'y'", "99999x65536"}},
    /* nodes */
    {"x = input 5; y = rellu(x)", {"unknown operator", "'rellu'", "'relu'"}},
    {"x = input 5; y = frobnicate(x)", {"unknown operator", "'frobnicate'"}},
    {"x = input 5; y = relu(z)", {"relu", "'z'"}},
    {"first = input 5; y = relu(frist)", {"relu", "'frist'", "'first'"}},
    {"y = relu(y)", {"relu", "'y'"}},
    {"x = input 5; y = relu()", {"relu"}},
    {"x = input 5; y = relu", {"relu", "'y'", "1 input", "0"}},
    {"x = input 5; y = relu(x, x)", {"relu", "'y'", "1 input", "2"}},
    {"x = input 5; y = add(x)", {"add", "'y'", "2 inputs", "1"}},
    {"x = input 5; y = add(x, x, x, x, x, x)", {"add"}},
    {"x = input 5; y = input(x) 5", {"input", "'y'", "0 inputs", "1"}},
    {"x = input 5; x = relu(x)", {"'x'", "twice"}},
    {"x = input 5; 9$ = relu(x)", {"'9$'", "name"}},
    {"x = input 5; y z = relu(x)", {"y"}},
    {"x = input 5; = relu(x)", {"name"}},
    {"x = input 5; y =", {"'y'", "operator"}},
    {"x = input 5; y = relu(x", {"relu", "')'"}},
    {"x = input 5; y", {"'y'"}},
    {"", {"no nodes"}},
    {" ; ; # nothing", {"no nodes"}},
};

static void words_must_occur(const bad_graph *b, const base_err *err)
{
    char all[1024];
    snprintf(all, sizeof all, "%s | %s", err->message, err->hint);
    for (size_t w = 0; w < BASE_COUNT(b->words) && b->words[w]; w++)
        if (!strstr(all, b->words[w]))
            fail_msg("\"%s\"\nsays: %s\nwithout: %s", b->text, all, b->words[w]);
}

static void bad_graphs_are_refused_in_words(void **state)
{
    (void)state;
    for (size_t i = 0; i < BASE_COUNT(bad); i++) {
        base_err err = {0};
        nn_graph *g = NULL;
        base_status status = nn_parse(bad[i].text, "kws.net", &g, &err);
        if (status == BASE_OK) fail_msg("accepted: \"%s\"", bad[i].text);
        assert_null(g);
        assert_int_equal(status, BASE_USAGE);
        assert_int_equal(err.status, BASE_USAGE);
        assert_int_equal(strncmp(err.message, "kws.net:1: ", 11), 0);
        words_must_occur(&bad[i], &err);
    }
}

static void errors_name_file_and_line(void **state)
{
    (void)state;
    base_err err = {0};
    nn_graph *g;
    nn_parse("# a net\nx = input 5\n\nr = relu(x); y = dense(r)\nz = relu(y)", "a.net", &g, &err);
    assert_int_equal(strncmp(err.message, "a.net:4: dense 'y'", 18), 0);
    nn_parse("x = inputt 5", NULL, &g, &err);
    assert_int_equal(strncmp(err.message, "graph:1: ", 9), 0);
}

static nn_graph *parsed(const char *text)
{
    base_err err = {0};
    nn_graph *g = NULL;
    if (nn_parse(text, NULL, &g, &err) != BASE_OK) fail_msg("%s: %s", text, err.message);
    return g;
}

/* ---- text ---- */

static void prints_as(const nn_graph *g, const char *expected)
{
    base_str s = {0};
    nn_print(g, &s);
    assert_string_equal(s.s, expected);
    base_str_free(&s);
}

/* Blanks, carriage returns, comments with any character in them, defaults spelled out. */
static void layout_does_not_matter(void **state)
{
    (void)state;
    static const char *const same[] = {
        "x = input 6x5x2\ny = maxpool(x) kernel=2x3\nz=flatten(y)\n",
        "x=input 6x5x2;y=maxpool(x)kernel=2x3;z=flatten( y )",
        "\r\n x =\tinput   6x5x2 # 4; b\r\n\ny=maxpool( x ) kernel=2x3 #; z\r\n#\nz=flatten(y)",
    };
    base_str first = {0};
    for (size_t i = 0; i < BASE_COUNT(same); i++) {
        nn_graph *g = parsed(same[i]);
        if (i == 0) nn_print(g, &first);
        prints_as(g, first.s);
        nn_graph_free(g);
    }
    base_str_free(&first);
}

static void attribute_is(const nn_node *n, const char *key, const char *expected)
{
    base_str s = {0};
    assert_true(nn_attr_get(n, key, &s));
    assert_string_equal(s.s, expected);
    base_str_free(&s);
}

static void attributes_read_back_as_text(void **state)
{
    (void)state;
    nn_graph *g = parsed("x = input 9x9x4; c = conv2d(x) out=8 kernel=3 stride=2x1 pad=1,0,1,1 "
                         "bias=no groups=2; d = dropout(c) rate=0.125");
    const nn_node *c = nn_graph_find(g, "c");
    attribute_is(c, "out", "8");
    attribute_is(c, "kernel", "3x3");
    attribute_is(c, "stride", "2x1");
    attribute_is(c, "dilation", "1x1");
    attribute_is(c, "pad", "1,0,1,1");
    attribute_is(c, "bias", "no");
    attribute_is(nn_graph_find(g, "d"), "rate", "0.125");
    base_str s = {0};
    assert_false(nn_attr_get(c, "rate", &s));
    base_str_free(&s);
    nn_graph_free(g);
}

/* Reals print with as many digits as they need to come back as the same double. */
static void reals_round_trip(void **state)
{
    (void)state;
    base_rng r = base_rng_at(1, BASE_RNG_TEST, 0, 0);
    for (int i = 0; i < 300; i++) {
        char text[128];
        base_str s = {0};
        double rate = base_rng_uniform(&r) * (i % 2 ? 0.9 : 1e-9), back = -1;
        snprintf(text, sizeof text, "x = input 5; d = dropout(x) rate=%.17g", rate);
        nn_graph *g = parsed(text);
        assert_true(nn_attr_get(nn_graph_output(g), "rate", &s));
        assert_true(base_parse_double(s.s, &back));
        assert_true(back == rate);
        base_str_free(&s);
        nn_graph_free(g);
    }
}

/* ---- building by calls ---- */

static void the_first_error_sticks(void **state)
{
    (void)state;
    base_err err = {0};
    nn_graph *g = nn_graph_new();
    nn_node *x = nn_input(g, "5x5x2");
    nn_node *c = nn_conv2d(x, "c1", "out=4 kernel=%d pad=valid", 6);
    assert_null(c);
    assert_null(nn_relu(nn_batchnorm(c, "b1"), "r1"));
    assert_null(nn_dense(x, "wrong_too", "out=%d", -1));
    assert_int_equal(nn_graph_check(g, &err), BASE_USAGE);
    assert_non_null(strstr(err.message, "conv2d 'c1'"));
    assert_null(strstr(err.message, "wrong_too"));
    nn_graph_free(g);
    g = nn_graph_new();
    assert_int_equal(nn_graph_check(g, &err), BASE_USAGE);
    nn_graph_free(g);
}

static void calls_and_text_build_the_same(void **state)
{
    (void)state;
    base_err err = {0};
    nn_graph *g = nn_graph_new();
    nn_node *x = nn_input(g, "6x5x2");
    nn_node *c = nn_conv2d(x, "c", "out=%d kernel=3x3", 4), *r = nn_relu(c, "r");
    nn_node *y = nn_dense(nn_globalpool(nn_add(c, r, "s"), "p"), "y", "out=3");
    assert_int_equal(nn_graph_check(g, &err), BASE_OK);
    assert_ptr_equal(nn_graph_output(g), y);
    assert_ptr_equal(nn_graph_input(g, 0), x);
    assert_null(nn_graph_input(g, 1));
    nn_graph *t = parsed("x = input 6x5x2; c = conv2d(x) out=4 kernel=3x3; r = relu(c);"
                         "s = add(c, r); p = globalpool(s); y = dense(p) out=3");
    base_str s = {0};
    nn_print(t, &s);
    prints_as(g, s.s);
    base_str_free(&s);
    nn_graph_free(t);
    nn_graph_free(g);
}

/* Nodes without a name get one that is free. */
static void names_are_made_up_and_different(void **state)
{
    (void)state;
    nn_graph *g = nn_graph_new();
    nn_node *n = nn_input(g, "4"), *named = nn_relu(n, "relu1");
    for (int i = 0; i < 5; i++) {
        n = nn_relu(named, i % 2 ? NULL : "");
        assert_non_null(n);
        assert_ptr_equal(nn_graph_find(g, n->name), n);
    }
    nn_graph_free(g);
}

static void copies_take_changes(void **state)
{
    (void)state;
    nn_graph *g = parsed("x = input 6x5x2; c = conv2d(x) out=4 kernel=3x2 bias=no pad=valid");
    nn_graph *h = nn_graph_new();
    nn_node *x = nn_input(h, "9x9x3");
    const nn_node *c = nn_copy(h, nn_graph_find(g, "c"), &x, "bias=yes out=7");
    assert_non_null(c);
    attribute_is(c, "bias", "yes");
    attribute_is(c, "out", "7");
    attribute_is(c, "kernel", "3x2");
    attribute_is(c, "pad", "valid");
    assert_true(nn_same_shape(c->shape, (nn_shape){3, {7, 8, 7}}));
    assert_null(nn_copy(h, nn_graph_find(g, "c"), &x, "")); /* the name is taken */
    nn_graph_free(h);
    nn_graph_free(g);
}

/* ---- texts mutated at random ---- */

/* One change: a byte dropped, doubled, replaced, a number blown up, a piece moved. */
static void mutate(char *s, size_t size, base_rng *r)
{
    static const char alphabet[] = "=x0123456789,;()#\n -.eabkps_\t\x80";
    static const char *const numbers[] = {
        "99999999999", "-1",  "0",           "2147483647",
        "1e309",       "0x0", "46341x46341", "65536x65536x65536x65536"};
    size_t n = strlen(s), at = base_rng_below(r, (uint32_t)n + 1);
    char tail[4096];
    snprintf(tail, sizeof tail, "%s", s + at);
    const char *insert = numbers[base_rng_below(r, BASE_COUNT(numbers))];
    char one[2] = {alphabet[base_rng_below(r, sizeof alphabet - 1)], 0};
    switch (base_rng_below(r, 5)) {
    case 0: snprintf(s + at, size - at, "%s", tail[0] ? tail + 1 : ""); break;
    case 1: snprintf(s + at, size - at, "%s%s", one, tail); break;
    case 2: snprintf(s + at, size - at, "%s%s", one, tail[0] ? tail + 1 : ""); break;
    case 3: snprintf(s + at, size - at, "%s%s", insert, tail + strspn(tail, "0123456789")); break;
    default: s[at] = '\0';
    }
}

/* What is accepted prints to a fixed point; what is refused says why. */
static void judge(const char *text)
{
    base_err err = {0};
    nn_graph *g = NULL;
    if (nn_parse(text, "fuzz", &g, &err) != BASE_OK) {
        if (err.status != BASE_USAGE || !err.message[0]) fail_msg("no reason: \"%s\"", text);
        return;
    }
    base_str s = {0};
    nn_print(g, &s);
    nn_graph *again = parsed(s.s);
    prints_as(again, s.s);
    nn_cost cost = nn_graph_cost(g);
    if (cost.macs < 0 || cost.outputs < 0) fail_msg("negative cost: \"%s\"", text);
    nn_graph_free(again);
    nn_graph_free(g);
    base_str_free(&s);
}

static void mutated_cases_never_crash(void **state)
{
    (void)state;
    base_rng r = base_rng_at(3, BASE_RNG_TEST, 0, 0);
    for (int i = 0; i < nn_n_ops; i++)
        for (int k = 0; k < nn_ops[i]->n_cases; k++)
            for (int m = 0; m < 300; m++) {
                char text[2048];
                snprintf(text, sizeof text, "%s", nn_ops[i]->cases[k]);
                for (uint32_t times = 1 + base_rng_below(&r, 4); times > 0; times--)
                    mutate(text, sizeof text, &r);
                judge(text);
            }
}

static void long_texts_are_refused_or_fine(void **state)
{
    (void)state;
    base_str s = {0};
    base_str_add(&s, "n0 = input 3");
    for (int i = 1; i < 500; i++) base_str_add(&s, "; n%d = relu(n%d)", i, i - 1);
    nn_graph *g = parsed(s.s);
    assert_int_equal(nn_graph_nodes(g), 500);
    nn_graph_free(g);
    s.len = 0;
    while (s.len < 1000) base_str_add(&s, "a");
    base_str_add(&s, " = input 3");
    base_err err = {0};
    assert_int_equal(nn_parse(s.s, NULL, &g, &err), BASE_USAGE); /* a name of 1000 letters */
    base_str_free(&s);
}

/* ---- cost ---- */

static void attributes_are_never_cut(void **state)
{
    (void)state;
    base_err err = {0};
    nn_graph *g = nn_graph_new();
    nn_node *x = nn_input(g, "4x3x2");
    assert_null(nn_conv2d(x, "c", "out=1%600s kernel=3x3", " "));
    assert_int_equal(nn_graph_check(g, &err), BASE_USAGE);
    assert_non_null(strstr(err.message, "conv2d 'c'"));
    nn_graph_free(g);
}

/* DS-CNN of MLPerf Tiny: 2,656,768 MACs (the literature counts taps on padding too) and 24,908
 * parameters with batchnorm's statistics, 22,604 weights and biases once it is folded. */
static void ds_cnn_costs_what_is_published(void **state)
{
    (void)state;
    nn_graph *g = nets_parse(nets_kws);
    nn_cost cost = nn_graph_cost(g);
    assert_int_equal(cost.macs, 2656768);
    assert_int_equal(nn_graph_params(g), 22604);
    assert_int_equal(cost.weights + cost.biases, 22604);
    assert_int_equal(nn_graph_trainable(g), 22604);
    nn_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_graphs_are_refused_in_words),
        cmocka_unit_test(errors_name_file_and_line),
        cmocka_unit_test(layout_does_not_matter),
        cmocka_unit_test(attributes_read_back_as_text),
        cmocka_unit_test(reals_round_trip),
        cmocka_unit_test(the_first_error_sticks),
        cmocka_unit_test(calls_and_text_build_the_same),
        cmocka_unit_test(names_are_made_up_and_different),
        cmocka_unit_test(copies_take_changes),
        cmocka_unit_test(mutated_cases_never_crash),
        cmocka_unit_test(long_texts_are_refused_or_fine),
        cmocka_unit_test(attributes_are_never_cut),
        cmocka_unit_test(ds_cnn_costs_what_is_published),
    };
    return cmocka_run_group_tests_name("graph", tests, NULL, NULL);
}
