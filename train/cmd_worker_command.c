/* The command of a worker for a shell: see train/cmd_worker.h. */
#include "train/cmd_worker.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void cmd_worker_word(base_str *out, const char *word)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./,:@-";
    if (word[strspn(word, plain)] == '\0') {
        base_str_add(out, "%s", word);
        return;
    }
    base_str_add(out, "'");
    for (; *word; word++)
        if (*word == '\'')
            base_str_add(out, "'\\''");
        else
            base_str_add_n(out, word, 1);
    base_str_add(out, "'");
}

base_status cmd_worker_command(const char *dir, int threads, base_str *out, base_err *err)
{
    char program[PATH_MAX] = "", full[PATH_MAX];
    sweep s;
    BASE_TRY(sweep_open(dir, &s, err));
    sweep_close(&s);
    if (readlink("/proc/self/exe", program, sizeof program - 1) < 0 || !realpath(dir, full))
        return base_fail(err, BASE_FAILED, "cannot find the path of '%s': %s", dir,
                         strerror(errno));
    cmd_worker_word(out, program);
    base_str_add(out, " sweep run ");
    cmd_worker_word(out, full);
    base_str_add(out, " --threads %d", threads);
    return out->failed ? base_nomem(err, out->len) : BASE_OK;
}
