/* HDF5 behind nn/h5.h. One lock around everything, for the library is not thread-safe: the only
 * mutable state here. HDF5's own talk is off; why something failed comes from its error stack.
 *
 * A disk that fills up is where HDF5 is weak: a file whose cached metadata cannot be written
 * cannot be closed either, and the library then complains or spins at exit. So a file that is
 * given up has its descriptor pointed at anonymous memory first: whatever HDF5 still wants to
 * flush succeeds, the close is clean, and the temporary file is already gone.
 */
#include "nn/h5_raw.h"

#include <errno.h>
#include <fcntl.h>
#include <hdf5.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_RANK = 4 };

struct h5_file {
    hid_t id;
    char *path, *temp; /* temp: the name it is written under; NULL when opened for reading */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void start_library(void)
{
    H5dont_atexit(); /* every file is closed by its owner; nothing is left for exit to do */
    H5open();
}

static void enter(void)
{
    pthread_mutex_lock(&lock);
    pthread_once(&once, start_library);
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    H5Eclear2(H5E_DEFAULT);
}

static base_status leave(base_status status)
{
    pthread_mutex_unlock(&lock);
    return status;
}

/* ---- errors ---- */

static herr_t innermost(unsigned n, const H5E_error2_t *e, void *out)
{
    if (n == 0 && e->desc) snprintf(out, 400, "%s", e->desc);
    return 0;
}

/* What HDF5 knew, in few words; an error of the operating system goes by its own text. */
static void reason(char *out, size_t size)
{
    char desc[400] = "unknown reason";
    const char *key = "error message = '";
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, innermost, desc);
    char *from = strstr(desc, key);
    char *text = from ? from + strlen(key) : desc;
    if (from && strchr(text, '\'')) *strchr(text, '\'') = '\0';
    snprintf(out, size, "%s", text);
}

static base_status fail(const h5_file *f, const char *what, const char *name, base_err *err)
{
    char why[160];
    reason(why, sizeof why);
    if (!f->temp)
        return base_fail(err, BASE_DATA, "%s: cannot %s '%s': %s", f->path, what, name, why);
    base_fail(err, BASE_FAILED, "cannot write '%s': %s (at '%s')", f->path, why, name);
    if (strstr(why, strerror(ENOSPC)))
        return base_hint(err, "free some space, or write elsewhere with -o");
    return BASE_FAILED;
}

static base_status absent(const h5_file *f, const char *name, base_err *err)
{
    base_fail(err, BASE_DATA, "%s: there is no '%s' in it", f->path, name);
    return base_hint(err, "the file is of another kind or damaged; h5dump -n lists what it holds");
}

/* ---- files ---- */

static void free_file(h5_file *f)
{
    free(f->path);
    free(f->temp);
    free(f);
}

static base_status new_file(const char *path, h5_file **f, base_err *err)
{
    *f = calloc(1, sizeof **f);
    if (!*f) return base_nomem(err, sizeof **f);
    (*f)->id = H5I_INVALID_HID;
    (*f)->path = base_strdup(path);
    if ((*f)->path) return BASE_OK;
    free_file(*f);
    *f = NULL;
    return base_nomem(err, strlen(path));
}

/* Remove the temporary file and close without needing the disk. */
static void discard(h5_file *f)
{
    void *handle = NULL;
    unlink(f->temp);
    if (f->id >= 0 && H5Fget_vfd_handle(f->id, H5P_DEFAULT, &handle) >= 0 && handle) {
        int fd = *(int *)handle, memory = memfd_create("sotto-discard", MFD_CLOEXEC);
        if (memory >= 0) {
            dup2(memory, fd);
            close(memory);
        }
    }
    if (f->id >= 0) H5Fclose(f->id);
    f->id = H5I_INVALID_HID;
}

base_status h5_create(const char *path, h5_file **f, base_err *err)
{
    BASE_TRY(new_file(path, f, err));
    base_status status = base_temp_name(path, &(*f)->temp, err);
    if (status == BASE_OK) {
        enter();
        hid_t how = H5Pcreate(H5P_FILE_ACCESS);
        H5Pset_alignment(how, H5_AHEAD, H5_AHEAD);
        (*f)->id = H5Fcreate((*f)->temp, H5F_ACC_TRUNC, H5P_DEFAULT, how);
        if ((*f)->id < 0) {
            status = fail(*f, "create", "/", err);
            unlink((*f)->temp);
        }
        H5Pclose(how);
        leave(status);
    }
    if (status == BASE_OK) return BASE_OK;
    free_file(*f);
    *f = NULL;
    return status;
}

base_status h5_commit(h5_file *f, base_err *err)
{
    base_status status = BASE_OK;
    enter();
    if (H5Fflush(f->id, H5F_SCOPE_LOCAL) < 0) {
        status = fail(f, "flush", "/", err);
        discard(f);
    } else if (H5Fclose(f->id) < 0) {
        status = fail(f, "close", "/", err);
        unlink(f->temp);
    }
    leave(status);
    if (status == BASE_OK) status = base_replace(f->temp, f->path, err);
    free_file(f);
    return status;
}

static base_status open_fail(const h5_file *f, base_err *err)
{
    char why[160];
    reason(why, sizeof why);
    if (strncmp(why, "truncated file", 14) == 0) {
        base_fail(err, BASE_DATA, "'%s' is truncated: its end is missing", f->path);
        return base_hint(err, "copy it again or make it anew");
    }
    if (H5Fis_hdf5(f->path) == 0)
        return base_fail(err, BASE_DATA, "'%s' is not an HDF5 file", f->path);
    return base_fail(err, BASE_DATA, "cannot read '%s' as HDF5: %s", f->path, why);
}

base_status h5_open(const char *path, h5_file **f, base_err *err)
{
    *f = NULL;
    if (base_is_dir(path))
        return base_fail(err, BASE_DATA, "'%s' is a folder, an HDF5 file is wanted", path);
    if (access(path, R_OK) != 0)
        return base_fail(err, BASE_DATA, "cannot open '%s': %s", path, strerror(errno));
    BASE_TRY(new_file(path, f, err));
    base_status status = BASE_OK;
    enter();
    (*f)->id = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    if ((*f)->id < 0) status = open_fail(*f, err);
    leave(status);
    if (status == BASE_OK) return BASE_OK;
    free_file(*f);
    *f = NULL;
    return status;
}

void h5_close(h5_file *f)
{
    if (!f) return;
    enter();
    if (f->temp)
        discard(f);
    else
        H5Fclose(f->id);
    leave(BASE_OK);
    free_file(f);
}

const char *h5_path(const h5_file *f)
{
    return f->path;
}

/* ---- datasets ---- */

static hid_t memory_type(h5_type type)
{
    switch (type) {
    case H5_I8: return H5T_NATIVE_INT8;
    case H5_U8: return H5T_NATIVE_UINT8;
    case H5_I16: return H5T_NATIVE_INT16;
    case H5_I32: return H5T_NATIVE_INT32;
    case H5_I64: return H5T_NATIVE_INT64;
    case H5_F32: return H5T_NATIVE_FLOAT;
    case H5_F64: return H5T_NATIVE_DOUBLE;
    }
    return H5I_INVALID_HID;
}

/* Whether name exists, its groups included: H5Lexists wants every group on the way. */
static bool has(const h5_file *f, const char *name)
{
    bool found = true;
    char *path = base_strdup(name);
    if (!path) return false;
    for (char *p = path; found && p;) {
        p = strchr(*p == '/' ? p + 1 : p, '/');
        if (p) *p = '\0';
        found =
            path[0] == '\0' || strcmp(path, "/") == 0 || H5Lexists(f->id, path, H5P_DEFAULT) > 0;
        if (p) *p = '/';
    }
    free(path);
    return found;
}

bool h5_has(h5_file *f, const char *name)
{
    enter();
    bool found = has(f, name);
    leave(BASE_OK);
    return found;
}

/* Without the time of its making, so that equal contents are equal files. reserve: its place in the
 * file is given out at once, unfilled. */
static hid_t create_dataset(const h5_file *f, const char *name, hid_t type, hid_t space,
                            bool reserve)
{
    hid_t link = H5Pcreate(H5P_LINK_CREATE), how = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_create_intermediate_group(link, 1);
    H5Pset_obj_track_times(how, false);
    if (reserve) {
        H5Pset_alloc_time(how, H5D_ALLOC_TIME_EARLY);
        H5Pset_fill_time(how, H5D_FILL_TIME_NEVER);
    }
    hid_t set = H5Dcreate2(f->id, name, type, space, link, how, H5P_DEFAULT);
    H5Pclose(how);
    H5Pclose(link);
    return set;
}

/* A whole dataset of elements of `type`, which is both the memory's and the file's. */
static base_status write_whole(h5_file *f, const char *name, hid_t type, int rank,
                               const hsize_t *dims, const void *data, base_err *err)
{
    hid_t space = rank ? H5Screate_simple(rank, dims, NULL) : H5Screate(H5S_SCALAR);
    hid_t set = create_dataset(f, name, type, space, false);
    bool empty = H5Sget_simple_extent_npoints(space) == 0;
    base_status status = BASE_OK;
    if (set < 0 || (!empty && H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) < 0))
        status = fail(f, "write", name, err);
    if (set >= 0 && H5Dclose(set) < 0 && status == BASE_OK) status = fail(f, "write", name, err);
    H5Sclose(space);
    return status;
}

base_status h5_write(h5_file *f, const char *name, h5_type type, int rank, const int64_t *dims,
                     const void *data, base_err *err)
{
    hsize_t size[MAX_RANK] = {0};
    if (rank < 0 || rank > MAX_RANK)
        return base_fail(err, BASE_FAILED, "'%s' has %d dimensions, at most %d can be stored", name,
                         rank, MAX_RANK);
    for (int i = 0; i < rank; i++) size[i] = (hsize_t)dims[i];
    enter();
    return leave(write_whole(f, name, memory_type(type), rank, size, data, err));
}

/* Open an existing dataset; *n its element count. */
static base_status open_dataset(h5_file *f, const char *name, hid_t *set, int64_t *n, base_err *err)
{
    if (!has(f, name)) return absent(f, name, err);
    *set = H5Dopen2(f->id, name, H5P_DEFAULT);
    if (*set < 0) return fail(f, "open", name, err);
    hid_t space = H5Dget_space(*set);
    *n = space < 0 ? -1 : (int64_t)H5Sget_simple_extent_npoints(space);
    if (space >= 0) H5Sclose(space);
    if (*n >= 0) return BASE_OK;
    H5Dclose(*set);
    return fail(f, "read the shape of", name, err);
}

base_status h5_read(h5_file *f, const char *name, h5_type type, void *data, size_t n, base_err *err)
{
    hid_t set;
    int64_t have;
    enter();
    base_status status = open_dataset(f, name, &set, &have, err);
    if (status != BASE_OK) return leave(status);
    if ((uint64_t)have != n)
        status = base_fail(err, BASE_DATA, "%s: '%s' has %lld values, %zu are wanted", f->path,
                           name, (long long)have, n);
    else if (n > 0 && H5Dread(set, memory_type(type), H5S_ALL, H5S_ALL, H5P_DEFAULT, data) < 0)
        status = fail(f, "read", name, err);
    H5Dclose(set);
    return leave(status);
}

base_status h5_shape(h5_file *f, const char *name, int *rank, int64_t dims[4], base_err *err)
{
    hid_t set;
    int64_t n;
    hsize_t size[MAX_RANK] = {0};
    enter();
    base_status status = open_dataset(f, name, &set, &n, err);
    if (status != BASE_OK) return leave(status);
    hid_t space = H5Dget_space(set);
    int r = H5Sget_simple_extent_ndims(space);
    if (r < 0 || r > MAX_RANK)
        status = base_fail(err, BASE_DATA, "%s: '%s' has %d dimensions", f->path, name, r);
    else
        H5Sget_simple_extent_dims(space, size, NULL);
    H5Sclose(space);
    H5Dclose(set);
    if (rank) *rank = r;
    for (int i = 0; dims && i < MAX_RANK; i++) dims[i] = (int64_t)size[i];
    return leave(status);
}

/* ---- datasets in pieces ---- */

base_status h5_reserve(h5_file *f, const char *name, h5_type type, int64_t n, base_err *err)
{
    hsize_t size = (hsize_t)n;
    enter();
    hid_t space = H5Screate_simple(1, &size, NULL);
    hid_t set = create_dataset(f, name, memory_type(type), space, true);
    base_status status = set < 0 ? fail(f, "make", name, err) : BASE_OK;
    if (set >= 0) H5Dclose(set);
    H5Sclose(space);
    return leave(status);
}

/* Elements first .. first + n - 1 of a one-dimensional dataset. */
static base_status write_slab(h5_file *f, hid_t set, const char *name, h5_type type, int64_t first,
                              int64_t n, const void *data, base_err *err)
{
    hsize_t start = (hsize_t)first, count = (hsize_t)n;
    hid_t space = H5Dget_space(set), memory = H5Screate_simple(1, &count, NULL);
    bool ok = space >= 0 && memory >= 0 &&
              H5Sselect_hyperslab(space, H5S_SELECT_SET, &start, NULL, &count, NULL) >= 0 &&
              H5Dwrite(set, memory_type(type), memory, space, H5P_DEFAULT, data) >= 0;
    base_status status = ok ? BASE_OK : fail(f, "write", name, err);
    if (memory >= 0) H5Sclose(memory);
    if (space >= 0) H5Sclose(space);
    return status;
}

static base_status write_at(h5_file *f, const char *name, h5_type type, int64_t first, int64_t n,
                            const void *data, base_err *err)
{
    hid_t set;
    int64_t have;
    BASE_TRY(open_dataset(f, name, &set, &have, err));
    base_status status = BASE_OK;
    if (first < 0 || n < 0 || first > have - n)
        status = base_fail(err, BASE_FAILED, "%s: '%s' has %lld values, %lld from %lld do not fit",
                           f->path, name, (long long)have, (long long)n, (long long)first);
    else if (n > 0)
        status = write_slab(f, set, name, type, first, n, data, err);
    if (H5Dclose(set) < 0 && status == BASE_OK) status = fail(f, "write", name, err);
    return status;
}

base_status h5_write_at(h5_file *f, const char *name, h5_type type, int64_t first, int64_t n,
                        const void *data, base_err *err)
{
    enter();
    return leave(write_at(f, name, type, first, n, data, err));
}

static base_status find_offset(h5_file *f, hid_t set, int64_t n, const char *name, int64_t *offset,
                               base_err *err)
{
    hid_t type = H5Dget_type(set), native = H5Tget_native_type(type, H5T_DIR_ASCEND);
    bool same = type >= 0 && native >= 0 && H5Tequal(type, native) > 0;
    int64_t bytes = n * (int64_t)H5Tget_size(type);
    haddr_t at = H5Dget_offset(set);
    H5Tclose(native);
    H5Tclose(type);
    struct stat st;
    if (!same || (at == HADDR_UNDEF && n > 0))
        return base_fail(err, BASE_DATA, "%s: '%s' is not stored in one piece in host byte order",
                         f->path, name);
    if (n > 0 && !f->temp && stat(f->path, &st) == 0 && (int64_t)at + bytes > (int64_t)st.st_size)
        return base_fail(err, BASE_DATA, "'%s' is truncated: '%s' ends beyond it", f->path, name);
    *offset = n > 0 ? (int64_t)at : 0;
    return BASE_OK;
}

base_status h5_offset(h5_file *f, const char *name, int64_t *offset, base_err *err)
{
    hid_t set;
    int64_t n;
    enter();
    base_status status = open_dataset(f, name, &set, &n, err);
    if (status == BASE_OK) {
        status = find_offset(f, set, n, name, offset, err);
        H5Dclose(set);
    }
    return leave(status);
}

base_status h5_ahead(h5_file *f, int *fd, base_err *err)
{
    void *handle = NULL;
    enter();
    bool ok = H5Fget_vfd_handle(f->id, H5P_DEFAULT, &handle) >= 0 && handle;
    *fd = ok ? fcntl(*(int *)handle, F_DUPFD_CLOEXEC, 0) : -1;
    return leave(*fd < 0 ? fail(f, "write", "/", err) : BASE_OK);
}

/* ---- text and attributes: what h5_text.c builds on ---- */

/* UTF-8 of fixed length, the terminating NUL included: strings for every reader. */
static hid_t string_type(size_t bytes)
{
    hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, bytes);
    H5Tset_cset(type, H5T_CSET_UTF8);
    return type;
}

base_status h5_put_strings(h5_file *f, const char *name, int rank, size_t n, size_t width,
                           const char *block, base_err *err)
{
    hsize_t dims = n;
    enter();
    hid_t type = string_type(width);
    base_status status = write_whole(f, name, type, rank, &dims, block, err);
    H5Tclose(type);
    return leave(status);
}

/* All strings of a dataset: an array of n pointers and then the bytes, as one block. */
static base_status read_strings(h5_file *f, hid_t set, const char *name, size_t n, char ***list,
                                base_err *err)
{
    hid_t type = H5Dget_type(set);
    bool fixed = H5Tget_class(type) == H5T_STRING && H5Tis_variable_str(type) == 0;
    size_t width = H5Tget_size(type);
    H5Tclose(type);
    if (!fixed || width == 0)
        return base_fail(err, BASE_DATA, "%s: '%s' is not text of fixed length", f->path, name);
    if (n >= SIZE_MAX / (width + 1 + sizeof(char *)) - 1)
        return base_fail(err, BASE_DATA, "%s: '%s' is damaged: %zu strings", f->path, name, n);
    char **out = calloc(1, n * (sizeof *out + width + 1) + 1), *text = (char *)(out + n);
    if (!out) return base_nomem(err, n * (sizeof *out + width + 1));
    hid_t wanted = string_type(width + 1);
    base_status status = BASE_OK;
    if (n > 0 && H5Dread(set, wanted, H5S_ALL, H5S_ALL, H5P_DEFAULT, text) < 0)
        status = fail(f, "read", name, err);
    H5Tclose(wanted);
    for (size_t i = 0; i < n; i++) out[i] = text + i * (width + 1);
    if (status == BASE_OK)
        *list = out;
    else
        free(out);
    return status;
}

base_status h5_read_list(h5_file *f, const char *name, char ***list, size_t *n, base_err *err)
{
    hid_t set;
    int64_t have;
    *list = NULL;
    enter();
    base_status status = open_dataset(f, name, &set, &have, err);
    if (status != BASE_OK) return leave(status);
    status = read_strings(f, set, name, (size_t)have, list, err);
    *n = status == BASE_OK ? (size_t)have : 0;
    H5Dclose(set);
    return leave(status);
}

base_status h5_put_attribute(h5_file *f, const char *object, const char *key, h5_type type,
                             size_t width, const void *data, base_err *err)
{
    enter();
    if (H5Aexists_by_name(f->id, object, key, H5P_DEFAULT) > 0)
        H5Adelete_by_name(f->id, object, key, H5P_DEFAULT);
    hid_t id = width ? string_type(width) : H5Tcopy(memory_type(type));
    hid_t space = H5Screate(H5S_SCALAR);
    hid_t at =
        H5Acreate_by_name(f->id, object, key, id, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    bool ok = at >= 0 && H5Awrite(at, id, data) >= 0;
    base_status status = ok ? BASE_OK : fail(f, "write attribute", key, err);
    if (at >= 0) H5Aclose(at);
    H5Sclose(space);
    H5Tclose(id);
    return leave(status);
}

/* Open an attribute that is one number or, with text, one string; *size its bytes. */
static base_status open_attribute(h5_file *f, const char *object, const char *key, bool text,
                                  hid_t *at, size_t *size, base_err *err)
{
    if (!has(f, object) || H5Aexists_by_name(f->id, object, key, H5P_DEFAULT) <= 0)
        return base_fail(err, BASE_DATA, "%s: '%s' has no attribute '%s'", f->path, object, key);
    *at = H5Aopen_by_name(f->id, object, key, H5P_DEFAULT, H5P_DEFAULT);
    if (*at < 0) return fail(f, "read attribute", key, err);
    hid_t type = H5Aget_type(*at), space = H5Aget_space(*at);
    H5T_class_t class = H5Tget_class(type);
    bool fits = text ? class == H5T_STRING && H5Tis_variable_str(type) == 0
                     : class == H5T_INTEGER || class == H5T_FLOAT;
    fits = fits && H5Sget_simple_extent_npoints(space) == 1;
    *size = H5Tget_size(type);
    H5Tclose(type);
    H5Sclose(space);
    if (fits) return BASE_OK;
    H5Aclose(*at);
    return base_fail(err, BASE_DATA, "%s: attribute '%s' of '%s' is not one %s", f->path, key,
                     object, text ? "string" : "number");
}

base_status h5_take_number(h5_file *f, const char *object, const char *key, h5_type type, void *out,
                           base_err *err)
{
    hid_t at = H5I_INVALID_HID;
    size_t size = 0;
    enter();
    base_status status = open_attribute(f, object, key, false, &at, &size, err);
    if (status == BASE_OK) {
        if (H5Aread(at, memory_type(type), out) < 0) status = fail(f, "read attribute", key, err);
        H5Aclose(at);
    }
    return leave(status);
}

base_status h5_get_text(h5_file *f, const char *object, const char *key, char **v, base_err *err)
{
    hid_t at = H5I_INVALID_HID;
    size_t size = 0;
    *v = NULL;
    enter();
    base_status status = open_attribute(f, object, key, true, &at, &size, err);
    if (status != BASE_OK) return leave(status);
    hid_t type = string_type(size + 1);
    char *text = calloc(1, size + 1);
    if (!text)
        status = base_nomem(err, size);
    else if (H5Aread(at, type, text) < 0)
        status = fail(f, "read attribute", key, err);
    H5Tclose(type);
    H5Aclose(at);
    if (status == BASE_OK)
        *v = text;
    else
        free(text);
    return leave(status);
}
