/* Downloading through curl, checking through nettle, unpacking through tar, unzip or bsdtar. A
 * checksum is the only thing that is believed: neither a finished download nor a size is. */
#include "data/get.h"

#include "data/folder.h"
#include "data/process.h"

#include <sys/types.h>

#include <errno.h>
#include <fcntl.h>
#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ORIGIN "https://storage.googleapis.com/download.tensorflow.org/data/"

enum { BLOCK = 1 << 20 };

/* Sizes as in ESPnet's recipe (speechcommands) and TensorFlow's tutorial; who recorded the SHA-256
 * is said with each. Google publishes none itself. */
static const data_dataset datasets[] = {
    {
        .name = "speech_commands",
        .about = "Speech Commands v0.02, 35 words of 2,618 speakers, and its test set, 2.5 GB",
        .archives =
            {
                {
                    .url = ORIGIN "speech_commands_v0.02.tar.gz",
                    .size = 2428923189,
                    .sha256 = "af14739ee7dc311471de98f5f9d2c9191b18aedfe957f4a6ff791c709868ff58",
                    .checksum = "torchaudio and TensorFlow Datasets",
                    .to = "train",
                },
                {
                    .url = ORIGIN "speech_commands_test_set_v0.02.tar.gz",
                    .size = 112563277,
                    .sha256 = "cc2a00c1147c2254e9be3fa0f779d8c17421dc349b86366567a8edfa9acd51df",
                    .checksum = "projects that use it (its publisher names none)",
                    .to = "test",
                },
            },
        .n_archives = 2,
    },
    {
        .name = "mini_speech_commands",
        .about = "eight words of Speech Commands, 1,000 clips each, no noise, 182 MB",
        .archives =
            {
                {
                    .url = ORIGIN "mini_speech_commands.zip",
                    .size = 182082353,
                    .sha256 = "49650f2341b26d886b46b3f4fb8fed59e30300b17550f1ee4a768b3106cf93a0",
                    .checksum = "projects that use it (its publisher names none)",
                    .top = "mini_speech_commands",
                },
            },
        .n_archives = 1,
    },
};

const data_dataset *data_datasets(size_t *n)
{
    *n = BASE_COUNT(datasets);
    return datasets;
}

/* One archive on its way. */
typedef struct fetch {
    const data_get *get;
    const data_archive *archive;
    const char *name; /* last part of the URL */
    char *file;       /* below DIR.part */
} fetch;

static const char *last_part(const char *url)
{
    const char *slash = strrchr(url, '/');
    return slash ? slash + 1 : url;
}

/* Bytes of a file, 0 when it is not there. */
static int64_t size_of(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 ? (int64_t)info.st_size : 0;
}

static void step(const fetch *f, const char *what, int64_t bytes)
{
    char text[120];
    snprintf(text, sizeof text, "%s %.80s", what, f->name);
    if (f->get->step) f->get->step(f->get->ctx, text, bytes);
}

/* ---- download ---- */

static void tick(void *ctx)
{
    const fetch *f = ctx;
    if (f->get->progress) f->get->progress(f->get->ctx, size_of(f->file));
}

/* Exit codes of curl that mean something else than "the network or the server failed". */
enum { CURL_WRITE = 23, CURL_RANGE = 33, CURL_RESUME = 36 };

static base_status curl(const fetch *f, const char *url, int *code, base_str *said, base_err *err)
{
    char timeout[24];
    snprintf(timeout, sizeof timeout, "%d", f->get->connect_timeout);
    const char *const argv[] = {"curl",
                                "--fail",
                                "--location",
                                "--silent",
                                "--show-error",
                                "--connect-timeout",
                                timeout,
                                "--speed-limit",
                                "1000",
                                "--speed-time",
                                "30",
                                "--continue-at",
                                "-",
                                "--output",
                                f->file,
                                "--",
                                url,
                                NULL};
    data_process process = {.argv = argv,
                            .errors = said,
                            .stop = f->get->stop,
                            .tick = tick,
                            .ctx = (void *)(uintptr_t)f};
    return data_process_run(&process, code, err);
}

static base_status broke_off(const fetch *f, const char *url, int code, base_str *said,
                             base_err *err)
{
    int64_t have = size_of(f->file);
    const char *why = data_process_last_line(said);
    if (code == CURL_WRITE) {
        base_fail(err, BASE_FAILED, "%s: cannot be written: %.200s", f->file, why);
        return base_hint(err, "is the disk full?");
    }
    base_fail(err, BASE_AGAIN, "%.150s: download failed: %.200s", url, why);
    if (have > 0)
        return base_hint(err,
                         "the same command goes on at byte %lld, kept in %.120s; --url names a "
                         "mirror",
                         (long long)have, f->file);
    return base_hint(err, "is there a network? --url names a mirror; sotto data synth needs none");
}

/* Download or go on. Where the server or an earlier file does not allow to go on, from the start.
 */
static base_status download(const fetch *f, base_err *err)
{
    base_str url = {0}, said = {0};
    if (f->get->mirror) {
        size_t len = strlen(f->get->mirror);
        bool slash = len > 0 && f->get->mirror[len - 1] == '/';
        base_str_add(&url, "%s%s%s", f->get->mirror, slash ? "" : "/", f->name);
    } else {
        base_str_add(&url, "%s", f->archive->url);
    }
    int code = 0;
    base_status st = url.failed ? base_nomem(err, url.len) : curl(f, url.s, &code, &said, err);
    if (st == BASE_OK && (code == CURL_RANGE || code == CURL_RESUME) && unlink(f->file) == 0) {
        base_str_free(&said);
        st = curl(f, url.s, &code, &said, err);
    }
    if (st == BASE_OK && code != 0) st = broke_off(f, url.s, code, &said, err);
    base_str_free(&url);
    base_str_free(&said);
    return st;
}

/* ---- check ---- */

static base_status sha256_of(const fetch *f, char hex[SHA256_DIGEST_SIZE * 2 + 1], base_err *err)
{
    int fd = open(f->file, O_RDONLY | O_CLOEXEC);
    uint8_t *block = base_alloc(BLOCK, 1);
    struct sha256_ctx sha;
    uint8_t digest[SHA256_DIGEST_SIZE];
    sha256_init(&sha);
    ssize_t n = fd >= 0 && block ? 1 : -1;
    int64_t done = 0;
    bool stop = false;
    while (n > 0 && !stop) {
        n = read(fd, block, BLOCK);
        if (n > 0) sha256_update(&sha, (size_t)n, block);
        if (n > 0) done += n;
        if (f->get->progress) f->get->progress(f->get->ctx, done);
        stop = f->get->stop && *f->get->stop;
    }
    int code = errno;
    if (fd >= 0) close(fd);
    base_free(block);
    if (stop) return base_fail(err, BASE_INTERRUPTED, "interrupted");
    if (n < 0)
        return base_fail(err, BASE_FAILED, "%s: cannot be read: %s", f->file, strerror(code));
    sha256_digest(&sha, sizeof digest, digest);
    base_hex(digest, sizeof digest, hex);
    return BASE_OK;
}

/* The right archive, or it is removed: going on would only add to the wrong bytes. */
static base_status check(const fetch *f, base_err *err)
{
    char hex[SHA256_DIGEST_SIZE * 2 + 1];
    int64_t size = size_of(f->file);
    if (size != f->archive->size) {
        unlink(f->file);
        base_fail(err, BASE_DATA, "%s has %lld bytes, it must have %lld: removed", f->name,
                  (long long)size, (long long)f->archive->size);
        return base_hint(err, "try again, or another mirror");
    }
    step(f, "checking", size);
    BASE_TRY(sha256_of(f, hex, err));
    if (strcmp(hex, f->archive->sha256) == 0) return BASE_OK;
    unlink(f->file);
    base_fail(err, BASE_DATA, "%s is not what it must be: SHA-256 %s, expected %s: removed",
              f->name, hex, f->archive->sha256);
    return base_hint(err, "try again, or another mirror");
}

static base_status obtain(const fetch *f, data_get_result *result, base_err *err)
{
    int64_t have = size_of(f->file);
    if (have > f->archive->size) { /* not ours, or of another version */
        unlink(f->file);
        have = 0;
    }
    result->bytes += f->archive->size;
    result->resumed += have;
    if (have < f->archive->size) {
        step(f, "downloading", f->archive->size);
        BASE_TRY(download(f, err));
    }
    return check(f, err);
}

/* ---- unpack ---- */

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);
    return n >= m && strcmp(s + n - m, end) == 0;
}

/* The command that unpacks file into dir; argv has room for 8. BASE_FAILED: no program for it. */
static base_status unpacker(const char *file, const char *dir, const char **argv, base_err *err)
{
    bool zip = ends_with(file, ".zip");
    if (zip && data_process_found("unzip")) {
        const char *const words[] = {"unzip", "-q", file, "-d", dir, NULL};
        memcpy(argv, words, sizeof words);
    } else if (zip && data_process_found("bsdtar")) {
        const char *const words[] = {"bsdtar", "-xf", file, "-C", dir, NULL};
        memcpy(argv, words, sizeof words);
    } else if (!zip && data_process_found("tar")) {
        const char *const words[] = {"tar", "--no-same-owner", "-xzf", file, "-C", dir, NULL};
        memcpy(argv, words, sizeof words);
    } else {
        base_fail(err, BASE_FAILED, "%s cannot be unpacked: %s is not installed", last_part(file),
                  zip ? "neither unzip nor bsdtar" : "tar");
        return base_hint(err, "apt-get install %s, then the same command; the download is kept",
                         zip ? "unzip" : "tar gzip");
    }
    return BASE_OK;
}

static base_status unpack_into(const fetch *f, const char *dir, base_err *err)
{
    const char *argv[8];
    base_str said = {0};
    int code = 0;
    BASE_TRY(base_mkdirs(dir, err));
    BASE_TRY(unpacker(f->file, dir, argv, err));
    data_process process = {.argv = argv, .errors = &said, .stop = f->get->stop};
    base_status st = data_process_run(&process, &code, err);
    if (st == BASE_OK && code != 0)
        st = base_fail(err, BASE_FAILED, "%s: %s failed with code %d: %.200s", f->name, argv[0],
                       code, data_process_last_line(&said));
    base_str_free(&said);
    return st;
}

/* Unpack beside `to`, then rename the folder that holds the words to it. */
static base_status unpack(const fetch *f, const char *dir, base_err *err)
{
    char *raw = NULL, *to = f->archive->to ? base_path(dir, f->archive->to) : base_strdup(dir);
    if (!to) return base_nomem(err, strlen(dir));
    step(f, "unpacking", 0);
    base_status st = data_folder_temp(to, &raw, err);
    if (st == BASE_OK) {
        char *words = f->archive->top ? base_path(raw, f->archive->top) : base_strdup(raw);
        st = words ? unpack_into(f, raw, err) : base_nomem(err, strlen(raw));
        if (st == BASE_OK && !base_is_dir(words)) {
            st = base_fail(err, BASE_DATA, "%s holds no folder %s", f->name, f->archive->top);
            unlink(f->file);
        }
        if (st == BASE_OK) st = data_folder_commit(words, to, err);
        data_folder_remove(raw);
        free(words);
        free(raw);
    }
    free(to);
    return st;
}

/* ---- all of it ---- */

static base_status get_archive(const data_get *get, const data_archive *archive, const char *part,
                               const char *dir, data_get_result *result, base_err *err)
{
    fetch f = {.get = get, .archive = archive, .name = last_part(archive->url)};
    f.file = base_path(part, f.name);
    if (!f.file) return base_nomem(err, strlen(part));
    base_status st = obtain(&f, result, err);
    if (st == BASE_OK) st = unpack(&f, dir, err);
    if (st != BASE_OK && size_of(f.file) == 0) unlink(f.file);
    free(f.file);
    return st;
}

/* Everything is put together in `whole` inside the .part folder, then renamed. */
static base_status get_into(const data_get *get, const char *part, const char *dir,
                            data_get_result *result, base_err *err)
{
    char *whole = base_path(part, "unpacked");
    if (!whole) return base_nomem(err, strlen(part));
    data_folder_remove(whole);
    base_status st = base_mkdirs(whole, err);
    for (int i = 0; i < get->dataset->n_archives && st == BASE_OK; i++)
        st = get_archive(get, &get->dataset->archives[i], part, whole, result, err);
    if (st == BASE_OK) st = data_folder_commit(whole, dir, err);
    if (st == BASE_OK)
        data_folder_remove(part);
    else
        data_folder_remove(whole);
    free(whole);
    return st;
}

base_status data_get_run(const data_get *get, const char *dir, data_get_result *result,
                         base_err *err)
{
    *result = (data_get_result){0};
    BASE_TRY(data_folder_check_free(dir, err));
    if (!data_process_found("curl")) {
        base_fail(err, BASE_FAILED, "nothing can be downloaded: curl is not installed");
        return base_hint(err, "apt-get install curl");
    }
    size_t len = strlen(dir);
    while (len > 1 && dir[len - 1] == '/') len--;
    base_str part = {0};
    base_str_add(&part, "%.*s.part", (int)len, dir);
    if (part.failed) {
        base_str_free(&part);
        return base_nomem(err, len);
    }
    char *top = data_folder_missing(part.s);
    base_status st = base_mkdirs(part.s, err);
    if (st == BASE_OK) st = get_into(get, part.s, dir, result, err);
    if (st != BASE_OK) { /* it stays when something was received */
        rmdir(part.s);
        data_folder_prune(part.s, top);
    }
    free(top);
    base_str_free(&part);
    return st;
}
