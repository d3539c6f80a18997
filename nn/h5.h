/* h5: the part of HDF5 that sotto's files need. Everything a file holds is visible in h5dump:
 * named datasets with fixed types, strings as strings, attributes on groups and datasets.
 * The only includer of <hdf5.h> is h5.c. A handle is used by one thread at a time; HDF5 itself is
 * not thread-safe, so h5.c serialises all calls behind one lock.
 *
 * Names are slash-separated paths ("weights/c1/weight"); missing groups are made on writing.
 */
#ifndef NN_H5_H
#define NN_H5_H

#include "nn/base.h"

typedef struct h5_file h5_file;
typedef enum h5_type { H5_I8, H5_U8, H5_I16, H5_I32, H5_I64, H5_F32, H5_F64 } h5_type;

/* Create: nothing appears at path until h5_commit. h5_close without a commit discards. */
base_status h5_create(const char *path, h5_file **f, base_err *err);
base_status h5_commit(h5_file *f, base_err *err); /* closes f in any case */
/* Open for reading; BASE_DATA with a plain message when missing, truncated or no HDF5. */
base_status h5_open(const char *path, h5_file **f, base_err *err);
void h5_close(h5_file *f); /* NULL is fine */
const char *h5_path(const h5_file *f);

/* Whole datasets. dims: rank entries (rank 0 is a scalar). Reading converts to the asked type and
 * fails with BASE_DATA when the element count differs from n. */
base_status h5_write(h5_file *f, const char *name, h5_type type, int rank, const int64_t *dims,
                     const void *data, base_err *err);
base_status h5_read(h5_file *f, const char *name, h5_type type, void *data, size_t n,
                    base_err *err);
/* Element count, or with dims != NULL (4 entries) the shape; BASE_DATA when absent. */
base_status h5_shape(h5_file *f, const char *name, int *rank, int64_t dims[4], base_err *err);
bool h5_has(h5_file *f, const char *name);

/* A one-dimensional contiguous dataset of n elements written piece by piece, in any order.
 * h5_offset: where its bytes lie in the file (host byte order), for reading with pread. */
base_status h5_reserve(h5_file *f, const char *name, h5_type type, int64_t n, base_err *err);
base_status h5_write_at(h5_file *f, const char *name, h5_type type, int64_t first, int64_t n,
                        const void *data, base_err *err);
base_status h5_offset(h5_file *f, const char *name, int64_t *offset, base_err *err);
/* The first dataset of a new file lies at H5_AHEAD if it has that many bytes or more. *fd, the
 * caller's to close, writes there (pwrite) before the dataset is reserved, when its size is not
 * known yet; check with h5_offset. */
enum { H5_AHEAD = 4096 };
base_status h5_ahead(h5_file *f, int *fd, base_err *err);

/* Text: one string, and a list of n strings. Read results are freed with free() (list: one block,
 * free the array only). */
base_status h5_write_text(h5_file *f, const char *name, const char *text, base_err *err);
base_status h5_read_text(h5_file *f, const char *name, char **text, base_err *err);
base_status h5_write_list(h5_file *f, const char *name, const char *const *list, size_t n,
                          base_err *err);
base_status h5_read_list(h5_file *f, const char *name, char ***list, size_t *n, base_err *err);

/* Attributes of an existing object ("/" for the file). */
base_status h5_set_int(h5_file *f, const char *object, const char *key, int64_t v, base_err *err);
base_status h5_get_int(h5_file *f, const char *object, const char *key, int64_t *v, base_err *err);
base_status h5_set_real(h5_file *f, const char *object, const char *key, double v, base_err *err);
base_status h5_get_real(h5_file *f, const char *object, const char *key, double *v, base_err *err);
base_status h5_set_text(h5_file *f, const char *object, const char *key, const char *v,
                        base_err *err);
base_status h5_get_text(h5_file *f, const char *object, const char *key, char **v, base_err *err);

/* Every file carries "/" attributes kind ("pack", "model", "checkpoint") and version. h5_stamp
 * writes them; h5_check fails with BASE_DATA naming what was found and what is wanted. */
base_status h5_stamp(h5_file *f, const char *kind, int version, base_err *err);
base_status h5_check(h5_file *f, const char *kind, int version, base_err *err);

#endif
