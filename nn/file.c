/* Files of nn/base.h that appear whole or not at all: temporary name beside the target, fsync,
 * rename, fsync of the folder. Devices and pipes cannot be renamed onto and are written through. */
#include "nn/base.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static base_status io_fail(base_err *err, const char *what, const char *path)
{
    base_status status = errno == ENOENT || errno == ENOTDIR ? BASE_DATA : BASE_FAILED;
    return base_fail(err, status, "cannot %s '%s': %s", what, path, strerror(errno));
}

static base_status write_fail(base_err *err, const char *path)
{
    base_fail(err, BASE_FAILED, "cannot write '%s': %s", path, strerror(errno));
    if (errno == ENOSPC) return base_hint(err, "free some space, or write elsewhere with -o");
    if (errno == EACCES || errno == EROFS || errno == EPERM)
        return base_hint(err, "you may not write there; choose another place with -o");
    const char *slash = strrchr(path, '/');
    if (errno == ENOENT && slash)
        return base_hint(err, "make the folder first: mkdir -p '%.*s'", (int)(slash - path), path);
    return BASE_FAILED;
}

static bool is_special(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && !S_ISREG(st.st_mode);
}

base_status base_temp_name(const char *path, char **temp, base_err *err)
{
    base_str s = {0};
    const char *slash = strrchr(path, '/');
    if (is_special(path)) {
        if (base_is_dir(path))
            return base_fail(err, BASE_USAGE, "'%s' is a folder, a file name is wanted", path);
        const char *dir = getenv("TMPDIR");
        base_str_add(&s, "%s/sotto-XXXXXX", dir && *dir ? dir : "/tmp");
    } else if (slash) {
        base_str_add_n(&s, path, (size_t)(slash - path) + 1);
        base_str_add(&s, ".%s.XXXXXX", slash + 1);
    } else {
        base_str_add(&s, ".%s.XXXXXX", path);
    }
    if (s.failed) return base_nomem(err, s.len);
    int fd = mkstemp(s.s);
    if (fd < 0) {
        base_str_free(&s);
        return write_fail(err, path);
    }
    mode_t mask = umask(0);
    umask(mask);
    fchmod(fd, 0666 & ~mask);
    close(fd);
    *temp = s.s;
    return BASE_OK;
}

static base_status sync_path(const char *path, int flags, const char *name, base_err *err)
{
    int fd = open(path, flags | O_CLOEXEC);
    int bad = fd < 0 || (fsync(fd) != 0 && errno != EINVAL);
    base_status status = bad ? write_fail(err, name) : BASE_OK;
    if (fd >= 0) close(fd);
    return status;
}

/* The bytes of temp into the device or pipe at path. */
static base_status copy_into(const char *temp, const char *path, base_err *err)
{
    char buf[1 << 16];
    FILE *from = fopen(temp, "rb"), *to = fopen(path, "wb");
    bool ok = from && to;
    for (size_t n; ok && (n = fread(buf, 1, sizeof buf, from)) > 0;)
        ok = fwrite(buf, 1, n, to) == n;
    if (to && fclose(to) != 0) ok = false;
    base_status status = ok ? BASE_OK : write_fail(err, path);
    if (from) fclose(from);
    return status;
}

base_status base_replace(const char *temp, const char *path, base_err *err)
{
    base_status status;
    if (is_special(path)) {
        status = copy_into(temp, path, err);
        unlink(temp);
        return status;
    }
    status = sync_path(temp, O_RDWR, path, err);
    if (status == BASE_OK && rename(temp, path) != 0) status = write_fail(err, path);
    if (status != BASE_OK) {
        unlink(temp);
        return status;
    }
    char *dir = base_strdup(path);
    if (!dir) return base_nomem(err, strlen(path));
    char *slash = strrchr(dir, '/');
    if (slash) slash[slash == dir] = '\0';
    status = sync_path(slash ? dir : ".", O_RDONLY, path, err);
    free(dir);
    return status;
}

base_status base_file_create(base_file *file, const char *path, base_err *err)
{
    *file = (base_file){.path = base_strdup(path)};
    if (!file->path) return base_nomem(err, strlen(path));
    if (is_special(path) && !base_is_dir(path)) {
        file->f = fopen(path, "wb");
    } else {
        base_status status = base_temp_name(path, &file->temp, err);
        if (status != BASE_OK) {
            base_file_abort(file);
            return status;
        }
        file->f = fopen(file->temp, "wb");
    }
    if (file->f) return BASE_OK;
    base_status status = write_fail(err, path);
    base_file_abort(file);
    return status;
}

base_status base_file_commit(base_file *file, base_err *err)
{
    bool bad = ferror(file->f) != 0;
    if (fclose(file->f) != 0) bad = true;
    file->f = NULL;
    base_status status = BASE_OK;
    if (bad) {
        if (errno == 0) errno = EIO;
        status = write_fail(err, file->path);
    } else if (file->temp) {
        status = base_replace(file->temp, file->path, err);
        free(file->temp);
        file->temp = NULL;
    }
    base_file_abort(file);
    return status;
}

void base_file_abort(base_file *file)
{
    if (file->f) fclose(file->f);
    if (file->temp) unlink(file->temp);
    free(file->temp);
    free(file->path);
    *file = (base_file){0};
}

base_status base_read_file(const char *path, size_t max, char **text, size_t *n, base_err *err)
{
    *text = NULL;
    if (base_is_dir(path))
        return base_fail(err, BASE_DATA, "'%s' is a folder, a file is wanted", path);
    FILE *f = fopen(path, "rb");
    if (!f) return io_fail(err, "open", path);
    base_str s = {0};
    char buf[1 << 15];
    for (size_t got; (got = fread(buf, 1, sizeof buf, f)) > 0 && s.len <= max;)
        base_str_add_n(&s, buf, got);
    base_str_add_n(&s, "", 0);
    base_status status = BASE_OK;
    if (ferror(f))
        status = io_fail(err, "read", path);
    else if (s.failed)
        status = base_nomem(err, s.len);
    else if (s.len > max)
        status = base_fail(err, BASE_DATA, "'%s' is larger than %zu bytes", path, max);
    fclose(f);
    if (status != BASE_OK) {
        base_str_free(&s);
        return status;
    }
    *text = s.s;
    if (n) *n = s.len;
    return BASE_OK;
}

base_status base_write_file(const char *path, const char *text, size_t n, base_err *err)
{
    base_file file;
    BASE_TRY(base_file_create(&file, path, err));
    if (fwrite(text, 1, n, file.f) != n) {
        base_status status = write_fail(err, path);
        base_file_abort(&file);
        return status;
    }
    return base_file_commit(&file, err);
}

base_status base_mkdirs(const char *path, base_err *err)
{
    char *p = base_strdup(path);
    if (!p) return base_nomem(err, strlen(path));
    bool ok = true;
    for (char *s = p + 1; ok; s++) {
        char c = *s;
        if (c != '/' && c != '\0') continue;
        *s = '\0';
        ok = mkdir(p, 0777) == 0 || errno == EEXIST;
        *s = c;
        if (c == '\0') break;
    }
    if (ok && !base_is_dir(path)) {
        ok = false;
        errno = ENOTDIR;
    }
    base_status status = BASE_OK;
    if (!ok)
        status = base_fail(err, BASE_FAILED, "cannot make folder '%s': %s", path, strerror(errno));
    free(p);
    return status;
}

bool base_is_dir(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

bool base_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}

char *base_path(const char *dir, const char *name)
{
    base_str s = {0};
    size_t n = strlen(dir);
    base_str_add(&s, "%s%s%s", dir, n > 0 && dir[n - 1] == '/' ? "" : "/", name);
    if (s.failed) base_str_free(&s);
    return s.s;
}

double base_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}
