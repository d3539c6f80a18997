/* edit: changes of a sound HDF5 file, so that a fuzzer need not find out how HDF5 lays out its own
 * structures before it reaches a reader of ours.
 */
#ifndef TESTS_FUZZ_EDIT_H
#define TESTS_FUZZ_EDIT_H

#include <stddef.h>
#include <stdint.h>

/* A file's datasets and attributes, by number. */
typedef struct edit_item {
    char object[128], key[64]; /* key: "" for a dataset */
} edit_item;
typedef struct edit_list {
    edit_item *item;
    size_t n, cap;
} edit_list;
void edit_find(const char *path, edit_list *list);

/* One change, as a fuzzer writes it. */
typedef struct edit {
    uint8_t kind, unused; /* kind: modulo EDIT_KINDS */
    uint16_t item;        /* modulo the number of items */
    uint32_t index;       /* modulo what the item has */
    uint32_t value;
} edit;
enum {
    EDIT_NUMBER, /* element `index` becomes `value` */
    EDIT_BITS,   /* the float with these bits */
    EDIT_BYTE,   /* byte `index` becomes the low byte of `value` */
    EDIT_DELETE, /* the item is no more */
    EDIT_LENGTH, /* it has `value` elements (modulo 1024), in `index` modulo 5 dimensions */
    EDIT_TYPE,   /* it has another type */
    EDIT_KINDS
};
void edit_apply(const char *path, const edit_list *list, const edit *e, size_t n);

#endif
