/* sotto bench import: how much of the import of a folder is decoding, and how busy it keeps the
 * processors. */
#include "bench/measure.h"
#include "data/import.h"

#include <stdlib.h>
#include <unistd.h>

static const cli_spec spec = {
    .usage = "DIR",
    .about =
        "DIR as for `sotto data import`. Decodes every file and forgets it, then imports all\n"
        "into a pack in TMPDIR (default /tmp) that is removed again; three times in turns, the\n"
        "fastest of each counts. decode_share: time of decoding alone over that of import.",
    .min_args = 1,
    .max_args = 1,
    .takes = CLI_THREADS,
};

enum { ROUNDS = 3 };

typedef struct decoding {
    const char *dir;
    const data_scan *scan;
} decoding;

static void decode(void *ctx, int job)
{
    const decoding *d = ctx;
    dsp_audio audio;
    base_err err = {0};
    char *path = base_path(d->dir, d->scan->files[job].name);
    if (path && dsp_audio_read(path, DATA_RATE, 3600, &audio, &err) == BASE_OK)
        dsp_audio_free(&audio);
    free(path);
}

typedef struct result {
    double decode, import, busy; /* seconds, seconds, share of the threads' time */
    int64_t files;
} result;

static base_status measure_round(const data_import *what, base_pool *pool, const data_scan *scan,
                                 const char *out, result *r, base_err *err)
{
    decoding d = {what->dir, scan};
    double start = base_seconds();
    base_pool_run(pool, (int)scan->n, decode, &d);
    double spent = base_seconds() - start;
    if (r->decode == 0 || spent < r->decode) r->decode = spent;
    data_import_result imported;
    double used = bench_processor_seconds();
    start = base_seconds();
    base_status status = data_import_run(what, out, &imported, err);
    spent = base_seconds() - start;
    unlink(out);
    if (r->import == 0 || spent < r->import) {
        r->import = spent;
        r->busy = (bench_processor_seconds() - used) / (spent * what->threads);
    }
    return status;
}

static base_status measure(const data_import *what, const char *out, result *r, base_err *err)
{
    data_scan scan;
    base_pool *pool;
    BASE_TRY(data_scan_run(what, &scan, err));
    r->files = (int64_t)scan.n;
    base_status status = base_pool_new(what->threads, &pool, err);
    if (status == BASE_OK) {
        for (int i = 0; i < ROUNDS && status == BASE_OK; i++)
            status = measure_round(what, pool, &scan, out, r, err);
        base_pool_free(pool);
    }
    data_scan_free(&scan);
    return status;
}

base_status cmd_bench_import(cli *c, int argc, char **argv, base_err *err)
{
    if (!cli_parse(c, argc, argv, &spec, NULL, err)) return err->status;
    const char *tmp = getenv("TMPDIR");
    char name[4096];
    int n = snprintf(name, sizeof name, "%s/sotto-bench-%ld.h5", tmp && *tmp ? tmp : "/tmp",
                     (long)getpid());
    if (n < 0 || n >= (int)sizeof name)
        return base_fail(err, BASE_USAGE, "TMPDIR is longer than %zu bytes", sizeof name);
    const data_import what = {
        .dir = c->args[0], .max_seconds = 3, .threads = c->threads, .stop = cli_interrupt(c)};
    result r = {0};
    BASE_TRY(measure(&what, name, &r, err));
    cli_put_text(c, "folder", c->args[0]);
    cli_put_int(c, "files", r.files);
    cli_put_int(c, "threads", c->threads);
    cli_put_real(c, "decode_seconds", r.decode, 2);
    cli_put_real(c, "import_seconds", r.import, 2);
    cli_put_real(c, "files_per_s", (double)r.files / r.import, 0);
    cli_put_percent(c, "decode_share", r.decode / r.import, 0);
    cli_put_percent(c, "threads_busy", r.busy, 0);
    return BASE_OK;
}
