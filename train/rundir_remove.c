/* Removing a run directory (train/rundir.h). Files are reached by descriptors of their folders and
 * links are removed, not followed, so nothing outside of the run can be hit. config.ini goes first
 * and the lock last: what a crash leaves behind is listed as damaged and can be removed again.
 */
#include "train/rundir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef base_status visitor(int dir, const char *name, bool is_dir, const char *path,
                            base_err *err);

static base_status remove_fail(const char *path, base_err *err)
{
    return base_fail(err, BASE_FAILED, "cannot remove from '%s': %s", path, strerror(errno));
}

static int open_folder(int dir, const char *name)
{
    return openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* visit for everything in the folder `fd`, which is closed; path is for messages. */
static base_status each(int fd, visitor *visit, const char *path, base_err *err)
{
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d) {
        remove_fail(path, err);
        if (fd >= 0) close(fd);
        return BASE_FAILED;
    }
    base_status status = BASE_OK;
    for (struct dirent *e; status == BASE_OK && (e = readdir(d));) {
        struct stat st;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        if (fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
            status = visit(fd, e->d_name, S_ISDIR(st.st_mode), path, err);
    }
    closedir(d);
    return status;
}

/* Folders that hold a run at any depth. */
static base_status refuse_run(int dir, const char *name, bool is_dir, const char *path,
                              base_err *err)
{
    if (!is_dir) return BASE_OK;
    const int fd = open_folder(dir, name);
    if (fd >= 0 && (faccessat(fd, "config.ini", F_OK, AT_SYMLINK_NOFOLLOW) == 0 ||
                    faccessat(fd, "lock", F_OK, AT_SYMLINK_NOFOLLOW) == 0)) {
        close(fd);
        base_fail(err, BASE_USAGE, "'%s' holds other runs, as '%s'", path, name);
        return base_hint(err, "remove those first, if they are not wanted either");
    }
    return each(fd, refuse_run, path, err);
}

static base_status remove_entry(int dir, const char *name, bool is_dir, const char *path,
                                base_err *err)
{
    if (is_dir) BASE_TRY(each(open_folder(dir, name), remove_entry, path, err));
    if (unlinkat(dir, name, is_dir ? AT_REMOVEDIR : 0) == 0 || errno == ENOENT) return BASE_OK;
    return remove_fail(path, err);
}

static base_status remove_but_lock(int dir, const char *name, bool is_dir, const char *path,
                                   base_err *err)
{
    return strcmp(name, "lock") == 0 ? BASE_OK : remove_entry(dir, name, is_dir, path, err);
}

base_status rundir_open_to_remove(const char *path, rundir *run, base_err *err)
{
    struct stat st;
    char *name = base_strdup(path);
    *run = (rundir){.lock = -1};
    if (!name) return base_nomem(err, strlen(path));
    for (size_t n = strlen(name); n > 1 && name[n - 1] == '/';)
        name[--n] = '\0'; /* of a link too */
    base_status status = BASE_OK;
    if (lstat(name, &st) == 0 && S_ISLNK(st.st_mode)) {
        status = base_fail(err, BASE_USAGE, "'%s' is a link, no run directory", name);
        base_hint(err, "name the folder that it leads to, or remove the link with rm");
    }
    if (status == BASE_OK) status = rundir_reopen(name, run, err);
    if (status == BASE_OK) status = each(open_folder(AT_FDCWD, name), refuse_run, name, err);
    free(name);
    if (status != BASE_OK) rundir_close(run);
    return status;
}

base_status rundir_remove(rundir *run, base_err *err)
{
    const int fd = open_folder(AT_FDCWD, run->path);
    if (fd < 0) return remove_fail(run->path, err);
    base_status status = remove_entry(fd, "config.ini", false, run->path, err);
    const int again = status == BASE_OK ? dup(fd) : -1;
    if (again >= 0) status = each(again, remove_but_lock, run->path, err);
    if (status == BASE_OK) status = remove_entry(fd, "lock", false, run->path, err);
    close(fd);
    if (status == BASE_OK && rmdir(run->path) != 0) status = remove_fail(run->path, err);
    if (status == BASE_OK) rundir_close(run);
    return status;
}
