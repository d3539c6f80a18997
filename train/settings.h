/* settings: the sections [model], [train] and [quantize] of a config, and [features] over dsp's
 * settings. A struct member is the value of the key of the same name.
 */
#ifndef TRAIN_SETTINGS_H
#define TRAIN_SETTINGS_H

#include "dsp/dsp.h"
#include "nn/nn.h"
#include "train/config.h"
#include "train/fit.h"

/* [model] */
typedef struct model_settings {
    char arch[64];   /* name in the model zoo; "" when file is given */
    char file[1024]; /* graph text (.net); wins over arch */
    double width;    /* channels of the architecture's body, or its factor; 0: its own */
    int size;        /* zoo_size */
    int64_t blocks;  /* 0: the architecture's own */
    int64_t repeats; /* layers of a block; 0: the architecture's own */
    int64_t leaves;  /* of a tree; 0: the architecture's own */
    int64_t nearest; /* templates of a class that count; 0: the architecture's own */
    double dropout;  /* 0 .. 1; negative: the architecture's own */
} model_settings;

enum { TRAIN_KEEP_BEST, TRAIN_KEEP_LAST };
enum {
    TRAIN_CROSS_ENTROPY,
    TRAIN_HINGE,
    TRAIN_SQUARED_HINGE,
    TRAIN_BINARY_CROSS_ENTROPY,
    TRAIN_MEAN_SQUARED_ERROR
};
enum { TRAIN_WEIGHTS_NONE, TRAIN_WEIGHTS_BALANCED };

/* [train] */
typedef struct train_settings {
    int64_t epochs;
    int64_t batch;  /* clips a step */
    int64_t shards; /* parts of a batch that are summed in order; results depend on it, not on
                     * threads */
    double lr;
    int optimizer;   /* nn_optim_kind */
    double momentum; /* SGD, RMSprop */
    bool nesterov;   /* SGD */
    double beta1;    /* Adam kinds, NovoGrad; 0: the optimizer's own, */
    double beta2;    /* and this */
    double rho;      /* RMSprop */
    double epsilon;  /* 0: the optimizer's own */
    double weight_decay;
    char decay_groups[512]; /* for nn_decay_factors */
    double clip_norm;       /* most that the norm of all gradients may be; 0: any */
    double ema;             /* what averaged weights keep in a step; 0: no averaging */
    int schedule;           /* nn_schedule_kind */
    double warmup_epochs;   /* lr rises linearly from 0 */
    double hold_epochs;     /* exp, cosine, poly: then stays */
    double final_lr;        /* exp, cosine, poly: at the end; plateau: least */
    double poly_power;
    double step_epochs;         /* step: epochs between steps, */
    double step_factor;         /* step, plateau: and what each multiplies lr by */
    int64_t plateau_patience;   /* plateau: validations without a val_loss lower */
    double plateau_delta;       /* by this */
    int loss;                   /* TRAIN_CROSS_ENTROPY ..., of the logits and one-hot targets */
    double label_smoothing;     /* cross_entropy */
    int class_weights;          /* TRAIN_WEIGHTS_NONE, TRAIN_WEIGHTS_BALANCED; cross_entropy */
    char teacher[1024];         /* run or model whose outputs are learnt too; "": none */
    double distill_alpha;       /* its share of the loss, */
    double distill_temperature; /* and how soft outputs are made (nn/ops/distillation.c) */
    char init[1024];            /* run or model whose weights are the first; "": random ones */
    bool qat;                   /* int8 is simulated: from init on, or after float epochs */
    int fit;                    /* fit_kind: how the last layer is found; FIT_NO: as all */
    int64_t per_class;          /* fit: samples of each class that it sees; 0: all */
    double l2;                  /* logistic, svm: pull of its weights to zero; 0: chosen */
    int64_t seed;
    int64_t val_every; /* epochs between validations */
    int keep;          /* TRAIN_KEEP_BEST by validation accuracy, TRAIN_KEEP_LAST */
} train_settings;

/* [quantize]: train.qat */
typedef struct quantize_settings {
    int range; /* in the order of q8_range */
    double percentile;
    bool equalize;
    int rounding;       /* in the order of q8_rounding */
    char weights[1024]; /* bits, as q8_options.weight_bits; "": 8 */
    int64_t clips;      /* training clips that ranges are measured on */
    double range_share; /* what ranges move by after an epoch, of the way to what weights want */
    int64_t epochs;     /* of simulated int8: all from train.init on, else after train.epochs */
    double lr;          /* Adam's, falling to 0; folded weights have no normalization behind them */
} quantize_settings;

/* The defaults. */
model_settings model_settings_default(void);
train_settings train_settings_default(void);
quantize_settings quantize_settings_default(void);

/* The sections over these structs, which must outlive the config. */
config_section model_section(model_settings *s);
config_section train_section(train_settings *s);
config_section quantize_section(quantize_settings *s);
/* The keys of dsp_config, after "preset", which sets all of them. */
config_section features_section(dsp_config *s);

#endif
