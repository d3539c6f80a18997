/* Text, attributes and stamps of nn/h5.h in terms of h5_raw.h. The stamp is what every file of
 * sotto says of itself: its kind and the version of its layout. */
#include "nn/h5_raw.h"

#include <stdlib.h>
#include <string.h>

base_status h5_write_text(h5_file *f, const char *name, const char *text, base_err *err)
{
    return h5_put_strings(f, name, 0, 1, strlen(text) + 1, text, err);
}

base_status h5_write_list(h5_file *f, const char *name, const char *const *list, size_t n,
                          base_err *err)
{
    size_t width = 1;
    for (size_t i = 0; i < n; i++)
        if (strlen(list[i]) + 1 > width) width = strlen(list[i]) + 1;
    char *block = base_alloc(n + 1, width);
    if (!block) return base_nomem(err, n * width);
    for (size_t i = 0; i < n; i++) memcpy(block + i * width, list[i], strlen(list[i]));
    base_status status = h5_put_strings(f, name, 1, n, width, block, err);
    base_free(block);
    return status;
}

base_status h5_read_text(h5_file *f, const char *name, char **text, base_err *err)
{
    char **list;
    size_t n;
    *text = NULL;
    BASE_TRY(h5_read_list(f, name, &list, &n, err));
    base_status status = BASE_OK;
    if (n != 1)
        status = base_fail(err, BASE_DATA, "%s: '%s' has %zu strings, one is wanted", h5_path(f),
                           name, n);
    else if (!(*text = base_strdup(list[0])))
        status = base_nomem(err, strlen(list[0]));
    free(list);
    return status;
}

base_status h5_set_int(h5_file *f, const char *object, const char *key, int64_t v, base_err *err)
{
    return h5_put_attribute(f, object, key, H5_I64, 0, &v, err);
}

base_status h5_get_int(h5_file *f, const char *object, const char *key, int64_t *v, base_err *err)
{
    return h5_take_number(f, object, key, H5_I64, v, err);
}

base_status h5_set_real(h5_file *f, const char *object, const char *key, double v, base_err *err)
{
    return h5_put_attribute(f, object, key, H5_F64, 0, &v, err);
}

base_status h5_get_real(h5_file *f, const char *object, const char *key, double *v, base_err *err)
{
    return h5_take_number(f, object, key, H5_F64, v, err);
}

base_status h5_set_text(h5_file *f, const char *object, const char *key, const char *v,
                        base_err *err)
{
    return h5_put_attribute(f, object, key, H5_U8, strlen(v) + 1, v, err);
}

base_status h5_stamp(h5_file *f, const char *kind, int version, base_err *err)
{
    BASE_TRY(h5_set_text(f, "/", "kind", kind, err));
    return h5_set_int(f, "/", "version", version, err);
}

base_status h5_check(h5_file *f, const char *kind, int version, base_err *err)
{
    char *found;
    if (h5_get_text(f, "/", "kind", &found, NULL) != BASE_OK) {
        base_fail(err, BASE_DATA, "'%s' is an HDF5 file, but not one of sotto's", h5_path(f));
        return base_hint(err, "a %s is wanted here", kind);
    }
    if (strcmp(found, kind) != 0) {
        base_fail(err, BASE_DATA, "'%s' is a %s, a %s is wanted", h5_path(f), found, kind);
        free(found);
        return BASE_DATA;
    }
    free(found);
    int64_t have;
    BASE_TRY(h5_get_int(f, "/", "version", &have, err));
    if (have == version) return BASE_OK;
    base_fail(err, BASE_DATA, "'%s' is a %s of version %lld, this program reads version %d",
              h5_path(f), kind, (long long)have, version);
    return have > version ? base_hint(err, "a newer sotto wrote it: use that one")
                          : base_hint(err, "make it again with this sotto");
}
