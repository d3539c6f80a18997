/* import (private to data/): the files of a folder of words, before they are decoded. */
#ifndef DATA_IMPORT_H
#define DATA_IMPORT_H

#include "data/data.h"

/* One file that may become a clip or a noise recording. */
typedef struct data_found {
    int source; /* 0: dir, 1: test */
    char *name; /* path below it */
    int word;   /* index into data_scan.words; -1: background noise */
    data_split split;
    char *speaker;
    bool excluded; /* named by data_import.exclude */
} data_found;

typedef struct data_scan {
    data_found *files; /* sorted by folder, word, name; noise last */
    size_t n, cap;
    char **words; /* sorted; may have words without files */
    size_t nwords, words_cap;
    int64_t held_out; /* files of dir left out because test replaces them, */
    int64_t other;    /* files of splits that are not asked for, */
    int64_t ignored;  /* files in these folders that are neither .wav nor .flac, or no files */
} data_scan;

/* List what what->dir and what->test hold. BASE_DATA when a folder is missing or without words. */
base_status data_scan_run(const data_import *what, data_scan *scan, base_err *err);
void data_scan_free(data_scan *scan);

/* SHA-256 of the samples as little-endian int16: DATA_HASH_BYTES of it. */
void data_hash_samples(const int16_t *pcm, size_t n, uint8_t *hash);

/* First sample of the window of n samples, of total >= n, with most energy (in steps of 10 ms). */
size_t data_loudest(const int16_t *pcm, size_t total, size_t n);

#endif
