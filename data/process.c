/* Programs through posix_spawn. Their output is read while they run, so that none blocks on a full
 * pipe; the end of both pipes is the end of the program. */
#include "data/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TICK_MS = 100 };

/* Both ends of the pipes of stdout and stderr; closed ends are -1. */
typedef struct pipes {
    int out[2], errors[2];
} pipes;

static void close_end(int *fd)
{
    if (*fd >= 0) close(*fd);
    *fd = -1;
}

static void close_all(pipes *p)
{
    for (int i = 0; i < 2; i++) {
        close_end(&p->out[i]);
        close_end(&p->errors[i]);
    }
}

/* Start argv with stdin empty and stdout and stderr on the pipes. Returns an errno. */
static int spawn(const char *const *argv, const pipes *p, pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    int code = posix_spawn_file_actions_init(&actions);
    if (code) return code;
    code = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    if (!code) code = posix_spawn_file_actions_adddup2(&actions, p->out[1], 1);
    if (!code) code = posix_spawn_file_actions_adddup2(&actions, p->errors[1], 2);
    /* posix_spawn does not write to the strings; its type is older than const. */
    if (!code)
        code = posix_spawnp(pid, argv[0], &actions, NULL, (char *const *)(uintptr_t)argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    return code;
}

/* The same for a program that is to end with the calling thread, which posix_spawn cannot say. In
 * the child nothing but system calls: other threads may hold locks. What cannot be started ends
 * itself. */
static int spawn_tied(const char *const *argv, const pipes *p, pid_t *pid)
{
    const pid_t parent = getpid();
    *pid = fork();
    if (*pid != 0) return *pid < 0 ? errno : 0;
    const int nothing = open("/dev/null", O_RDONLY);
    if (prctl(PR_SET_PDEATHSIG, SIGTERM) == 0 && getppid() == parent && dup2(nothing, 0) >= 0 &&
        dup2(p->out[1], 1) >= 0 && dup2(p->errors[1], 2) >= 0)
        execvp(argv[0], (char *const *)(uintptr_t)argv);
    kill(getpid(), SIGKILL);
    return 0;
}

/* What there is to read goes into text; the end is closed when the program closed its own. */
static void drain(int *fd, base_str *text)
{
    char block[4096];
    ssize_t n = read(*fd, block, sizeof block);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) return;
    if (n <= 0)
        close_end(fd);
    else if (text)
        base_str_add_n(text, block, (size_t)n);
}

static bool stopped(const data_process *process)
{
    return process->stop && *process->stop;
}

static void follow(const data_process *process, pipes *p, pid_t pid)
{
    bool told = false;
    while (p->out[0] >= 0 || p->errors[0] >= 0) {
        struct pollfd fds[2] = {{.fd = p->out[0], .events = POLLIN},
                                {.fd = p->errors[0], .events = POLLIN}};
        int ready = poll(fds, 2, TICK_MS);
        if (stopped(process) && !told) {
            kill(pid, SIGTERM);
            told = true;
        }
        if (ready == 0 && process->tick) process->tick(process->ctx);
        if (ready <= 0) continue;
        if (fds[0].revents) drain(&p->out[0], process->out);
        if (fds[1].revents) drain(&p->errors[0], process->errors);
    }
}

base_status data_process_run(const data_process *process, int *code, base_err *err)
{
    const char *name = process->argv[0];
    pipes p = {{-1, -1}, {-1, -1}};
    if (stopped(process)) return base_fail(err, BASE_INTERRUPTED, "interrupted");
    if (pipe2(p.out, O_CLOEXEC) != 0 || pipe2(p.errors, O_CLOEXEC) != 0) {
        base_fail(err, BASE_FAILED, "cannot run %s: %s", name, strerror(errno));
        close_all(&p);
        return BASE_FAILED;
    }
    pid_t pid;
    int failed = (process->tied ? spawn_tied : spawn)(process->argv, &p, &pid);
    if (failed) {
        close_all(&p);
        return base_fail(err, BASE_FAILED, "cannot run %s: %s", name, strerror(failed));
    }
    close_end(&p.out[1]);
    close_end(&p.errors[1]);
    follow(process, &p, pid);
    int state = 0;
    pid_t got;
    do got = waitpid(pid, &state, 0);
    while (got < 0 && errno == EINTR);
    *code = WIFEXITED(state) ? WEXITSTATUS(state) : 128 + WTERMSIG(state);
    /* Ctrl-C reaches the program too, perhaps before our own handler ran. */
    if (stopped(process) || *code == 128 + SIGINT)
        return base_fail(err, BASE_INTERRUPTED, "interrupted");
    return BASE_OK;
}

bool data_process_found(const char *program)
{
    const char *path = getenv("PATH");
    while (path && *path) {
        size_t n = strcspn(path, ":");
        char name[4096];
        int len = snprintf(name, sizeof name, "%.*s/%s", (int)n, path, program);
        if (len > 0 && (size_t)len < sizeof name && access(name, X_OK) == 0) return true;
        path += n + (path[n] == ':');
    }
    return false;
}

const char *data_process_last_line(base_str *text)
{
    if (!text->s) return "";
    while (text->len > 0 && strchr("\r\n \t", text->s[text->len - 1])) text->s[--text->len] = '\0';
    const char *line = strrchr(text->s, '\n');
    return line ? line + 1 : text->s;
}
