/* XNNPACK's side of `make bench`: MLPerf Tiny's DS-CNN with random weights, microseconds a clip,
 * the median of seven rounds.
 *
 * usage: xnnpack_infer float|int8 BATCH THREADS     (Debian: libxnnpack-dev,
 * libpthreadpool-dev; bench/table.sh builds it)
 */
#include <math.h>
#include <pthreadpool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <xnnpack.h>

enum { CHANNELS = 64, CLASSES = 12, ROUNDS = 7, SLACK = 64 };

typedef struct builder {
    xnn_subgraph_t graph;
    int int8;
    size_t batch;
} builder;

static void must(enum xnn_status status, const char *what)
{
    if (status == xnn_status_success) return;
    fprintf(stderr, "xnnpack_infer: %s: status %d\n", what, (int)status);
    exit(1);
}

static uint32_t activation(builder *b, size_t rank, const size_t *dims, uint32_t external,
                           uint32_t flags)
{
    uint32_t id;
    if (b->int8)
        must(xnn_define_quantized_tensor_value(b->graph, xnn_datatype_qint8, -128, 0.05f, rank,
                                               dims, NULL, external, flags, &id),
             "tensor");
    else
        must(xnn_define_tensor_value(b->graph, xnn_datatype_fp32, rank, dims, NULL, external, flags,
                                     &id),
             "tensor");
    return id;
}

/* Kept until the process ends: the graph points at it. */
static float *scales(size_t n, float scale)
{
    float *s = calloc(n, sizeof *s);
    for (size_t i = 0; i < n; i++) s[i] = scale * (float)(64 + i % 64);
    return s;
}

/* Per channel; a dense layer's per tensor, which is all that it takes. */
static void int8_weights(builder *b, size_t rank, const size_t *dims, size_t channel,
                         const int8_t *w, const int32_t *bias, uint32_t id[2])
{
    const size_t *out = &dims[channel];
    const uint32_t inner = XNN_INVALID_VALUE_ID;
    if (rank == 2) {
        must(xnn_define_quantized_tensor_value(b->graph, xnn_datatype_qint8, 0, 1e-3f, rank, dims,
                                               w, inner, 0, &id[0]),
             "weights");
        must(xnn_define_quantized_tensor_value(b->graph, xnn_datatype_qint32, 0, 5e-5f, 1, out,
                                               bias, inner, 0, &id[1]),
             "bias");
        return;
    }
    must(xnn_define_channelwise_quantized_tensor_value(b->graph, xnn_datatype_qcint8,
                                                       scales(*out, 1e-5f), rank, channel, dims, w,
                                                       inner, 0, &id[0]),
         "weights");
    must(xnn_define_channelwise_quantized_tensor_value(b->graph, xnn_datatype_qcint32,
                                                       scales(*out, 5e-7f), 1, 0, out, bias, inner,
                                                       0, &id[1]),
         "bias");
}

/* Weights whose axis `channel` is the output, and their bias. */
static void weights(builder *b, size_t rank, const size_t *dims, size_t channel, uint32_t id[2])
{
    size_t n = 1, out = dims[channel];
    for (size_t i = 0; i < rank; i++) n *= dims[i];
    if (b->int8) {
        int8_t *w = calloc(n + SLACK, 1);
        int32_t *bias = calloc(out + SLACK, sizeof *bias);
        for (size_t i = 0; i < n; i++) w[i] = (int8_t)(rand() % 255 - 127);
        int8_weights(b, rank, dims, channel, w, bias, id);
        return;
    }
    float *w = calloc(n + SLACK, sizeof *w), *bias = calloc(out + SLACK, sizeof *bias);
    for (size_t i = 0; i < n; i++) w[i] = (float)rand() / (float)RAND_MAX - 0.5f;
    must(xnn_define_tensor_value(b->graph, xnn_datatype_fp32, rank, dims, w, XNN_INVALID_VALUE_ID,
                                 0, &id[0]),
         "weights");
    must(xnn_define_tensor_value(b->graph, xnn_datatype_fp32, 1, &out, bias, XNN_INVALID_VALUE_ID,
                                 0, &id[1]),
         "bias");
}

static uint32_t map(builder *b)
{
    return activation(b, 4, (size_t[]){b->batch, 25, 5, CHANNELS}, XNN_INVALID_VALUE_ID, 0);
}

static uint32_t dense_layers(builder *b, uint32_t x)
{
    uint32_t w[2], y = map(b);
    weights(b, 4, (size_t[]){CHANNELS, 10, 4, 1}, 0, w);
    must(xnn_define_convolution_2d(b->graph, 4, 1, 5, 1, 10, 4, 2, 2, 1, 1, 1, 1, CHANNELS, 0,
                                   INFINITY, x, w[0], w[1], y, 0),
         "convolution");
    for (int i = 0; i < 4; i++) {
        uint32_t d = map(b), p = map(b);
        weights(b, 4, (size_t[]){1, 3, 3, CHANNELS}, 3, w);
        must(xnn_define_depthwise_convolution_2d(b->graph, 1, 1, 1, 1, 3, 3, 1, 1, 1, 1, 1,
                                                 CHANNELS, 0, INFINITY, y, w[0], w[1], d, 0),
             "depthwise");
        weights(b, 4, (size_t[]){CHANNELS, 1, 1, CHANNELS}, 0, w);
        must(xnn_define_convolution_2d(b->graph, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, CHANNELS,
                                       CHANNELS, 0, INFINITY, d, w[0], w[1], p, 0),
             "pointwise");
        y = p;
    }
    return y;
}

static xnn_runtime_t build(builder *b, void *in, void *out, int threads)
{
    xnn_runtime_t runtime;
    uint32_t w[2];
    must(xnn_create_subgraph(2, 0, &b->graph), "graph");
    uint32_t x =
        activation(b, 4, (size_t[]){b->batch, 49, 10, 1}, 0, XNN_VALUE_FLAG_EXTERNAL_INPUT);
    uint32_t y = activation(b, 2, (size_t[]){b->batch, CLASSES}, 1, XNN_VALUE_FLAG_EXTERNAL_OUTPUT);
    uint32_t pooled = activation(b, 2, (size_t[]){b->batch, CHANNELS}, XNN_INVALID_VALUE_ID, 0);
    must(xnn_define_global_average_pooling_2d(b->graph, -INFINITY, INFINITY, dense_layers(b, x),
                                              pooled, 0),
         "pooling");
    weights(b, 2, (size_t[]){CLASSES, CHANNELS}, 0, w);
    must(xnn_define_fully_connected(b->graph, -INFINITY, INFINITY, pooled, w[0], w[1], y, 0),
         "dense");
    pthreadpool_t pool = threads > 1 ? pthreadpool_create((size_t)threads) : NULL;
    must(xnn_create_runtime_v2(b->graph, pool, 0, &runtime), "runtime");
    struct xnn_external_value ends[] = {{0, in}, {1, out}};
    must(xnn_setup_runtime(runtime, 2, ends), "setup");
    return runtime;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    if (argc != 4) return fprintf(stderr, "usage: xnnpack_infer float|int8 BATCH THREADS\n"), 2;
    builder b = {.int8 = strcmp(argv[1], "int8") == 0, .batch = strtoul(argv[2], NULL, 10)};
    must(xnn_initialize(NULL), "initialize");
    void *in = calloc(b.batch * 490 + SLACK, 4), *out = calloc(b.batch * CLASSES + SLACK, 4);
    xnn_runtime_t runtime = build(&b, in, out, atoi(argv[3]));
    double rounds[ROUNDS];
    for (int r = -1; r < ROUNDS; r++) {
        double start = now(), spent;
        long calls = 0;
        do {
            must(xnn_invoke_runtime(runtime), "run");
            calls++;
        } while ((spent = now() - start) < 0.15);
        if (r >= 0) rounds[r] = 1e6 * spent / (double)calls / (double)b.batch;
    }
    qsort(rounds, ROUNDS, sizeof *rounds, by_value);
    printf("%.2f\n", rounds[ROUNDS / 2]);
    return 0;
}
