/* base: what every folder stands on. Status with a message, memory, strings, counter-based random
 * numbers, a thread pool and files that are replaced whole or not at all.
 *
 * Rules that hold everywhere: a function that can fail returns base_status and takes a base_err
 * last; nothing here prints or exits; there are no mutable globals.
 */
#ifndef NN_BASE_H
#define NN_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#if defined(__GNUC__)
#define BASE_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define BASE_PRINTF(fmt, args)
#endif

/* ---- status ---- */

/* What kind of failure; the program maps each to its exit code (train/cli.c). */
typedef enum base_status {
    BASE_OK = 0,
    BASE_FAILED,      /* the environment said no: memory, disk, permission */
    BASE_USAGE,       /* a value somebody chose: option, config key, graph text, attribute */
    BASE_DATA,        /* input that is missing, damaged or of the wrong kind */
    BASE_GATE,        /* a requirement was measured and is not met */
    BASE_MISMATCH,    /* two results that must be equal differ; numbers that are not finite */
    BASE_AGAIN,       /* would work later: a lock is held, a download broke off */
    BASE_INTERRUPTED, /* asked to stop, and stopped with everything saved */
} base_status;

/* The first error of a call chain. Zero-initialise: base_err err = {0}. */
typedef struct base_err {
    base_status status;
    char message[512]; /* what was wrong: lower case, with file:line or key and the values */
    char hint[256];    /* what to do about it; may be empty */
} base_err;

/* Record an error (err may be NULL) and return status, so that `return base_fail(...)` is one line.
 * An error already recorded in err is overwritten. */
base_status base_fail(base_err *err, base_status status, const char *fmt, ...) BASE_PRINTF(3, 4);

/* Add what to do to the error just recorded. Returns err->status. */
base_status base_hint(base_err *err, const char *fmt, ...) BASE_PRINTF(2, 3);

/* The same as base_fail(BASE_FAILED) for a failed allocation of n bytes. */
base_status base_nomem(base_err *err, size_t n);

/* Return from the calling function when a call fails. */
#define BASE_TRY(call)                                                                             \
    do {                                                                                           \
        base_status base_try_ = (call);                                                            \
        if (base_try_ != BASE_OK) return base_try_;                                                \
    } while (0)

#define BASE_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- memory ---- */

/* count * size zeroed bytes, aligned to 64; NULL on overflow or when there is none.
 * Caller frees with base_free. */
void *base_alloc(size_t count, size_t size);
void base_free(void *p);

/* Heap array growth: *items (elements of `size` bytes, capacity *cap) holds at least `want`.
 * New elements are zeroed. False (array unchanged) when there is no memory. Freed with free(). */
bool base_grow(void **items, size_t *cap, size_t want, size_t size);

char *base_strdup(const char *s); /* freed with free(); NULL when there is no memory */

/* Many small things of one lifetime. Every allocation is zeroed and 64-aligned. */
typedef struct base_arena base_arena;
base_arena *base_arena_new(void);
void base_arena_free(base_arena *a);
void *base_arena_alloc(base_arena *a, size_t count, size_t size); /* NULL: no memory */
char *base_arena_printf(base_arena *a, const char *fmt, ...) BASE_PRINTF(2, 3);

/* ---- strings ---- */

/* A growing string; zero-initialise. `failed` is sticky: check once at the end. s is never NULL
 * after the first add that worked. */
typedef struct base_str {
    char *s;
    size_t len, cap;
    bool failed;
} base_str;
void base_str_add(base_str *b, const char *fmt, ...) BASE_PRINTF(2, 3);
void base_str_add_n(base_str *b, const char *bytes, size_t n);
void base_str_add_real(base_str *b, double v); /* the shortest decimal that reads back the same */
void base_str_free(base_str *b);

/* The entry of list (n strings) nearest to word by edit distance, or NULL when none is near. */
const char *base_nearest(const char *word, const char *const *list, size_t n);

/* n bytes as 2 n lower-case digits and a NUL. */
void base_hex(const uint8_t *bytes, size_t n, char *hex);

/* Cyclic redundancy checks of 32 bits, reflected: of PNG and zlib (ISO 3309); Castagnoli's, of
 * TFRecord and iSCSI (RFC 3720). */
uint32_t base_crc32(const void *bytes, size_t n);
uint32_t base_crc32c(const void *bytes, size_t n);

/* Strict numbers: the whole string, in range, or false. */
bool base_parse_int(const char *s, int64_t lo, int64_t hi, int64_t *out);
bool base_parse_double(const char *s, double *out); /* finite only */

/* ---- random numbers ---- */

/* Counter-based (Philox4x32-10; Salmon et al., "Parallel random numbers: as easy as 1, 2, 3",
 * SC 2011): a stream is a pure function of (seed, purpose, epoch, sample), so results depend
 * neither on the number of threads nor on what was drawn before a resume. */
typedef enum base_purpose {
    BASE_RNG_INIT,    /* weights; sample = parameter index */
    BASE_RNG_SHUFFLE, /* order of clips in an epoch */
    BASE_RNG_AUGMENT, /* one clip in one epoch */
    BASE_RNG_DROPOUT, /* one node and sample in one step */
    BASE_RNG_SELECT,  /* which clips: unknowns, calibration */
    BASE_RNG_SYNTH,   /* voices */
    BASE_RNG_TEST,
    BASE_RNG_ROOM, /* one simulated room of a loader; new ones come last: each number is a stream */
    BASE_RNG_MIXUP,     /* partner and weight of one clip in one epoch */
    BASE_RNG_BOOTSTRAP, /* one sample with replacement */
    BASE_RNG_FIT,       /* order of a pass, seeds of a mixture (train/fit.h) */
    BASE_RNG_SWEEP,     /* the values of one trial; sample = its id */
    BASE_RNG_PERMUTE,   /* whose features a clip gets (quantize/ablate.h) */
} base_purpose;

typedef struct base_rng {
    uint32_t key[2], counter[4], out[4];
    int left;
} base_rng;
base_rng base_rng_at(uint64_t seed, base_purpose purpose, uint32_t epoch, uint64_t sample);
uint32_t base_rng_u32(base_rng *r);
double base_rng_uniform(base_rng *r);                  /* [0, 1) */
uint32_t base_rng_below(base_rng *r, uint32_t n);      /* [0, n), unbiased; n > 0 */
double base_rng_normal(base_rng *r);                   /* mean 0, variance 1 */
void base_shuffle(base_rng *r, uint32_t *v, size_t n); /* Fisher-Yates */

/* ---- threads ---- */

/* A pool of `threads` workers (the caller counts as one). Jobs are handed out in order; which
 * worker runs a job is not defined, so jobs write only what is theirs. */
typedef struct base_pool base_pool;
base_status base_pool_new(int threads, base_pool **pool, base_err *err);
void base_pool_free(base_pool *pool);
int base_pool_threads(const base_pool *pool);
/* Run fn(ctx, 0 .. jobs-1) and return when all are done. Not re-entrant. A NULL pool runs inline.
 */
void base_pool_run(base_pool *pool, int jobs, void (*fn)(void *ctx, int job), void *ctx);
/* The calling thread gives way to the others from now on, as `nice` makes a process do. */
void base_thread_background(void);
int base_cores(void); /* processors this process may use, at least 1 */

/* ---- files ---- */

/* A text or binary file that appears under its name only when complete: written to a temporary
 * name beside it, synced, renamed. A path that exists and is no regular file (/dev/stdout,
 * /dev/full, a pipe) is written through instead. */
typedef struct base_file {
    FILE *f; /* write here */
    char *path, *temp;
} base_file;
base_status base_file_create(base_file *file, const char *path, base_err *err);
base_status base_file_commit(base_file *file, base_err *err); /* closes; on failure aborts */
void base_file_abort(base_file *file);                        /* closes and removes; safe twice */

/* The two halves of it for libraries that write by name: a temporary name for path (freed with
 * free()), then replace (sync, rename; bytes are copied where path is no regular file). On failure
 * temp is removed. */
base_status base_temp_name(const char *path, char **temp, base_err *err);
base_status base_replace(const char *temp, const char *path, base_err *err);

/* Whole file into memory, NUL-terminated, at most max bytes. Caller frees with free(). */
base_status base_read_file(const char *path, size_t max, char **text, size_t *n, base_err *err);
base_status base_write_file(const char *path, const char *text, size_t n, base_err *err);

base_status base_mkdirs(const char *path, base_err *err); /* like mkdir -p */
bool base_is_dir(const char *path);
bool base_exists(const char *path);
char *base_path(const char *dir, const char *name); /* "dir/name"; freed with free() */

double base_seconds(void); /* monotonic clock */

#endif
