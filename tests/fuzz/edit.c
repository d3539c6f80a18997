/* See edit.h. */
#include "tests/fuzz/edit.h"

#include <hdf5.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- finding ---- */

static void add(edit_list *list, const char *object, const char *key)
{
    if (list->n == list->cap) {
        list->cap = 2 * list->cap + 64;
        list->item = realloc(list->item, list->cap * sizeof *list->item);
        if (!list->item) abort();
    }
    edit_item *item = &list->item[list->n++];
    snprintf(item->object, sizeof item->object, "%s", object);
    snprintf(item->key, sizeof item->key, "%s", key);
}

typedef struct finding {
    edit_list *list;
    const char *object;
} finding;

static herr_t found_attribute(hid_t at, const char *key, const H5A_info_t *info, void *ctx)
{
    const finding *f = ctx;
    (void)at;
    (void)info;
    add(f->list, f->object, key);
    return 0;
}

static herr_t found_object(hid_t file, const char *name, const H5O_info_t *info, void *ctx)
{
    if (info->type == H5O_TYPE_DATASET) add(ctx, name, "");
    hid_t object = H5Oopen(file, name, H5P_DEFAULT);
    H5Aiterate2(object, H5_INDEX_NAME, H5_ITER_INC, NULL, found_attribute, &(finding){ctx, name});
    H5Oclose(object);
    return 0;
}

void edit_find(const char *path, edit_list *list)
{
    hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    if (file < 0) abort();
    H5Ovisit2(file, H5_INDEX_NAME, H5_ITER_INC, found_object, list, H5O_INFO_BASIC);
    H5Fclose(file);
}

/* ---- changing ---- */

/* A dataset or an attribute, and what it holds. */
typedef struct thing {
    const edit_item *name;
    hid_t id, type, space;
    size_t n, size; /* elements of `size` bytes */
    char *data;
} thing;

static hid_t make(hid_t file, const edit_item *name, hid_t type, hid_t space)
{
    if (!name->key[0])
        return H5Dcreate2(file, name->object, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    return H5Acreate_by_name(file, name->object, name->key, type, space, H5P_DEFAULT, H5P_DEFAULT,
                             H5P_DEFAULT);
}

static void delete (hid_t file, const edit_item *name)
{
    if (name->key[0])
        H5Adelete_by_name(file, name->object, name->key, H5P_DEFAULT);
    else
        H5Ldelete(file, name->object, H5P_DEFAULT);
}

static void put(const thing *t)
{
    if (t->n == 0) return;
    if (t->name->key[0])
        H5Awrite(t->id, t->type, t->data);
    else
        H5Dwrite(t->id, t->type, H5S_ALL, H5S_ALL, H5P_DEFAULT, t->data);
}

static int open_thing(hid_t file, const edit_item *name, thing *t)
{
    const int attribute = name->key[0] != '\0';
    *t = (thing){.name = name};
    if (H5Lexists(file, name->object, H5P_DEFAULT) <= 0 && strcmp(name->object, ".") != 0) return 0;
    t->id = attribute ? H5Aopen_by_name(file, name->object, name->key, H5P_DEFAULT, H5P_DEFAULT)
                      : H5Dopen2(file, name->object, H5P_DEFAULT);
    if (t->id < 0) return 0; /* deleted before */
    t->type = attribute ? H5Aget_type(t->id) : H5Dget_type(t->id);
    t->space = attribute ? H5Aget_space(t->id) : H5Dget_space(t->id);
    t->n = (size_t)H5Sget_simple_extent_npoints(t->space);
    t->size = H5Tget_size(t->type);
    t->data = calloc(t->n + 1, t->size);
    if (!t->data) abort();
    if (t->n > 0 && attribute) H5Aread(t->id, t->type, t->data);
    if (t->n > 0 && !attribute) H5Dread(t->id, t->type, H5S_ALL, H5S_ALL, H5P_DEFAULT, t->data);
    return 1;
}

static void close_id(const thing *t)
{
    if (t->name->key[0])
        H5Aclose(t->id);
    else
        H5Dclose(t->id);
}

static void close_thing(const thing *t)
{
    close_id(t);
    H5Tclose(t->type);
    H5Sclose(t->space);
    free(t->data);
}

/* v as a number of the thing's own type. */
static void set_number(const thing *t, size_t i, double v)
{
    char *at = t->data + i * t->size;
    const float single = (float)v;
    const int64_t whole = v >= -9e18 && v <= 9e18 ? (int64_t)v : INT64_MIN;
    if (H5Tget_class(t->type) == H5T_FLOAT)
        memcpy(at, t->size == 8 ? (const void *)&v : (const void *)&single, t->size == 8 ? 8 : 4);
    else
        memcpy(at, &whole, t->size < 8 ? t->size : 8); /* little-endian */
}

/* The thing anew with another space or type. */
static void replace(hid_t file, thing *t, hid_t type, hid_t space)
{
    const size_t n = (size_t)H5Sget_simple_extent_npoints(space), size = H5Tget_size(type);
    close_id(t);
    delete (file, t->name);
    char *data = calloc(n + 1, size);
    if (!data) abort();
    const size_t have = t->n * t->size;
    memcpy(data, t->data, have < n * size ? have : n * size);
    thing other = {t->name, make(file, t->name, type, space), type, space, n, size, data};
    if (other.id >= 0) put(&other);
    free(data);
    t->id = other.id;
}

static void change_length(hid_t file, thing *t, const edit *e)
{
    const int rank = (int)(e->index % 5) + 1;
    hsize_t dims[5] = {e->value % 1024, 1, 1, 1, 1};
    hid_t space = H5Screate_simple(rank, dims, NULL);
    replace(file, t, t->type, space);
    H5Sclose(space);
}

static void change_type(hid_t file, thing *t, const edit *e)
{
    const hid_t types[] = {H5T_NATIVE_INT8,  H5T_NATIVE_INT32,  H5T_NATIVE_INT64, H5T_NATIVE_UINT8,
                           H5T_NATIVE_FLOAT, H5T_NATIVE_DOUBLE, H5T_STD_I32BE,    H5T_C_S1};
    replace(file, t, types[e->value % (sizeof types / sizeof *types)], t->space);
}

static void apply(hid_t file, const edit_list *list, const edit *e)
{
    thing t;
    float bits;
    if (!open_thing(file, &list->item[e->item % list->n], &t)) return;
    const size_t i = t.n ? e->index % t.n : 0;
    memcpy(&bits, &e->value, sizeof bits);
    switch (e->kind % EDIT_KINDS) {
    case EDIT_NUMBER: set_number(&t, i, (int32_t)e->value); break;
    case EDIT_BITS: set_number(&t, i, (double)bits); break;
    case EDIT_BYTE: t.data[e->index % (t.n * t.size + 1)] = (char)e->value; break;
    case EDIT_DELETE: delete (file, t.name); break;
    case EDIT_LENGTH: change_length(file, &t, e); break;
    default: change_type(file, &t, e); break;
    }
    if (e->kind % EDIT_KINDS <= EDIT_BYTE) put(&t);
    close_thing(&t);
}

void edit_apply(const char *path, const edit_list *list, const edit *e, size_t n)
{
    hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
    if (file < 0) abort();
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    for (size_t i = 0; i < n; i++) apply(file, list, &e[i]);
    H5Fclose(file);
}
