/* Folders that are replaced whole: filled beside their final name, then renamed onto it. */
#include "data/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TRIES = 100, OPEN_FOLDERS = 16 };

base_status data_folder_check_free(const char *path, base_err *err)
{
    DIR *dir = opendir(path);
    if (!dir && errno == ENOENT) return BASE_OK;
    if (!dir && errno == ENOTDIR) {
        base_fail(err, BASE_USAGE, "%s exists and is no folder", path);
        return base_hint(err, "name a folder that does not exist yet");
    }
    if (!dir) return base_fail(err, BASE_FAILED, "%s: %s", path, strerror(errno));
    bool empty = true;
    for (struct dirent *e = readdir(dir); e && empty; e = readdir(dir))
        empty = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0;
    closedir(dir);
    if (empty) return BASE_OK;
    base_fail(err, BASE_USAGE, "%s exists and is not empty", path);
    return base_hint(err, "remove it or name another folder");
}

/* The folder above path; freed with free(). */
static char *parent(const char *path)
{
    char *up = base_strdup(path);
    if (!up) return NULL;
    char *slash = strrchr(up, '/');
    if (!slash)
        strcpy(up, "."); /* path is not empty: there is room */
    else
        slash[slash == up] = '\0';
    return up;
}

base_status data_folder_temp(const char *path, char **temp, base_err *err)
{
    size_t len = strlen(path);
    while (len > 1 && path[len - 1] == '/') len--;
    if (len == 0) return base_fail(err, BASE_USAGE, "the name of the folder is empty");
    base_str name = {0};
    base_str_add_n(&name, path, len);
    char *up = name.failed ? NULL : parent(name.s);
    base_str_free(&name);
    if (!up) return base_nomem(err, len);
    base_status st = base_mkdirs(up, err);
    free(up);
    BASE_TRY(st);
    for (int i = 0; i < TRIES; i++) {
        base_str_add(&name, "%.*s.tmp-%ld-%d", (int)len, path, (long)getpid(), i);
        if (name.failed) {
            base_str_free(&name);
            return base_nomem(err, len);
        }
        if (mkdir(name.s, 0777) == 0) {
            *temp = name.s;
            return BASE_OK;
        }
        int code = errno;
        base_str_free(&name);
        if (code != EEXIST)
            return base_fail(err, BASE_FAILED, "cannot make a folder beside %s: %s", path,
                             strerror(code));
    }
    return base_fail(err, BASE_FAILED, "cannot make a folder beside %s: all names are taken", path);
}

base_status data_folder_commit(const char *temp, const char *path, base_err *err)
{
    int fd = open(temp, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || syncfs(fd) != 0) {
        base_fail(err, BASE_FAILED, "%s cannot be written to the disk: %s", temp, strerror(errno));
        if (fd >= 0) close(fd);
        return BASE_FAILED;
    }
    close(fd);
    if (rename(temp, path) == 0) return BASE_OK;
    return base_fail(err, BASE_FAILED, "%s cannot be renamed to %s: %s", temp, path,
                     strerror(errno));
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *where)
{
    (void)info, (void)kind, (void)where;
    remove(path);
    return 0;
}

void data_folder_remove(const char *path)
{
    nftw(path, remove_one, OPEN_FOLDERS, FTW_DEPTH | FTW_PHYS);
}

char *data_folder_missing(const char *path)
{
    char *top = base_strdup(path);
    for (size_t i = 1; top && top[i - 1]; i++) {
        if (top[i] != '/' && top[i] != '\0') continue;
        char end = top[i];
        top[i] = '\0';
        if (!base_exists(top)) return top;
        top[i] = end;
    }
    free(top);
    return NULL;
}

void data_folder_prune(const char *path, const char *top)
{
    char *at = top ? base_strdup(path) : NULL;
    while (at && strlen(at) >= strlen(top)) {
        if (rmdir(at) != 0 && errno != ENOENT) break;
        char *slash = strrchr(at, '/');
        if (!slash) break;
        *slash = '\0';
    }
    free(at);
}
