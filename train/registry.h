/* registry: models that may become products, as a folder that any number of processes share.
 *
 *   versions/v3/          a version, never changed: model and exports, config and manifest of the
 *     version.json        run, what they are (lineage), and
 *     SHA256SUMS          the hashes of all of it, as sha256sum -c reads them
 *   journal.jsonl         promotions and rollbacks, appended; what an alias is, is what it says
 *   production, candidate symbolic links to versions, as the journal has them
 *   lock                  held (flock) by the one who writes
 *
 * A version is made under another name and renamed; an alias is a line of the journal, synced, then
 * its link, renamed. Who is killed in between leaves nothing half done that a reader could see: the
 * next writer removes what was not finished and sets the links again.
 */
#ifndef TRAIN_REGISTRY_H
#define TRAIN_REGISTRY_H

#include "nn/base.h"

struct json_t;

enum { REGISTRY_NAME = 24 };

typedef struct registry {
    char *dir;
    int lock;               /* descriptor; -1: only read */
    struct json_t *journal; /* its whole lines, in order */
    base_str damage;        /* what was found wrong with the journal, one line each */
} registry;

/* To read: BASE_DATA when there is none. To write: made when there is none, locked until
 * registry_close; BASE_AGAIN when another process holds the lock for half a minute. */
base_status registry_open(const char *dir, bool write, registry *r, base_err *err);
void registry_close(registry *r); /* a zeroed one with lock -1 is fine */

/* The version that an alias ("production", "candidate") is; NULL: none yet. */
const char *registry_alias(const registry *r, const char *alias);
/* The one before, which a rollback goes to; NULL: none. */
const char *registry_previous(const registry *r, const char *alias);
/* Whether it is the name of an alias; if not, err says so. */
base_status registry_check_alias(const char *alias, base_err *err);
/* "v3" or an alias becomes a version that is there. */
base_status registry_find(const registry *r, const char *name, char version[REGISTRY_NAME],
                          base_err *err);
/* Numbers of the versions, ascending; freed with free(). */
base_status registry_versions(const registry *r, int64_t **list, size_t *n, base_err *err);
/* Its version.json; NULL when it cannot be read. A new reference. */
struct json_t *registry_version(const registry *r, const char *version);
/* Add what is wrong with a version, one line each: files that are missing, other than they were,
 * or not listed. Nothing: it is as it was added. */
base_status registry_verify(const registry *r, const char *version, base_str *damage,
                            base_err *err);

/* What becomes a version. */
typedef struct registry_source {
    const char *from;         /* a run or a model file */
    const char *const *files; /* n more: int8 models, headers */
    int n;
    const char *gates; /* a result of `sotto problem check --format json`; NULL: none */
    const char *pack;  /* trained on; NULL: as the run's manifest says */
    const char *note;  /* NULL: none */
} registry_source;

/* r is open to write. BASE_DATA for a run that is not done, files that are missing or no result of
 * a check; BASE_USAGE for two files of a name; BASE_MISMATCH when gates are of another model. */
base_status registry_add(registry *r, const registry_source *source, char version[REGISTRY_NAME],
                         base_err *err);

/* An alias becomes a version. what: "promote" or "rollback". reason: may be NULL; forced: a refusal
 * was overruled. */
typedef struct registry_change {
    const char *what, *alias, *version, *reason;
    bool forced;
} registry_change;
base_status registry_change_alias(registry *r, registry_change change, base_err *err);

/* For registry_add.c. Paths are freed with free(). */
char *registry_path(const registry *r, const char *version, const char *file);
void registry_time(char when[32]); /* UTC, ISO 8601 */
base_status registry_sync_dir(const char *dir, base_err *err);

#endif
