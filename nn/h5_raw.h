/* h5_raw (private to nn/): what h5.c offers to h5_text.c, where lists, attributes and stamps are
 * put together without knowing HDF5. */
#ifndef NN_H5_RAW_H
#define NN_H5_RAW_H

#include "nn/h5.h"

/* n strings of `width` bytes each (NUL included) as a dataset; rank 0: one string, n is 1. */
base_status h5_put_strings(h5_file *f, const char *name, int rank, size_t n, size_t width,
                           const char *block, base_err *err);

/* An attribute of object: with width > 0 a string of that many bytes, else one number of type. */
base_status h5_put_attribute(h5_file *f, const char *object, const char *key, h5_type type,
                             size_t width, const void *data, base_err *err);
base_status h5_take_number(h5_file *f, const char *object, const char *key, h5_type type, void *out,
                           base_err *err);

#endif
