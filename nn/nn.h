/* nn: graphs of operators with reverse-mode automatic differentiation.
 *
 *   graph   what is computed: nodes with shapes and parameters, from text or constructors
 *   net     a graph with weights, gradients and a memory plan, run on batches by a thread pool
 *   optim   weights from gradients; schedule: the learning rate of a step
 *   model   a graph with weights, labels and feature settings, in a file
 *
 * Layout is batch-major, then time, frequency, channel (NHWC). Shapes are per sample; the batch is
 * never part of a shape. Compiled with -DNN_DOUBLE the same sources compute in double, so that
 * gradient checks see 1e-7.
 */
#ifndef NN_NN_H
#define NN_NN_H

#include "nn/base.h"

#ifdef NN_DOUBLE
typedef double nn_real;
#define NN_H5_REAL H5_F64
#else
typedef float nn_real;
#define NN_H5_REAL H5_F32
#endif

enum { NN_MAX_DIMS = 4, NN_MAX_IN = 8, NN_MAX_PARAMS = 8, NN_MAX_NAME = 48 };

/* The dimensions of one sample, e.g. 49x10x1 or 12. */
typedef struct nn_shape {
    int n;
    int d[NN_MAX_DIMS];
} nn_shape;
int64_t nn_count(nn_shape s); /* number of elements */
bool nn_same_shape(nn_shape a, nn_shape b);
const char *nn_shape_text(nn_shape s, char buf[64]); /* "49x10x1" in buf */

/* ---- graph ---- */

/* What a parameter is for decides who changes it: weights are decayed, gains and biases are
 * not, statistics (running mean and variance) follow what the forward pass observed, structure
 * (what a tree asks for) has no gradient and stays as it is. */
typedef enum nn_role { NN_WEIGHT, NN_BIAS, NN_GAIN, NN_STATISTIC, NN_STRUCTURE } nn_role;
/* Whether training changes it by its gradient. */
static inline bool nn_role_trained(nn_role role)
{
    return role != NN_STATISTIC && role != NN_STRUCTURE;
}
typedef enum nn_init {
    NN_ZEROS,
    NN_ONES,
    NN_FORGET_BIAS, /* the second of four equal parts is 1, the others are 0 */
    NN_NORMAL,      /* of standard deviation 0.02, drawn again beyond 0.04 */
    NN_HE_UNIFORM,
    NN_GLOROT_UNIFORM
} nn_init;

typedef struct nn_param {
    const char *name; /* "weight", static */
    nn_shape shape;
    nn_role role;
    nn_init init;
    int fan_in, fan_out;
    size_t offset, count; /* place in the block of all parameters */
} nn_param;

typedef struct nn_op nn_op;
typedef struct nn_graph nn_graph;
typedef struct nn_node nn_node;
struct nn_node {
    const nn_op *op;
    nn_graph *graph;
    char name[NN_MAX_NAME];
    int index; /* position in the graph; inputs come before */
    nn_node *in[NN_MAX_IN];
    int n_in;
    void *attrs; /* the operator's own struct */
    nn_shape shape;
    nn_param param[NN_MAX_PARAMS];
    int n_params;
    int line; /* in the text it came from, 0 if built by calls */
};

nn_graph *nn_graph_new(void); /* NULL: no memory */
void nn_graph_free(nn_graph *g);
int nn_graph_nodes(const nn_graph *g);
nn_node *nn_graph_node(const nn_graph *g, int i);
nn_node *nn_graph_find(const nn_graph *g, const char *name); /* NULL when absent */
nn_node *nn_graph_output(const nn_graph *g);                 /* the last node */
nn_node *nn_graph_input(const nn_graph *g, int k);           /* k-th input node or NULL */
size_t nn_graph_params(const nn_graph *g);    /* reals in the parameter block, statistics too */
size_t nn_graph_trainable(const nn_graph *g); /* parameters that training changes by gradient */

/* Building is sticky: the first error stays in the graph with the values that were wrong, later
 * constructors return NULL, nn_graph_check tells at the end (also that there is a node at all). */
base_status nn_graph_check(const nn_graph *g, base_err *err);

/* Text <-> graph, exact round trip: printing a parsed print gives the same bytes.
 *   name = operator(input, ...) key=value ...     one a line (or separated by ';'), # comments
 * file is named in errors (NULL: "graph"). Errors are BASE_USAGE: "file:line: conv2d 'c3': ...". */
base_status nn_parse(const char *text, const char *file, nn_graph **g, base_err *err);
void nn_print(const nn_graph *g, base_str *text);
void nn_print_node(const nn_node *n, base_str *text); /* one line without its end */
/* One attribute as text ("3x3"), false when the operator has no such key. */
bool nn_attr_get(const nn_node *n, const char *key, base_str *text);

/* A node from anywhere: operator by name, inputs (a NULL one returns NULL), attributes as text
 * made by a printf format. name NULL or "": operator and number. */
nn_node *nn_append(nn_graph *g, const char *op, const char *name, nn_node *const *in, int n_in,
                   const char *attrs, ...) BASE_PRINTF(6, 7);
/* The same operator, name and attributes as n (of any graph) on other inputs, with the attributes
 * in `changes` ("bias=yes") replaced. */
nn_node *nn_copy(nn_graph *g, const nn_node *n, nn_node *const *in, const char *changes);

/* Constructors: nn_<op>(input..., name, attribute format, ...); those without a format take the
 * operator's defaults (nn_append1 gives others). Attributes are listed in nn/ops/<op>.c. */
#define nn_input(g, ...)        nn_append(g, "input", "x", NULL, 0, __VA_ARGS__)
#define nn_conv2d(x, name, ...) nn_append1("conv2d", x, name, __VA_ARGS__)
/* over time alone: x [T, 1, C], kernel=9x1 */
#define nn_conv1d(x, name, ...)   nn_append1("conv2d", x, name, __VA_ARGS__)
#define nn_dwconv2d(x, name, ...) nn_append1("dwconv2d", x, name, __VA_ARGS__)
#define nn_dense(x, name, ...)    nn_append1("dense", x, name, __VA_ARGS__) /* y = x W + b */
#define nn_batchnorm(x, name)     nn_append1("batchnorm", x, name, " ")
/* y = batchnorm(x) bands=: subspectral */
#define nn_subspectral(x, name, bands) nn_append1("batchnorm", x, name, "bands=%d", bands)
#define nn_relu(x, name)               nn_append1("relu", x, name, " ")  /* max(0, x) */
#define nn_relu6(x, name)              nn_append1("relu6", x, name, " ") /* min(6, max(0, x)) */
#define nn_avgpool(x, name, ...)       nn_append1("avgpool", x, name, __VA_ARGS__)
#define nn_maxpool(x, name, ...)       nn_append1("maxpool", x, name, __VA_ARGS__)
#define nn_globalpool(x, name)         nn_append1("globalpool", x, name, " ") /* mean over H, W */
#define nn_flatten(x, name)            nn_append1("flatten", x, name, " ")
#define nn_dropout(x, name, ...)       nn_append1("dropout", x, name, __VA_ARGS__)
#define nn_silu(x, name)               nn_append1("silu", x, name, " ")    /* x s(x) */
#define nn_sigmoid(x, name)            nn_append1("sigmoid", x, name, " ") /* s(x) */
#define nn_tanh(x, name)               nn_append1("tanh", x, name, " ")
#define nn_gelu(x, name)               nn_append1("gelu", x, name, " ")        /* x Phi(x) */
#define nn_hardsigmoid(x, name)        nn_append1("hardsigmoid", x, name, " ") /* 0 .. 1 */
#define nn_hardswish(x, name)          nn_append1("hardswish", x, name, " ")
#define nn_clip(x, name, ...)          nn_append1("clip", x, name, __VA_ARGS__)
#define nn_noise(x, name, ...)         nn_append1("noise", x, name, __VA_ARGS__)
#define nn_layernorm(x, name)          nn_append1("layernorm", x, name, " ")
#define nn_position(x, name)           nn_append1("position", x, name, " ") /* x + P, learned */
#define nn_class_token(x, name)        nn_append1("class_token", x, name, " ")
#define nn_add(x, y, name)             nn_append2("add", x, y, name, " ") /* x + y, broadcast */
#define nn_mul(x, y, name)             nn_append2("mul", x, y, name, " ") /* x y, broadcast */
#define nn_mean(x, name, ...)          nn_append1("mean", x, name, __VA_ARGS__)
#define nn_gru(x, name, ...)           nn_append1("gru", x, name, __VA_ARGS__)
#define nn_lstm(x, name, ...)          nn_append1("lstm", x, name, __VA_ARGS__)
#define nn_svdf(x, name, ...)          nn_append1("svdf", x, name, __VA_ARGS__)
#define nn_max(x, name, ...)           nn_append1("max", x, name, __VA_ARGS__)
#define nn_trees(x, name, ...)         nn_append1("trees", x, name, __VA_ARGS__)
#define nn_dtw(x, name, ...)           nn_append1("dtw", x, name, __VA_ARGS__)
#define nn_matmul(x, y, name, ...)     nn_append2("matmul", x, y, name, __VA_ARGS__)
#define nn_softmax(x, name)            nn_append1("softmax", x, name, " ") /* over the last axis */
#define nn_reshape(x, name, ...)       nn_append1("reshape", x, name, __VA_ARGS__)
#define nn_transpose(x, name, ...)     nn_append1("transpose", x, name, __VA_ARGS__)
#define nn_pad(x, name, ...)           nn_append1("pad", x, name, __VA_ARGS__)
#define nn_slice(x, name, ...)         nn_append1("slice", x, name, __VA_ARGS__)
#define nn_split(x, name, ...)         nn_append1("split", x, name, __VA_ARGS__)
/* in: n_in nodes of the graph of the first one, two or more */
#define nn_concat(g, in, n_in, name, ...) nn_append(g, "concat", name, in, n_in, __VA_ARGS__)
#define nn_cross_entropy(x, t, name, ...) nn_append2("cross_entropy", x, t, name, __VA_ARGS__)
#define nn_weighted_cross_entropy(x, t, w, name, ...)                                              \
    nn_append3("cross_entropy", x, t, w, name, __VA_ARGS__)
#define nn_hinge(x, t, name, ...)           nn_append2("hinge", x, t, name, __VA_ARGS__)
#define nn_binary_cross_entropy(x, t, name) nn_append2("binary_cross_entropy", x, t, name, " ")
#define nn_mean_squared_error(x, t, name)   nn_append2("mean_squared_error", x, t, name, " ")
#define nn_distillation(x, t, teacher, name, ...)                                                  \
    nn_append3("distillation", x, t, teacher, name, __VA_ARGS__)
#define nn_triplet(anchor, positive, negative, name, ...)                                          \
    nn_append3("triplet", anchor, positive, negative, name, __VA_ARGS__)
nn_node *nn_append1(const char *op, nn_node *x, const char *name, const char *attrs, ...)
    BASE_PRINTF(4, 5);
nn_node *nn_append2(const char *op, nn_node *x, nn_node *y, const char *name, const char *attrs,
                    ...) BASE_PRINTF(5, 6);
nn_node *nn_append3(const char *op, nn_node *x, nn_node *y, nn_node *z, const char *name,
                    const char *attrs, ...) BASE_PRINTF(6, 7);

/* Multi-head self-attention (Vaswani et al., arXiv 1706.03762) over the positions of x [T, F, C],
 * as keyword transformers have it (Berg et al., arXiv 2104.00769): per head q, k and v of head_dim
 * numbers are projections of x without bias, the output is
 *   sum over positions j of softmax_j(q_i . k_j / sqrt(head_dim)) v_j
 * and all heads together are projected, with bias, back to [T, F, C]. Composed of nodes called
 * name.q, name.k, name.v, name.scores, name.weights, name.out ...; the last is returned. Errors
 * stay in the graph. */
nn_node *nn_attention(nn_node *x, const char *name, int heads, int head_dim);
/* Both directions of time (Schuster and Paliwal 1997): op is "gru" or "lstm", run forward as node
 * "<name>.forward" and with reverse=yes as "<name>.backward", concatenated along the last axis as
 * node `name`, which is returned. */
nn_node *nn_bidirectional(nn_node *x, const char *name, const char *op, const char *attrs, ...)
    BASE_PRINTF(4, 5);

/* ---- cost ---- */

/* Work of one inference of one node, counted, not measured. */
typedef struct nn_cost {
    int64_t macs;    /* multiply-accumulates of products with weights, and of matmul */
    int64_t outputs; /* elements written */
    int64_t pixels;  /* positions (H*W) of the output */
    int64_t weights; /* weight elements read */
    int64_t biases;
} nn_cost;
nn_cost nn_node_cost(const nn_node *n);
nn_cost nn_graph_cost(const nn_graph *g); /* sums */

/* ---- memory plan ---- */

/* Places for buffers in one block so that buffers alive at the same time do not overlap (greedy by
 * size, as in Pisarchyk and Lee, arXiv 2001.03288). first..last is inclusive. */
typedef struct nn_span {
    size_t size, offset; /* offset is the result */
    int first, last;
} nn_span;
/* Returns the size of the block; offsets are multiples of align. */
size_t nn_plan(nn_span *span, int n, size_t align);

/* ---- simulated quantization ---- */

/* int8: real = scale * (q - zero) */
typedef struct nn_quant {
    double scale;
    int zero;
} nn_quant;

/* Each value becomes the nearest of the 256 that int8 has, halves away from zero; NaN stays. */
void nn_simulate(nn_quant q, nn_real *v, size_t n);
/* Weights as they will be (nn_q8_quantize): per output channel, the last axis, the nearest of
 * 255 values, symmetric, the largest weight exact; where bits (of every node; NULL: 8) is 4, of 15
 * values with the scale of nn_q8_weight_scale. Tensors that are no weights are copied.
 */
void nn_simulate_weights(const nn_graph *g, const int *bits, const nn_real *from, nn_real *to);

/* An int8 model beside a net of its graph. While the net runs, the values of nodes become those of
 * the integers that the kernels give for the values before them; gradients pass as if they were
 * float's ("straight through", Jacob et al., arXiv 1712.05877, 3.1). */
typedef struct nn_twin {
    void *ctx;
    int nodes;       /* that head knows; nodes behind them stay float */
    const int *head; /* of a node: that whose inputs its integers are computed from (itself, or the
                      * layer that it is fused into); -1: it stays float */
    size_t work;     /* bytes of memory that compute wants, on a boundary of 64 */
    /* y [batch, shape of node] from x, the inputs of head[node]. Called from several threads, each
     * with work of its own. */
    void (*compute)(void *ctx, int node, int batch, const nn_real *const *x, nn_real *y,
                    int8_t *work);
} nn_twin;

/* ---- net ---- */

typedef struct nn_net nn_net;
typedef struct nn_net_options {
    int batch;            /* most samples of one nn_net_step, or at work in nn_net_forward */
    int shards;           /* training: a batch is cut into this many parts, 1 .. batch */
    bool training;        /* gradients, batch statistics, dropout; the last node is the loss */
    bool input_grads;     /* also gradients of the inputs (nn_net_input_grad) */
    const nn_node *watch; /* a node whose values nn_net_watched shows after a step, or NULL */
    const nn_twin *twin;  /* int8 that is simulated, borrowed; NULL: none. Inputs are the caller's
                           * to round (nn_simulate) */
    base_pool *pool;      /* borrowed; NULL runs inline */
} nn_net_options;

/* graph is borrowed and must outlive the net. Weights start at zero: nn_net_init or copy. */
base_status nn_net_new(const nn_graph *g, nn_net_options o, nn_net **net, base_err *err);
void nn_net_free(nn_net *net);
nn_real *nn_net_weights(nn_net *net);   /* nn_graph_params reals */
nn_real *nn_net_grads(nn_net *net);     /* the same layout; for statistics: what was observed */
size_t nn_net_bytes(const nn_net *net); /* memory of activations, gradients and scratch */
void nn_init_weights(const nn_graph *g, uint64_t seed, nn_real *weights);

/* Evaluation: in[k] holds n samples of input k, out takes n outputs of the last node. The bits
 * depend on options.batch, never on threads. */
void nn_net_forward(nn_net *net, const nn_real *const *in, int n, nn_real *out);

/* The same in one thread, showing every node's values [batch, node shape] as they are computed;
 * out may be NULL. */
typedef void (*nn_net_observer)(void *ctx, const nn_node *n, const nn_real *values, int batch);
void nn_net_observe(nn_net *net, const nn_real *const *in, int n, nn_real *out,
                    nn_net_observer observe, void *ctx);

/* One training step on n <= batch samples: forward, backward, gradients of the mean loss in
 * nn_net_grads (overwritten). Returns the mean loss. Randomness (dropout) is a pure function of
 * (seed, step, sample). Batch statistics are those of a shard ("ghost batch norm", Hoffer et al.,
 * arXiv 1705.08741); results depend on the number of shards, never on threads. */
double nn_net_step(nn_net *net, const nn_real *const *in, int n, uint64_t seed, uint32_t step);
const nn_real *nn_net_watched(const nn_net *net);           /* [n, watch shape] of the last step */
const nn_real *nn_net_input_grad(const nn_net *net, int k); /* [n, input shape] of the last step */

/* ---- optimizers and schedules ---- */

/* Stochastic gradient descent with momentum; Adam (Kingma and Ba, arXiv 1412.6980); AdamW
 * (Loshchilov and Hutter, arXiv 1711.05101); RMSprop (Tieleman and Hinton, 2012, lecture 6e);
 * NovoGrad (Ginsburg et al., arXiv 1905.11286): one second moment a tensor. */
typedef enum nn_optim_kind { NN_SGD, NN_ADAM, NN_ADAMW, NN_RMSPROP, NN_NOVOGRAD } nn_optim_kind;
typedef struct nn_optim_options {
    nn_optim_kind kind;
    double momentum;     /* SGD, RMSprop; 0 is none */
    bool nesterov;       /* SGD: the gradient is looked at one momentum step ahead (as Sutskever et
                          * al., ICML 2013, rewritten for the weights themselves) */
    double beta1, beta2; /* Adam, AdamW, NovoGrad: what first and second moments keep in a step */
    double rho;          /* RMSprop: what the mean square keeps in a step */
    double epsilon;      /* added to roots of second moments */
    double weight_decay; /* L2 added to the gradient (SGD, Adam, RMSprop), or apart from its
                          * moments: AdamW, NovoGrad */
    const char *decay_groups; /* what it is multiplied by, see nn_decay_factors; NULL: "". Borrowed
                               * by nn_optim_new only */
    double statistics;        /* share of the new batch in running statistics, 0.1 */
} nn_optim_options;
nn_optim_options nn_optim_defaults(nn_optim_kind kind);

typedef struct nn_optim nn_optim;
/* BASE_USAGE when decay_groups is refused. */
base_status nn_optim_new(const nn_graph *g, nn_optim_options o, nn_optim **optim, base_err *err);
void nn_optim_free(nn_optim *optim);
/* weights -= lr * update(grads). Counts its steps for the bias correction. */
void nn_optim_step(nn_optim *optim, nn_real *weights, const nn_real *grads, double lr);
/* State for checkpoints: *n reals (may be 0) and the number of steps done. */
nn_real *nn_optim_state(nn_optim *optim, size_t *n);
int64_t nn_optim_steps(const nn_optim *optim);
void nn_optim_set_steps(nn_optim *optim, int64_t steps);

/* Groups of weight decay: "*.gamma=1 pos.*=0, *.bias=0.5", words pattern=factor between blanks or
 * commas. A pattern (*, ? and [...] as in a shell) stands for "node.parameter" of whatever training
 * changes by gradient; the first that matches gives the factor, without one it is 1 for role
 * NN_WEIGHT and 0 for others. factor gets one number for each parameter of each node in order, 0
 * for statistics. BASE_USAGE when a word is none, or a pattern matches nothing. g NULL: only the
 * words are checked. */
base_status nn_decay_factors(const nn_graph *g, const char *groups, double *factor, base_err *err);

/* Scale the gradients (those of statistics apart) so that their common Euclidean norm is at most
 * `most` (Pascanu et al., arXiv 1211.5063). Returns the norm before, summed in double in the order
 * of the block; gradients stay as they are when it is not finite. */
double nn_clip_norm(const nn_graph *g, nn_real *grads, double most);

/* Exponential moving average of n weights: average = d average + (1 - d) weights with d =
 * min(decay, (1 + t) / (10 + t)), t: averages taken before, so that the start is soon forgotten. */
void nn_average(nn_real *average, const nn_real *weights, size_t n, double decay, int64_t t);

typedef enum nn_schedule_kind {
    NN_CONSTANT,
    NN_STEPS,
    NN_EXPONENTIAL,
    NN_COSINE,
    NN_PLATEAU,
    NN_POLYNOMIAL,
} nn_schedule_kind;

/* What schedule PLATEAU has seen, for checkpoints. Starts as {.best = HUGE_VAL}. */
typedef struct nn_plateau {
    double best;        /* the lowest loss */
    int64_t waited;     /* validations since */
    int64_t reductions; /* how often the rate was multiplied by step_factor */
} nn_plateau;

typedef struct nn_schedule {
    nn_schedule_kind kind;
    double lr, final_lr;  /* at the start (after warm-up) and at the end; plateau: least */
    double warmup, total; /* in epochs; warm-up is linear from 0 */
    double hold;          /* exponential, cosine, polynomial: epochs at lr after warm-up */
    double power;         /* polynomial */
    double step_epochs, step_factor; /* steps: times factor each so many epochs */
    int64_t patience;                /* plateau: validations without a loss lower by more than */
    double delta;                    /* this, before the rate is multiplied by step_factor */
    nn_plateau plateau;
} nn_schedule;
/* epoch may be fractional. From s->total on, exponential, cosine and polynomial are final_lr. */
double nn_schedule_lr(const nn_schedule *s, double epoch);
/* Tell a plateau schedule the validation loss after so many epochs; others do not care. */
void nn_schedule_observe(nn_schedule *s, double epoch, double loss);

/* ---- model files ---- */

/* A trained float model: HDF5 of kind "model" with graph text, weights by node and name, labels,
 * feature settings (text that nn does not interpret, per-feature mean and standard deviation) and
 * provenance (key = value text). All owned by the model. */
typedef struct nn_model {
    nn_graph *graph;
    nn_real *weights;
    char **labels; /* one block with its texts, freed with one free() (h5_read_list) */
    size_t n_labels;
    char *features;
    float *mean, *std; /* n_stats each, NULL when none */
    size_t n_stats;
    char *provenance;
    nn_quant *quant;  /* trained with simulated quantization: of every node, scale 0 where there is
                       * none; NULL: trained without */
    int *weight_bits; /* of every node: 4 where its weights have 4 bits as int8 runs, else 8; NULL:
                       * all have 8 */
    bool rounds_once; /* with quant: as integers were requantized while it trained (q8_rounding) */
} nn_model;
/* Loading a float file into a double build or back converts. */
base_status nn_model_save(const nn_model *m, const char *path, base_err *err);
base_status nn_model_load(const char *path, nn_model **m, base_err *err);
void nn_model_free(nn_model *m);
/* The same into and out of an open file, for kinds of files that hold more. m is zero-initialised
 * before nn_model_read and freed with nn_model_clear by those who hold it by value. */
struct h5_file;
base_status nn_model_write(const nn_model *m, struct h5_file *f, base_err *err);
base_status nn_model_read(struct h5_file *f, nn_model *m, base_err *err);
void nn_model_clear(nn_model *m);
/* Quantization of n nodes; reading: of every node of g. */
base_status nn_quant_write(struct h5_file *f, const nn_quant *quant, size_t n, base_err *err);
base_status nn_quant_read(struct h5_file *f, const nn_graph *g, nn_quant *quant, base_err *err);
/* Whether its labels are these n, in this order. */
bool nn_model_has_labels(const nn_model *m, const char *const *labels, size_t n);
/* path itself, or path/model.h5 when path is a run directory. Freed with free(). */
base_status nn_model_path(const char *path, char **file, base_err *err);

#endif
