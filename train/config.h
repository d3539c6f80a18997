/* config: the settings of a run as one INI file (sections of key = value lines) plus
 * section.key=value overrides from the command line.
 *
 * A section is a struct somewhere with functions that set one key from text and print all of them;
 * folders own their sections ([features] is dsp's, [data] and [augment] are data's), and a few
 * lines adapt each to config_section. The order is: defaults, file, overrides; the last one wins.
 * What is printed reads back to the same settings. An indented line goes on with the value before
 * it, after a blank unless that ends in a comma. Every refusal is BASE_USAGE and says where the
 * value came from: "train.ini:12: unknown key 'train.lrr'".
 */
#ifndef TRAIN_CONFIG_H
#define TRAIN_CONFIG_H

#include "nn/base.h"

/* A key of a table: one member of a struct. */
typedef enum config_type {
    CONFIG_INT,    /* int64_t, lo .. hi */
    CONFIG_REAL,   /* double, lo .. hi */
    CONFIG_BOOL,   /* bool: yes or no */
    CONFIG_CHOICE, /* int: index into choices, printed by name */
    CONFIG_TEXT,   /* char[size], NUL-terminated; one line */
} config_type;

typedef struct config_key {
    const char *name, *help;
    config_type type;
    size_t offset, size; /* offsetof, sizeof of the member */
    double lo, hi;
    const char *const *choices; /* NULL-terminated */
} config_key;

/* One section: either a struct described by a table of keys, or a folder's own functions as in
 * dsp/dsp.h: set leaves settings unchanged on failure and its message begins with the key; print
 * adds "key = value\n" lines in a fixed order; key(i), help(i) and takes(i) ("sgd|adam|adamw",
 * "0 .. 1") list the keys, NULL past the last. */
typedef struct config_section {
    const char *name; /* "train" */
    bool open; /* set judges keys that key(i) does not list; what is set is named by what stands
                * before ' ', '<' or '>' ("accuracy >" is accuracy: gates.h) */
    void *settings;                                            /* holds the defaults; not owned */
    base_status (*check)(const void *settings, base_err *err); /* keys together; may be NULL */
    const config_key *keys; /* the table, nkeys long; NULL: the functions */
    size_t nkeys;
    base_status (*set)(void *settings, const char *key, const char *value, base_err *err);
    void (*print)(const void *settings, base_str *out);
    const char *(*key)(size_t i);
    const char *(*help)(size_t i);
    void (*takes)(size_t i, base_str *out);
} config_section;

typedef struct config config;
/* sections: n of them, copied; settings stay where they are. Free with config_free. */
base_status config_new(const config_section *sections, size_t n, config **cfg, base_err *err);
void config_free(config *cfg); /* NULL is fine */

/* The built-in recipe of that name ("ds_cnn", train/recipes/), or NULL. */
const struct nn_embedded *config_recipe(const char *name);
/* Read an INI file: a path, or the name of a built-in recipe. A key
 * that comes twice in one file is refused. BASE_DATA when there is no such file. */
base_status config_read(config *cfg, const char *path, base_err *err);
/* The same from memory; name stands for the file in messages. */
base_status config_read_text(config *cfg, const char *name, const char *text, base_err *err);
/* One "section.key=value". */
base_status config_override(config *cfg, const char *assignment, base_err *err);
/* The check of every section, after everything was read. */
base_status config_check(const config *cfg, base_err *err);

/* The whole as an INI file; this is what --print-config shows and a run keeps. */
void config_print(const config *cfg, base_str *out);
/* Only what was set or is not as in defaults, a config of the same sections; each key below a
 * comment that says what it means. */
void config_print_chosen(const config *cfg, const config *defaults, base_str *out);
/* What every key means and takes; for help. */
void config_explain(const config *cfg, base_str *out);
/* Where the value of "train.lr" came from: "a.ini:12", "command line" or "default". The string
 * lives as long as cfg. */
const char *config_where(const config *cfg, const char *key);

/* ---- tables (config_table.c) ---- */

base_status config_table_set(const config_key *keys, size_t n, void *settings, const char *key,
                             const char *value, base_err *err);
void config_table_print(const config_key *keys, size_t n, const void *settings, base_str *out);
void config_table_takes(const config_key *key, base_str *out);

#endif
