/* filehash: SHA-256 of files. */
#ifndef TRAIN_FILEHASH_H
#define TRAIN_FILEHASH_H

#include "nn/base.h"

/* Of the bytes of a file, in hex. BASE_DATA when it cannot be read. */
base_status filehash(const char *path, char hex[65], base_err *err);

#endif
