/* listing: the recordings of a folder of words with the hashes of their bytes, kept as sha256sum
 * writes them ("<64 digits>  yes/anna_nohash_0.wav"), so that `sha256sum -c` in the folder checks
 * them too.
 */
#ifndef TRAIN_LISTING_H
#define TRAIN_LISTING_H

#include "nn/base.h"

typedef struct listing_file {
    char *name; /* below the folder */
    char hex[65];
} listing_file;

typedef struct listing {
    listing_file *files; /* by name */
    size_t n, cap;
} listing;

/* The recordings (.wav, .flac) in the folders of dir and the list files of splits beside them;
 * names that begin with '.' are left out. BASE_DATA when something cannot be read, BASE_INTERRUPTED
 * when *stop (may be NULL) became nonzero. */
base_status listing_make(const char *dir, int threads, const volatile int *stop, listing *l,
                         base_err *err);
/* What listing_text made. BASE_DATA when there is no such file or a line is none of a listing. */
base_status listing_read(const char *path, listing *l, base_err *err);
void listing_free(listing *l); /* a zeroed one is fine */

void listing_text(const listing *l, base_str *out);
/* Files of now that before does not have, those of other bytes, and those that are gone. */
typedef struct listing_change {
    size_t added, changed, removed;
} listing_change;
listing_change listing_compare(const listing *before, const listing *now);

#endif
