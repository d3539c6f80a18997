/* See train/runindex.h. */
#include "train/runindex.h"

#include <math.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

static const char FILE_NAME[] = ".index.sqlite";
static const char SCHEMA[] =
    "PRAGMA user_version = 1;"
    "CREATE TABLE runs(name TEXT PRIMARY KEY, state INTEGER, note TEXT, model TEXT, started TEXT,"
    " epoch INTEGER, loss REAL, val_accuracy REAL, seal BLOB, crc INTEGER) WITHOUT ROWID;"
    "BEGIN;";
enum { VERSION = 1, MAX_FILE = 1 << 28 };
enum column { NAME, STATE, NOTE, MODEL, STARTED, EPOCH, LOSS, ACCURACY, SEAL, CRC };

/* CRC-32 of what a row says. */
static uint32_t crc_of(const run_row *r)
{
    base_str s = {0};
    base_str_add(&s, "%s\n%d\n%s\n%s\n%s\n%lld\n%a\n%a\n", r->name, (int)r->state, r->note,
                 r->summary.model, r->summary.started, (long long)r->summary.epoch, r->summary.loss,
                 r->summary.val_accuracy);
    base_str_add_n(&s, (const char *)&r->seal, sizeof r->seal);
    const uint32_t crc = s.failed ? 0 : base_crc32(s.s, s.len);
    base_str_free(&s);
    return crc;
}

/* ---- reading ---- */

static double real_at(sqlite3_stmt *row, int c)
{
    return sqlite3_column_type(row, c) == SQLITE_FLOAT ? sqlite3_column_double(row, c)
                                                       : (double)NAN;
}

static void text_at(sqlite3_stmt *row, int c, char *to, size_t size)
{
    const unsigned char *s = sqlite3_column_text(row, c);
    snprintf(to, size, "%s", s ? (const char *)s : "");
}

/* False: the row is damaged. r->name is the caller's in any case. */
static bool row_of(sqlite3_stmt *row, run_row *r)
{
    const unsigned char *name = sqlite3_column_text(row, NAME);
    const void *seal = sqlite3_column_blob(row, SEAL);
    if (!name || !seal || sqlite3_column_bytes(row, SEAL) != (int)sizeof r->seal) return false;
    r->name = base_strdup((const char *)name);
    r->state = (rundir_state)sqlite3_column_int(row, STATE);
    text_at(row, NOTE, r->note, sizeof r->note);
    text_at(row, MODEL, r->summary.model, sizeof r->summary.model);
    text_at(row, STARTED, r->summary.started, sizeof r->summary.started);
    r->summary.epoch = sqlite3_column_int64(row, EPOCH);
    r->summary.loss = real_at(row, LOSS);
    r->summary.val_accuracy = real_at(row, ACCURACY);
    memcpy(&r->seal, seal, sizeof r->seal);
    return r->name && sqlite3_column_int64(row, CRC) == (sqlite3_int64)crc_of(r);
}

static bool is_our_version(sqlite3 *db)
{
    sqlite3_stmt *s = NULL;
    const bool ours = sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &s, NULL) == SQLITE_OK &&
                      sqlite3_step(s) == SQLITE_ROW && sqlite3_column_int(s, 0) == VERSION;
    sqlite3_finalize(s);
    return ours;
}

static void read_rows(sqlite3 *db, runlist *rows)
{
    sqlite3_stmt *s = NULL;
    const char *query = "SELECT name, state, note, model, started, epoch, loss, val_accuracy, seal,"
                        " crc FROM runs";
    if (!is_our_version(db) || sqlite3_prepare_v2(db, query, -1, &s, NULL) != SQLITE_OK) {
        sqlite3_finalize(s);
        return;
    }
    while (sqlite3_step(s) == SQLITE_ROW) {
        run_row r = {0};
        if (row_of(s, &r) && base_grow((void **)&rows->rows, &rows->cap, rows->n + 1, sizeof r))
            rows->rows[rows->n++] = r;
        else
            free(r.name);
    }
    sqlite3_finalize(s);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const run_row *)a)->name, ((const run_row *)b)->name);
}

void runindex_read(const char *folder, runlist *rows)
{
    char *path = base_path(folder, FILE_NAME), *text = NULL;
    size_t n = 0;
    sqlite3 *db = NULL;
    *rows = (runlist){0};
    if (path && base_exists(path)) base_read_file(path, MAX_FILE, &text, &n, NULL);
    if (n > 0 && sqlite3_open(":memory:", &db) == SQLITE_OK &&
        sqlite3_deserialize(db, "main", (unsigned char *)text, (sqlite3_int64)n, (sqlite3_int64)n,
                            SQLITE_DESERIALIZE_READONLY) == SQLITE_OK)
        read_rows(db, rows);
    sqlite3_close(db);
    free(text);
    free(path);
    /* a damaged tree may have lost its order */
    if (rows->n > 0) qsort(rows->rows, rows->n, sizeof *rows->rows, by_name);
}

/* ---- writing ---- */

static bool insert(sqlite3_stmt *s, const run_row *r)
{
    sqlite3_bind_text(s, NAME + 1, r->name, -1, SQLITE_STATIC);
    sqlite3_bind_int(s, STATE + 1, (int)r->state);
    sqlite3_bind_text(s, NOTE + 1, r->note, -1, SQLITE_STATIC);
    sqlite3_bind_text(s, MODEL + 1, r->summary.model, -1, SQLITE_STATIC);
    sqlite3_bind_text(s, STARTED + 1, r->summary.started, -1, SQLITE_STATIC);
    sqlite3_bind_int64(s, EPOCH + 1, r->summary.epoch);
    sqlite3_bind_double(s, LOSS + 1, r->summary.loss); /* NaN becomes NULL */
    sqlite3_bind_double(s, ACCURACY + 1, r->summary.val_accuracy);
    sqlite3_bind_blob(s, SEAL + 1, &r->seal, sizeof r->seal, SQLITE_STATIC);
    sqlite3_bind_int64(s, CRC + 1, crc_of(r));
    return sqlite3_step(s) == SQLITE_DONE && sqlite3_reset(s) == SQLITE_OK;
}

static bool fill(sqlite3 *db, const runlist *rows)
{
    sqlite3_stmt *s = NULL;
    bool ok = sqlite3_exec(db, SCHEMA, NULL, NULL, NULL) == SQLITE_OK &&
              sqlite3_prepare_v2(db, "INSERT INTO runs VALUES(?,?,?,?,?,?,?,?,?,?)", -1, &s,
                                 NULL) == SQLITE_OK;
    for (size_t i = 0; ok && i < rows->n; i++) ok = insert(s, &rows->rows[i]);
    sqlite3_finalize(s);
    return ok && sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK;
}

void runindex_write(const char *folder, const runlist *rows)
{
    sqlite3 *db = NULL;
    sqlite3_int64 n = 0;
    char *path = base_path(folder, FILE_NAME);
    unsigned char *image = NULL;
    if (path && sqlite3_open(":memory:", &db) == SQLITE_OK && fill(db, rows))
        image = sqlite3_serialize(db, "main", &n, 0);
    if (image) base_write_file(path, (const char *)image, (size_t)n, NULL);
    sqlite3_free(image);
    sqlite3_close(db);
    free(path);
}
