/* get: public data sets. Archives are downloaded with curl, continued where an earlier try broke
 * off, checked by size and SHA-256, and unpacked with tar, unzip or bsdtar.
 *
 *   DIR.part/<archive>     what was downloaded so far, kept until all is well
 *   DIR                    appears when everything is complete; DIR.part is then removed
 */
#ifndef DATA_GET_H
#define DATA_GET_H

#include "nn/base.h"

/* One archive of a data set. */
typedef struct data_archive {
    const char *url;      /* its last part is the archive's name: .tar.gz or .zip */
    int64_t size;         /* bytes */
    const char *sha256;   /* 64 lower-case hex digits */
    const char *checksum; /* who says so, for people */
    const char *top;      /* the folder inside the archive that holds the words; NULL: its root */
    const char *to;       /* where they go below DIR; NULL: DIR itself (the only archive then) */
} data_archive;

typedef struct data_dataset {
    const char *name;
    const char *about; /* one line */
    data_archive archives[2];
    int n_archives;
} data_dataset;

/* The data sets that are known, *n of them. */
const data_dataset *data_datasets(size_t *n);

typedef struct data_get {
    const data_dataset *dataset;
    const char *mirror;  /* URL of a folder with the same archives; NULL: where they come from */
    int connect_timeout; /* seconds */
    const volatile int *stop; /* when it becomes nonzero: BASE_INTERRUPTED; may be NULL */
    /* A step begins: what is done with which archive of how many bytes (0: unknown). May be NULL.
     */
    void (*step)(void *ctx, const char *what, int64_t bytes);
    void (*progress)(void *ctx, int64_t bytes); /* some times a second; may be NULL */
    void *ctx;
} data_get;

typedef struct data_get_result {
    int64_t bytes;   /* of all archives */
    int64_t resumed; /* of these, already there from an earlier try */
} data_get_result;

/* Make the folder dir, which does not exist or is empty (else BASE_USAGE). BASE_AGAIN: the network
 * or the server failed, what was received stays; BASE_DATA: an archive of another size or checksum,
 * or one that cannot be unpacked, which is removed; BASE_FAILED: a program is missing (named), the
 * disk is full. */
base_status data_get_run(const data_get *get, const char *dir, data_get_result *result,
                         base_err *err);

#endif
