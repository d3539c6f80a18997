/* data: recordings of words become batches of features.
 *
 *   folders --import--> pack (HDF5) --task--> which clip is which class in which split
 *                                   --loader--> batches, augmented, computed on the fly
 *
 * A pack holds the 16-bit samples of every clip; they stay in the file and are read when needed, so
 * memory does not grow with the data set. A task says what is to be told apart: the keywords, and
 * by its shares the classes _unknown_ (other words) and _silence_ (background noise). Everything
 * random is a pure function of (seed, epoch, index): batches depend neither on the number of
 * threads nor on where a run was resumed.
 */
#ifndef DATA_DATA_H
#define DATA_DATA_H

#include "dsp/dsp.h"
#include "nn/base.h"

/* ---- settings: sections [data] and [augment] ---- */

/* Each member is a key of the same name. */
typedef struct data_config {
    char pack[1024];      /* path of the pack */
    char keywords[1024];  /* "yes,no,up": the classes, in this order */
    double unknown_share; /* _unknown_ clips per keyword clip; 0: there is no such class */
    double silence_share; /* _silence_ clips per keyword clip; 0: there is no such class */
    char exclude[1024];   /* path of a list of clips not to train on (data/exclude.h); "": none */
} data_config;

typedef enum data_noise_level { DATA_LEVEL_GAIN, DATA_LEVEL_SNR } data_noise_level;
typedef enum data_mask_value { DATA_MASK_ZERO, DATA_MASK_MEAN } data_mask_value;

/* What is done to a training clip, in this order. Defaults are TensorFlow's recipe for Speech
 * Commands: shift, then noise, then clamp; silence is noise alone. Each member is a key of the same
 * name. Rooms, gain and mixup draw random numbers only when they are on. */
typedef struct data_augment {
    int speed_lo, speed_hi; /* percent, uniform: tempo and pitch together; 100 is unchanged */
    double shift_ms;        /* moved by up to this either way, zeros follow */
    double rir_prob;        /* how often the clip is put into a room (dsp_reverb_run): one of */
    char rir_file[1024];    /* this recorded impulse response or folder of them, or, when empty, */
    double rir_rt60_lo, rir_rt60_hi; /* of 64 simulated rooms with such decay times, seconds */
    double gain_lo_db, gain_hi_db;   /* of the clip, uniform in dB; 0 and 0: unchanged */
    double noise_prob;               /* how often background noise is mixed in, */
    int noise_level;                 /* data_noise_level: */
    double noise_gain;               /* at a gain uniform in 0 .. this, or */
    double snr_lo, snr_hi;           /* this far below the clip, uniform in dB (dsp_snr_gain) */
    double silence_gain;             /* _silence_: noise at a gain uniform in 0 .. this */
    int time_masks, time_width;      /* SpecAugment on the features (dsp_mask): blocks of frames */
    int freq_masks, freq_width;      /* and of bins, */
    int mask_value;                  /* data_mask_value: set to 0 or to the mean of the clip's */
    double mixup_alpha; /* mixup (Zhang et al., arXiv 1710.09412): the features become w of theirs
                         * and 1 - w of another sample of the batch, w from Beta(alpha, alpha); 0:
                         * off */
} data_augment;

data_config data_config_default(void);
data_augment data_augment_default(void);

/* As in dsp/dsp.h: set one key from text (BASE_USAGE names key, value and range; unchanged on
 * failure), print all as "key = value\n", check keys together, and for help key i (NULL past the
 * last), its meaning, and what it takes. */
base_status data_config_set(data_config *cfg, const char *key, const char *value, base_err *err);
void data_config_print(const data_config *cfg, base_str *out);
base_status data_config_check(const data_config *cfg, base_err *err);
const char *data_config_key(size_t i);
const char *data_config_help(size_t i);
void data_config_takes(size_t i, base_str *out);

base_status data_augment_set(data_augment *aug, const char *key, const char *value, base_err *err);
void data_augment_print(const data_augment *aug, base_str *out);
base_status data_augment_check(const data_augment *aug, base_err *err);
const char *data_augment_key(size_t i);
const char *data_augment_help(size_t i);
void data_augment_takes(size_t i, base_str *out);

/* "yes, no" as *n words in one block (free the array only). BASE_USAGE: none, one twice, or
 * something that cannot be the name of a folder. */
base_status data_words_parse(const char *list, char ***words, size_t *n, base_err *err);

/* ---- speakers and splits ---- */

typedef enum data_split { DATA_TRAIN, DATA_VALIDATION, DATA_TEST, DATA_SPLITS } data_split;
const char *data_split_name(data_split split); /* train, validation, test */
base_status data_split_parse(const char *name, data_split *split, base_err *err);
/* "train,validation" as a set of bits 1 << data_split. */
base_status data_splits_parse(const char *list, unsigned *set, base_err *err);

/* The split of a speaker, 80:10:10, as Speech Commands defines it (which_set in TensorFlow's
 * input_data.py): the low 27 bits of the SHA-1 of the speaker's name. */
data_split data_which_set(const char *speaker);

/* The speaker in a file name: what is before "_nohash_", or the name without its extension when
 * that is not there. base: a name without folders. The result is freed with free(). */
char *data_speaker(const char *base);

#define DATA_UNKNOWN "_unknown_"
#define DATA_SILENCE "_silence_"
#define DATA_NOISE   "_background_noise_"

/* ---- packs ---- */

enum { DATA_PACK_VERSION = 1, DATA_RATE = 16000, DATA_HASH_BYTES = 32 };

typedef struct data_clip {
    int64_t offset;  /* first sample in /pcm */
    int32_t samples; /* at DATA_RATE */
    int word;        /* index into data_pack_words */
    int speaker;     /* index into data_pack_speakers */
    data_split split;
    const char *name;    /* "yes/0a7c2a8d_nohash_0.wav" in its source folder */
    const uint8_t *hash; /* SHA-256 of the samples as little-endian int16 */
} data_clip;

typedef struct data_noise {
    int64_t offset, samples;
    const char *name;
} data_noise;

typedef struct data_pack data_pack;

/* Open for reading; everything but the samples is loaded. BASE_DATA when the file is missing, no
 * pack, of another version, truncated, or says things that do not fit together. */
base_status data_pack_open(const char *path, data_pack **pack, base_err *err);
void data_pack_close(data_pack *pack); /* NULL is fine */
/* All below are thread-safe; strings live as long as the pack. */
const char *data_pack_path(const data_pack *pack);
size_t data_pack_clips(const data_pack *pack);
data_clip data_pack_clip(const data_pack *pack, size_t i);
const char *const *data_pack_words(const data_pack *pack, size_t *n);
const char *const *data_pack_speakers(const data_pack *pack, size_t *n);
size_t data_pack_noises(const data_pack *pack);
data_noise data_pack_noise(const data_pack *pack, size_t i);
/* How it came about, for people and manifests: "key: value" lines. */
const char *data_pack_provenance(const data_pack *pack);
/* SHA-256, in hexadecimal, of what can be learnt from it: word, speaker, split and samples of each
 * clip, name and length of each noise recording, in order. */
void data_pack_hash(const data_pack *pack, char hex[65]);
/* Files that were found but not taken, each "path: reason". */
const char *const *data_pack_skipped(const data_pack *pack, size_t *n);

/* n samples from `first` of clip or noise i, exactly as stored. BASE_DATA when outside of it or
 * when the file has become shorter since. */
base_status data_pack_read(const data_pack *pack, size_t i, int64_t first, size_t n, int16_t *pcm,
                           base_err *err);
base_status data_pack_read_noise(const data_pack *pack, size_t i, int64_t first, size_t n,
                                 int16_t *pcm, base_err *err);
/* Clip i as `samples` samples: zeros after its end when it is shorter, its window of most energy
 * (first of equals, in steps of 10 ms) when it is longer. */
base_status data_pack_read_clip(const data_pack *pack, size_t i, size_t samples, int16_t *pcm,
                                base_err *err);

/* ---- import ---- */

/* Whether a file of this name is taken for a recording: .wav or .flac, in any case. */
bool data_is_recording(const char *name);

typedef struct data_import {
    const char *dir;    /* <word>/<speaker>_nohash_<n>.wav|.flac, _background_noise_/, and
                         * validation_list.txt, testing_list.txt, which win over the hash */
    const char *test;   /* folder whose clips are the test split, all of them, and replace dir's;
                         * may be NULL */
    double max_seconds; /* longer clips are skipped */
    unsigned splits;    /* set of bits 1 << data_split: only their clips are taken; 0: all */
    struct data_exclude *exclude; /* clips not to take (data/exclude.h); NULL: none */
    int threads;
    const volatile int *stop; /* when it becomes nonzero: BASE_INTERRUPTED; may be NULL */
    void (*progress)(void *ctx, int64_t done, int64_t total); /* calling thread; may be NULL */
    void *ctx;
} data_import;

typedef enum data_skip {
    DATA_SKIP_UNREADABLE,
    DATA_SKIP_EMPTY,
    DATA_SKIP_LONG,
    DATA_SKIP_SILENT,
    DATA_SKIP_HELD_OUT, /* of dir, in the test split that `test` replaces */
    DATA_SKIP_EXCLUDED, /* named by `exclude` */
    DATA_SKIPS,
} data_skip;
const char *data_skip_name(data_skip why); /* "unreadable" */

typedef struct data_import_result {
    int64_t clips, words, speakers, noises, samples;
    int64_t split[DATA_SPLITS];
    int64_t skipped[DATA_SKIPS];
    int64_t crossing; /* clips whose samples occur in more than one split */
} data_import_result;

/* Write a pack from folders, whole or not at all. BASE_DATA when a folder is missing or holds no
 * usable word. What was skipped can be read from the pack. */
base_status data_import_run(const data_import *what, const char *out, data_import_result *result,
                            base_err *err);

/* ---- tasks ---- */

/* One thing to be recognised. */
typedef struct data_sample {
    int32_t clip;  /* index into the pack; -1: silence made from noise */
    int32_t label; /* class */
} data_sample;

typedef struct data_task data_task;

/* The classes are the keywords in order, then _unknown_ and _silence_ where their share is not 0.
 * In a split that has explicit clips of words _unknown_ or _silence_, these are the only ones of
 * that class; else unknown clips are drawn from all words that are no keyword, and silence is made
 * from the noise recordings. BASE_DATA when a keyword has no training clip (hint: near words), or
 * nothing can be unknown, or cfg->exclude names what is no clip and was none when the pack was
 * made. Clips that it names are in no split but the test split, which stays what it is. pack must
 * outlive the task; cfg is copied. */
base_status data_task_new(const data_pack *pack, const data_config *cfg, data_task **task,
                          base_err *err);
/* The task of a model with these classes (labels may contain _unknown_ and _silence_ anywhere), for
 * evaluation: nothing is asked of the training split. cfg gives the shares (where they are 0 the
 * default). BASE_DATA when the pack has none of the words. */
base_status data_task_of_labels(const data_pack *pack, const char *const *labels, int n,
                                const data_config *cfg, data_task **task, base_err *err);
void data_task_free(data_task *task); /* NULL is fine */
const data_pack *data_task_pack(const data_task *task);
const char *const *data_task_classes(const data_task *task, int *n);

/* How many samples of a class, or with label -1 of all, an epoch or an evaluation has. */
size_t data_task_count(const data_task *task, data_split split, int label);
/* All of a split for evaluation, always the same; data_task_count(task, split, -1) of them. */
void data_task_evaluation(const data_task *task, data_split split, data_sample *list);
/* The training split as epoch `epoch` sees it: unknown clips chosen afresh, shuffled. */
void data_task_epoch(const data_task *task, uint64_t seed, uint32_t epoch, data_sample *list);

/* The samples of evaluation sample number `index` of a split, without augmentation; silence that
 * must be made is the same for every run. Thread-safe. */
base_status data_task_pcm(const data_task *task, data_split split, size_t index,
                          const data_sample *sample, size_t samples, int16_t *pcm, base_err *err);

/* ---- batches ---- */

typedef struct data_batch {
    int n;                  /* samples in it; 0: the evaluation is over */
    const float *features;  /* n x frames x bins */
    const float *features2; /* n x frames x bins of the second front-end; NULL without one */
    const int *labels;      /* n */
    const int *labels2;     /* n: of what is mixed in; NULL without mixup */
    const float *mix;       /* n: weight of labels, 1 - mix is that of labels2; NULL without */
    const int *clips;       /* n: index into the pack, -1 for silence made from noise */
    int64_t epoch, step;    /* of which it is the batch; step counts from 0 in each epoch */
} data_batch;

typedef struct data_loader_spec {
    const data_task *task;      /* must outlive the loader */
    const dsp_config *features; /* copied */
    const float *mean, *std;    /* as for dsp_frontend_new */
    /* The same samples through another front-end too, for a teacher that has its own; NULL: none.
     * It wants clips of the same length. Its features are mixed alike, but not masked. */
    const dsp_config *features2; /* copied */
    const float *mean2, *std2;
    data_split split;
    const data_augment *augment; /* training: batches of DATA_TRAIN without end. NULL: the split
                                  * once, in order, unchanged, for evaluation */
    int batch;                   /* samples in a batch */
    int threads;                 /* loader threads; 0: data_loader_next computes itself */
    uint64_t seed;
} data_loader_spec;

typedef struct data_loader data_loader;
base_status data_loader_new(const data_loader_spec *spec, data_loader **loader, base_err *err);
void data_loader_free(data_loader *loader); /* NULL is fine */
/* Batches of an epoch. Training: whole batches only, what is left over waits for another epoch's
 * order; a split smaller than a batch is one batch of what there is. Evaluation: all, the last
 * batch may be smaller. */
int64_t data_loader_steps(const data_loader *loader);
/* The next batch, in order; it stays until the next call on the loader. After the last batch of an
 * evaluation batch->n is 0; data_loader_seek starts it again. */
base_status data_loader_next(data_loader *loader, data_batch *batch, base_err *err);
/* Continue at this batch: what follows equals what a loader that came there by itself gives.
 * 0 <= step <= data_loader_steps. */
void data_loader_seek(data_loader *loader, int64_t epoch, int64_t step);

/* Mean and standard deviation (at least 1e-5) of each of the bins over a fixed choice of at most
 * `clips` training clips, without augmentation; cfg->normalize is ignored. */
base_status data_features_stats(const data_task *task, const dsp_config *cfg, size_t clips,
                                float *mean, float *std, base_err *err);

#endif
