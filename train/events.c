/* See train/events.h. */
#include "train/events.h"

#include "data/page.h"
#include "nn/protobuf.h"
#include "train/runinfo.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char PREFIX[] = "events.out.tfevents.";
enum { MAX_FILE = 1 << 28, PICTURE = 96 };

/* Numbers of fields. */
enum event { WALL_TIME = 1, STEP, FILE_VERSION, SUMMARY = 5 };
enum summary { SUMMARY_VALUE = 1 };
enum value { TAG = 1, SIMPLE_VALUE, IMAGE = 4, TENSOR = 8, METADATA };
enum image { HEIGHT = 1, WIDTH, COLORSPACE, ENCODED };
enum metadata { PLUGIN = 1, DESCRIPTION = 3, DATA_CLASS };
enum plugin { PLUGIN_NAME = 1, PLUGIN_CONTENT };
enum hparams { SESSION_START = 3, SESSION_END };
enum session_start { HPARAM = 1, START_TIME = 5 };
enum session_end { END_STATUS = 1, END_TIME };
enum map_entry { KEY = 1, VALUE };
enum any_value { NUMBER = 2, STRING };

/* ---- records ---- */

static void add_le(base_str *out, uint64_t v, int n)
{
    char bytes[8];
    for (int i = 0; i < n; i++) bytes[i] = (char)(uint8_t)(v >> (8 * i));
    base_str_add_n(out, bytes, (size_t)n);
}

static void add_masked_crc(base_str *out, const char *s, size_t n)
{
    const uint32_t crc = base_crc32c(s, n);
    add_le(out, (crc >> 15 | crc << 17) + 0xa282ead8, 4);
}

/* event is freed. */
static void add_record(base_str *out, base_str *event)
{
    base_str length = {0};
    add_le(&length, event->len, 8);
    out->failed |= event->failed || length.failed;
    if (!out->failed) {
        base_str_add_n(out, length.s, length.len);
        add_masked_crc(out, length.s, length.len);
        base_str_add_n(out, event->s, event->len);
        add_masked_crc(out, event->s, event->len);
    }
    base_str_free(&length);
    base_str_free(event);
}

/* summary is freed. */
static void add_event(base_str *out, double time, int64_t step, base_str *summary)
{
    base_str event = {0};
    pb_put_double(&event, WALL_TIME, time);
    pb_put_int(&event, STEP, step);
    pb_put_message(&event, SUMMARY, summary);
    add_record(out, &event);
}

/* ---- what is said ---- */

static void add_scalars(base_str *out, const json_t *line, double started)
{
    static const struct {
        const char *key, *tag;
    } scalars[] = {
        {"loss", "loss/training"},
        {"val_loss", "loss/validation"},
        {"accuracy", "accuracy/training"},
        {"val_accuracy", "accuracy/validation"},
        {"lr", "training/lr"},
        {"grad_norm", "training/grad_norm"},
        {"l2", "training/l2"},
        {"clips_per_s", "training/clips_per_s"},
    };
    base_str summary = {0};
    for (size_t i = 0; i < BASE_COUNT(scalars); i++) {
        const double v = runinfo_number(line, scalars[i].key);
        base_str value = {0};
        if (isnan(v)) continue;
        pb_put_string(&value, TAG, scalars[i].tag);
        pb_put_float(&value, SIMPLE_VALUE, (float)v);
        pb_put_message(&summary, SUMMARY_VALUE, &value);
    }
    const double time = runinfo_number(line, "time"); /* runs of older versions have none */
    add_event(out, isnan(time) ? started : time, json_integer_value(json_object_get(line, "epoch")),
              &summary);
}

/* A value of the plugin "hparams" without data of its own; content (field `which`) is freed. */
static void add_hparams(base_str *out, double time, const char *tag, int which, base_str *content)
{
    static const char no_numbers[] = {0x08, 1, 0x12, 2, 0x12, 0}; /* float, shape [0] */
    base_str data = {0}, plugin = {0}, metadata = {0}, value = {0}, summary = {0};
    pb_put_message(&data, which, content);
    pb_put_string(&plugin, PLUGIN_NAME, "hparams");
    pb_put_message(&plugin, PLUGIN_CONTENT, &data);
    pb_put_message(&metadata, PLUGIN, &plugin);
    pb_put_int(&metadata, DATA_CLASS, 2); /* tensor */
    pb_put_string(&value, TAG, tag);
    pb_put_bytes(&value, TENSOR, no_numbers, sizeof no_numbers);
    pb_put_message(&value, METADATA, &metadata);
    pb_put_message(&summary, SUMMARY_VALUE, &value);
    add_event(out, time, 0, &summary);
}

static void add_settings(base_str *out, const runinfo *r, double started)
{
    base_str start = {0};
    for (size_t i = 0; i < r->n_keys; i++) {
        base_str entry = {0}, any = {0};
        double number;
        if (base_parse_double(r->keys[i].value, &number))
            pb_put_double(&any, NUMBER, number);
        else
            pb_put_string(&any, STRING, r->keys[i].value);
        pb_put_string(&entry, KEY, r->keys[i].name);
        pb_put_message(&entry, VALUE, &any);
        pb_put_message(&start, HPARAM, &entry);
    }
    pb_put_double(&start, START_TIME, started);
    add_hparams(out, started, "_hparams_/session_start_info", SESSION_START, &start);
}

/* Rows of the matrix as shares of their clips, the first row on top, cells of several pixels. */
static void add_png(base_str *out, const json_t *rows, int n, int cell)
{
    const int size = n * cell;
    float *v = base_alloc((size_t)size * (size_t)size, sizeof *v);
    for (int i = 0; v && i < n; i++) {
        const json_t *row = json_array_get(rows, (size_t)i);
        double sum = 0;
        for (int k = 0; k < n; k++) sum += json_number_value(json_array_get(row, (size_t)k));
        for (int p = 0; p < cell * size; p++) {
            const int y = size - 1 - (i * cell + p / size), x = p % size;
            const double count = json_number_value(json_array_get(row, (size_t)(x / cell)));
            v[y * size + x] = sum > 0 ? (float)(count / sum) : 0;
        }
    }
    if (v)
        page_png(out, v, size, size);
    else
        out->failed = true;
    base_free(v);
}

static void add_confusion(base_str *out, const json_t *o, double time)
{
    const json_t *rows = json_object_get(o, "rows"), *labels = json_object_get(o, "labels");
    const int n = (int)json_array_size(rows), cell = n < PICTURE ? PICTURE / n : 1;
    base_str png = {0}, image = {0}, text = {0}, plugin = {0}, metadata = {0}, value = {0},
             summary = {0};
    base_str_add(&text, "Validation clips, rows: what they are, columns: what they are taken for, "
                        "light: many. From the top and from the left:");
    for (size_t i = 0; i < json_array_size(labels); i++)
        base_str_add(&text, "%s %s", i > 0 ? "," : "",
                     json_string_value(json_array_get(labels, i)));
    add_png(&png, rows, n, cell);
    pb_put_int(&image, HEIGHT, (int64_t)n * cell);
    pb_put_int(&image, WIDTH, (int64_t)n * cell);
    pb_put_int(&image, COLORSPACE, 3); /* RGB */
    pb_put_message(&image, ENCODED, &png);
    pb_put_string(&plugin, PLUGIN_NAME, "images");
    pb_put_message(&metadata, PLUGIN, &plugin);
    pb_put_message(&metadata, DESCRIPTION, &text);
    pb_put_string(&value, TAG, "confusion");
    pb_put_message(&value, IMAGE, &image);
    pb_put_message(&value, METADATA, &metadata);
    pb_put_message(&summary, SUMMARY_VALUE, &value);
    add_event(out, time, json_integer_value(json_object_get(o, "epoch")), &summary);
}

/* ---- the file ---- */

static int is_event_file(const struct dirent *d)
{
    return strncmp(d->d_name, PREFIX, sizeof PREFIX - 1) == 0;
}

/* The path of the one that is there, or a new one as TensorFlow names them; NULL: no memory. */
static char *file_of(const char *dir)
{
    struct dirent **list = NULL;
    const int n = scandir(dir, &list, is_event_file, alphasort);
    base_str name = {0};
    if (n > 0) {
        base_str_add(&name, "%s", list[0]->d_name);
    } else {
        char host[64] = "";
        gethostname(host, sizeof host - 1);
        base_str_add(&name, "%s%010lld.%s.%d.0", PREFIX, (long long)time(NULL), host,
                     (int)getpid());
    }
    for (int i = 0; i < n; i++) free(list[i]);
    free(list);
    char *path = name.failed ? NULL : base_path(dir, name.s);
    base_str_free(&name);
    return path;
}

static double start_of(const runinfo *r)
{
    struct tm tm = {0};
    const char *s = json_string_value(json_object_get(r->manifest, "started"));
    return s && strptime(s, "%Y-%m-%dT%H:%M:%SZ", &tm) ? (double)timegm(&tm) : 0;
}

/* out is freed. */
static base_status append(const char *dir, base_str *out, base_err *err)
{
    char *path = file_of(dir);
    base_status status = path && !out->failed ? BASE_OK : base_nomem(err, out->len);
    const int fd =
        status == BASE_OK ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666) : -1;
    if (status == BASE_OK) {
        errno = ENOSPC; /* of a write that was cut */
        const bool ok = fd >= 0 && write(fd, out->s, out->len) == (ssize_t)out->len;
        if (!ok)
            status = base_fail(err, BASE_FAILED, "cannot write '%s': %s", path, strerror(errno));
    }
    if (fd >= 0) close(fd);
    free(path);
    base_str_free(out);
    return status;
}

/* The file begins with `want`: what follows goes. Otherwise it is replaced. */
static base_status make_equal(const char *path, const base_str *want, base_err *err)
{
    char *is = NULL;
    size_t n = 0;
    if (base_exists(path)) base_read_file(path, MAX_FILE, &is, &n, NULL);
    const bool begins = is && n >= want->len && memcmp(is, want->s, want->len) == 0;
    free(is);
    if (!begins) return base_write_file(path, want->s, want->len, err);
    if (n == want->len || truncate(path, (off_t)want->len) == 0) return BASE_OK;
    return base_fail(err, BASE_FAILED, "cannot write '%s': %s", path, strerror(errno));
}

base_status events_open(const char *dir, size_t epochs, base_err *err)
{
    runinfo r;
    base_str out = {0}, version = {0};
    char *path = file_of(dir);
    base_status status = path ? runinfo_open(dir, &r, err) : base_nomem(err, 1);
    if (status == BASE_OK) {
        const double started = start_of(&r);
        pb_put_double(&version, WALL_TIME, started);
        pb_put_string(&version, FILE_VERSION, "brain.Event:2");
        add_record(&out, &version);
        add_settings(&out, &r, started);
        for (size_t i = 0; i < epochs && i < json_array_size(r.curve); i++)
            add_scalars(&out, json_array_get(r.curve, i), started);
        status = out.failed ? base_nomem(err, out.len) : make_equal(path, &out, err);
    }
    if (path) runinfo_close(&r);
    base_str_free(&out);
    free(path);
    return status;
}

base_status events_epoch(const char *dir, const json_t *line, base_err *err)
{
    base_str out = {0};
    add_scalars(&out, line, 0);
    return append(dir, &out, err);
}

base_status events_end(const char *dir, bool done, base_err *err)
{
    const double now = (double)time(NULL);
    base_str out = {0}, end = {0};
    char *path = base_path(dir, "confusion.json");
    json_t *confusion = path ? json_load_file(path, 0, NULL) : NULL;
    if (json_array_size(json_object_get(confusion, "rows")) > 0)
        add_confusion(&out, confusion, now);
    pb_put_int(&end, END_STATUS, done ? 1 : 2);
    pb_put_double(&end, END_TIME, now);
    add_hparams(&out, now, "_hparams_/session_end_info", SESSION_END, &end);
    json_decref(confusion);
    free(path);
    return append(dir, &out, err);
}
