/* op: what an operator is. One file nn/ops/<op>.c holds, in this order: the formula with shapes,
 * attributes, shape inference, forward, backward, cost, int8 lowering, test cases, and the
 * descriptor. Adding one: that file, a line in nn/ops.def, a constructor in nn/nn.h, and an
 * independent oracle in tests/.
 *
 * The descriptor is data: parsing, printing, saving, help, the test battery, the quantizer and the
 * C exporter are driven by it and know no operator by name.
 */
#ifndef NN_OP_H
#define NN_OP_H

#include "nn/nn.h"

/* ---- attributes ---- */

typedef enum nn_attr_type {
    NN_INT,   /* int */
    NN_PAIR,  /* int[2], "3x1" or "3" for both */
    NN_REAL,  /* double */
    NN_YESNO, /* bool, "yes" or "no" */
    NN_PAD,   /* nn_pad, "same", "valid" or "top,bottom,left,right" */
    NN_SHAPE, /* nn_shape, "49x10x1" */
    NN_LIST,  /* nn_list, "0,1" */
} nn_attr_type;

/* A few whole numbers: axes (0 is time), their order. */
typedef struct nn_list {
    int n;
    int d[NN_MAX_DIMS];
} nn_list;

typedef enum nn_pad_kind { NN_SAME, NN_VALID, NN_EXPLICIT } nn_pad_kind;
typedef struct nn_pad {
    nn_pad_kind kind;
    int p[4]; /* explicit: top, bottom, left, right */
} nn_pad;

typedef struct nn_attr {
    const char *key;
    nn_attr_type type;
    size_t offset;        /* in the operator's attribute struct */
    const char *fallback; /* as text; NULL: must be given */
    double lo, hi;        /* range of every number in it */
    const char *help;
    bool positional; /* may be given without its key ("input 49x10x1") and is printed so */
} nn_attr;

/* ---- running ---- */

/* An activation y = min(hi, max(lo, x)) that the operator before it does as well. */
typedef struct nn_clamp {
    nn_real lo, hi;
} nn_clamp;

/* What forward and backward get. Pointers are to `batch` samples, except parameters. */
typedef struct nn_args {
    int batch;
    bool training;
    const nn_real *x[NN_MAX_IN];
    nn_real *y;
    nn_real *dx[NN_MAX_IN]; /* backward: accumulate (+=); NULL: not wanted */
    unsigned fresh;         /* NN_FRESH: bit k is set where dx[k] is to be written, not added to */
    const nn_real *dy;
    const nn_clamp *clamp; /* NN_CLAMPS...: y is to be kept within; NULL: nothing */
    const nn_real *w[NN_MAX_PARAMS];
    nn_real *dw[NN_MAX_PARAMS]; /* accumulate; for statistics forward writes what it observed */
    nn_real *saved;             /* kept from forward to backward; in training only */
    nn_real *scratch;           /* free for use within one call */
    uint64_t seed;              /* dropout, noise: base_rng_at(seed, BASE_RNG_DROPOUT, step, ...) */
    uint32_t step;
    int first; /* index of this shard's first sample in the batch */
} nn_args;

/* ---- int8 (DESIGN: TFLite's scheme) ---- */

/* One field of a runtime kernel's struct: an int32_t, or a pointer to int8_t or int32_t whose
 * element count is in the layer. Drives writing to HDF5, reading back and emitting C. I4S: weights
 * of -7 .. 7, two in an int8_t (quantize/runtime/int4.h). */
typedef enum nn_q8_type { NN_Q8_INT, NN_Q8_I8S, NN_Q8_I32S, NN_Q8_I4S } nn_q8_type;
typedef struct nn_q8_field {
    const char *name;
    nn_q8_type type;
    size_t offset;
    int32_t most; /* of an array: the largest absolute value; 0: any */
} nn_q8_field;

/* How many numbers hold so many elements. */
static inline size_t nn_q8_stored(nn_q8_type type, size_t count)
{
    return type == NN_Q8_I4S ? (count + 1) / 2 : count;
}

/* Arrays of a kernel that sums of products are made of, by the names of their fields. What a model
 * file says of them is checked by this: no sum may leave 32 bits, also when shifted. */
typedef struct nn_q8_products {
    const char *weight, *bias, *multiplier, *shift; /* one multiplier an output; biases may be
                                                     * fewer (those of the last outputs) or NULL */
    const char *channels; /* an int: weights are [taps][channels], else [outputs][taps] */
    int32_t most;         /* the largest absolute value of what is multiplied with a weight */
    double bound;         /* requantized sums stay below it */
} nn_q8_products;

/* Sums that become int8; those of fixed point, of which a few are added up. */
#define NN_Q8_BOUND_I8    (2147483647.0 - 256.0)
#define NN_Q8_BOUND_FIXED (536870912.0 + 1.0)
#define NN_Q8_SUM_I8                                                                               \
    {                                                                                              \
        "weight", "bias", "multiplier", "shift", NULL, 255, NN_Q8_BOUND_I8                         \
    }

/* A kernel of quantize/runtime/: `void name(const name_t *p, const int8_t *x..., int8_t *y)` in
 * header `header`, with a last argument `void *scratch` where layers have scratch (aligned to 4, of
 * any content); where values have 16 bits, pointers are to int16_t. run calls it. */
typedef struct nn_q8_kernel nn_q8_kernel;
struct nn_q8_kernel {
    const char *name, *header;
    int n_in;
    bool list;   /* takes inputs as one array, as many as the node has */
    size_t size; /* of its struct */
    const nn_q8_field *fields;
    int n_fields;
    const nn_q8_products *sums;
    int n_sums;
    void (*run)(const void *p, const int8_t *const *x, int8_t *y);
    /* in place of run, for kernels with scratch */
    void (*run_in)(const void *p, const int8_t *const *x, int8_t *y, void *scratch);
    bool in_place; /* y may be x[0] */
    /* Whether places in its arrays are there, of inputs of so many elements; else what is wrong.
     * NULL: it has none. */
    const char *(*harm)(const void *p, const int64_t *inputs);
    bool shaped; /* name_as(s, rows, p, ...) takes what layers of a shape share, all ints but those
                  * named
                  * ...zero, from the struct s */
    /* for kernels with packed weights: that of the same struct and results with int8 weights */
    const nn_q8_kernel *unpacked;
};

/* Rows of a field table: `type` is the kernel's struct. */
#define NN_Q8_INT_OF(type, field)                                                                  \
    {                                                                                              \
#field, NN_Q8_INT, offsetof(type, field), 0                                                \
    }
#define NN_Q8_I8S_OF(type, field)                                                                  \
    {                                                                                              \
#field, NN_Q8_I8S, offsetof(type, field), 0                                                \
    }
/* _WITHIN: elements are within -limit .. limit. */
#define NN_Q8_I32S_WITHIN(type, field, limit)                                                      \
    {                                                                                              \
#field, NN_Q8_I32S, offsetof(type, field), limit                                           \
    }
#define NN_Q8_I4S_OF(type, field)                                                                  \
    {                                                                                              \
#field, NN_Q8_I4S, offsetof(type, field), 0                                                \
    }
#define NN_Q8_I32S_OF(type, field)                                                                 \
    {                                                                                              \
#field, NN_Q8_I32S, offsetof(type, field), 0                                               \
    }

enum { NN_Q8_MAX_ARRAYS = 12 };
typedef struct nn_q8_layer {
    const nn_q8_kernel *kernel;
    void *p; /* the kernel's struct; arrays point into the arena */
    size_t
        count[NN_Q8_MAX_ARRAYS]; /* elements of each array field, in field order; 0: it is NULL */
    size_t scratch;              /* bytes, by lower or the operator's q8_size */
} nn_q8_layer;

/* What a layer takes, in bytes. */
typedef struct nn_q8_size {
    int64_t weights, tables; /* int8 and int32 constants */
    size_t scratch;          /* memory while it runs, beside input and output */
} nn_q8_size;

/* Everything a lowering may look at. */
typedef struct nn_q8_context {
    const nn_real *w[NN_MAX_PARAMS]; /* float parameters, batchnorm already folded */
    nn_quant in[NN_MAX_IN], out;
    bool wide;       /* NN_WIDE: inputs and output have 16 bits (quantize/runtime/i16.h) */
    int lo, hi;      /* clamp of the output (fused activation), within -128..127; wide: +-32767 */
    bool single;     /* requantizations of 8-bit outputs round once (quantize/runtime/requant.h) */
    int weight_bits; /* NN_PACKS: 4 for packed weights, never where wide; else 8 */
    /* NN_BANDS: a fused affine node, y' = mul y + add by band and channel; NULL: none */
    int bands;
    const double *mul, *add;
    base_arena *arena;
} nn_q8_context;

/* ---- descriptor ---- */

enum {
    NN_INPLACE = 1,     /* y may share memory with x[0] when nobody else needs x[0] */
    NN_KEEP_X = 2,      /* backward reads x */
    NN_KEEP_Y = 4,      /* backward reads y */
    NN_LOSS = 8,        /* output is a scalar loss per sample */
    NN_IDENTITY = 16,   /* evaluation copies x to y: the quantizer drops it */
    NN_SAME_QUANT = 32, /* int8: y has the scale and zero point of x[0] (pooling) */
    NN_FRESH = 64,      /* backward heeds a->fresh; for others the net writes zeros before */
    NN_CLAMPS = 128,    /* forward and backward heed a->clamp; y and dy are then those behind it */
    NN_CLAMPS_FORWARD = 256, /* only forward does: it gets one in evaluation alone */
    NN_BANDS = 512,          /* lower heeds c->bands */
    NN_SHARES_QUANT = 1024,  /* int8: inputs that nothing else reads get y's scale and zero point */
    NN_WIDE = 2048,          /* lower heeds c->wide */
    NN_PACKS = 4096          /* lower heeds c->weight_bits */
};

struct nn_op {
    const char *name, *summary;
    int n_in;
    int n_in_most; /* that many inputs may be given, n_in must be; 0: n_in exactly */
    unsigned flags;
    const nn_attr *attrs;
    int n_attrs;
    size_t attr_size;
    /* Sets n->shape and declares parameters; errors through nn_op_fail. */
    base_status (*shape)(nn_node *n, base_err *err);
    size_t (*saved)(const nn_node *n, int batch);   /* reals, NULL: none */
    size_t (*scratch)(const nn_node *n, int batch); /* reals, NULL: none */
    void (*forward)(const nn_node *n, const nn_args *a);
    void (*backward)(const nn_node *n, const nn_args *a);
    void (*cost)(const nn_node *n, nn_cost *c); /* fills macs, weights, biases; NULL: none */
    /* Streaming, for operators with memory along the first axis (time): the same outputs, frame by
     * frame. stream takes one frame of x[0] (batch 1, evaluation, the scratch of one sample), moves
     * the state (zeroed before the first frame) on by it and writes one frame of y. NULL: none. */
    size_t (*state)(const nn_node *n); /* reals, 0: no streaming form with these attributes */
    void (*stream)(const nn_node *n, const nn_args *a, nn_real *state);
    /* int8, for operators that a deployed graph may contain: lower makes a layer of the node, clamp
     * and affine fuse it into the one before; an operator has not both lower and clamp. Without
     * any, the quantizer refuses the node by name. */
    base_status (*lower)(const nn_node *n, nn_q8_context *c, nn_q8_layer *layer, base_err *err);
    /* For what lower makes; NULL: weights as in cost, 12 bytes of tables a channel, no scratch. */
    void (*q8_size)(const nn_node *n, nn_q8_size *s);
    bool (*clamp)(const nn_node *n, double *lo, double *hi); /* fuses into its producer */
    /* y = mul x + add in evaluation, by band (equal runs of the second axis) and channel. Returns
     * the bands: of 1, it folds into the convolution or dense layer before; of more, it is fused
     * into a layer with NN_BANDS. mul, add: [bands][channels]; w NULL: only asks. */
    int (*affine)(const nn_node *n, const nn_real *const *w, double *mul, double *add);
    nn_quant fixed; /* int8: what y always has, as in TFLite; scale 0: what calibration finds */
    const char *const *cases; /* graphs for the test battery, ending in this operator */
    int n_cases;
};

extern const nn_op *const nn_ops[]; /* registry: nn/ops.def in order */
extern const int nn_n_ops;
const nn_op *nn_op_find(const char *name); /* NULL when unknown */

/* ---- for operator files ---- */

/* Whether dx[k] holds nothing yet; and zeros for it where backward would rather add after all. */
static inline bool nn_is_fresh(const nn_args *a, int k)
{
    return a->fresh >> k & 1;
}
void nn_begin(const nn_node *n, nn_args *a, int k);

/* x within the bounds, NaN as it is; and the dy that passes a y of such. By value, so that loops
 * keep the bounds in registers. */
static inline nn_real nn_clamped(nn_clamp c, nn_real x)
{
    return x < c.lo ? c.lo : x > c.hi ? c.hi : x;
}
static inline nn_real nn_passed(nn_clamp c, nn_real y, nn_real dy)
{
    return y > c.lo && y < c.hi ? dy : 0;
}

/* BASE_USAGE with "conv2d 'c3': " before the message. */
base_status nn_op_fail(const nn_node *n, base_err *err, const char *fmt, ...) BASE_PRINTF(3, 4);
/* Add a parameter in shape(); the order is that of a->w[]. */
void nn_declare(nn_node *n, const char *name, nn_shape shape, nn_role role, nn_init init,
                int fan_in, int fan_out);
/* x[k] must have `dims` dimensions. */
base_status nn_need_dims(const nn_node *n, int k, int dims, base_err *err);

/* A shape() of its own for elementwise operators: that of x[0]. */
base_status nn_same_as_input(nn_node *n, base_err *err);

/* The shape of x[0] with the axes in `axes` reduced: to length 1, or without keep away (all of
 * them: one element is left). Fails when an axis is not there or named twice. */
base_status nn_reduced(const nn_node *n, nn_list axes, bool keep, nn_shape *out, base_err *err);

/* Geometry of a window along one axis. */
typedef struct nn_window {
    int in, out, kernel, stride, dilation, before; /* before: padding on the low side */
} nn_window;
/* H and W windows for an input h x w; fails when the kernel does not fit. */
base_status nn_windows(const nn_node *n, const int kernel[2], const int stride[2],
                       const int dilation[2], nn_pad pad, nn_window win[2], base_err *err);

/* The input positions h0 .. h1-1, w0 .. w1-1 under an undilated window at output h, w. */
typedef struct nn_box {
    int h0, h1, w0, w1;
} nn_box;
nn_box nn_under(const nn_window win[2], int h, int w);

/* int8 (nn/lower.c). Multiplier in [2^30, 2^31) (0 for 0) and shift such that real =
 * multiplier * 2^(shift - 31); false when real is negative, not finite or 2^30 and more. */
bool nn_q8_multiplier(double real, int32_t *multiplier, int32_t *shift);

/* What a layer with weights needs; arrays live in the context's arena. */
typedef struct nn_q8_weights {
    int8_t *weight;                     /* fan * channels; packed where they have 4 bits */
    int32_t *bias, *multiplier, *shift; /* channels each */
    double *scale;                      /* of the weights of each channel */
} nn_q8_weights;
/* Quantize c->w[0], laid out [fan][channels], symmetrically per channel into [-127, 127], or
 * [-7, 7] when c->weight_bits is 4, and c->w[1] (NULL: zeros) to int32 of scale in[0] * weight.
 * by_channel: weights are stored [channels][fan] instead. A channel's scale is raised where its
 * bias would not fit 31 bits. */
base_status nn_q8_quantize(const nn_node *n, const nn_q8_context *c, size_t fan, size_t channels,
                           bool by_channel, nn_q8_weights *out, base_err *err);
/* The scale of a channel's weights w[0], w[step] .. (n of them): 8 bits: the largest is 127;
 * 4 bits: of some between largest / 7 and a third of that, the one whose -7 .. 7 are the nearest to
 * the weights (least mean square error), in single precision. 0 when all are 0. */
double nn_q8_weight_scale(const nn_real *w, size_t n, size_t step, int bits);
/* w / scale, halves away from zero, within what the bits hold. */
int nn_q8_weight(double w, double scale, int bits);
/* The layer of this kernel with its struct zeroed; NULL: no memory. */
void *nn_q8_layer_new(const nn_q8_kernel *kernel, const nn_q8_context *c, nn_q8_layer *layer);
/* nn_q8_multiplier, false also where a 16-bit kernel would shift bits out. */
bool nn_q8_factor(const nn_q8_context *c, double real, int32_t *multiplier, int32_t *shift);
/* BASE_USAGE when a scale is not above 0 and finite or a zero point is outside int8. */
base_status nn_q8_check(const nn_node *n, const nn_q8_context *c, base_err *err);

#define NN_CASES(...)                                                                              \
    static const char *const cases[] = {__VA_ARGS__};                                              \
    enum { N_CASES = BASE_COUNT(cases) }

#endif
