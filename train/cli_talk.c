/* cli_talk: what is said on stderr while a command works, and Ctrl-C. */
#include "train/cli_state.h"

#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define REDRAW_SECONDS (1.0 / 6)

enum { BAR_CELLS = 20, LINE_MAX_COLUMNS = 250 };

/* ---- lines ---- */

static void say(cli *c, const char *prefix, const char *fmt, va_list args)
{
    cli_bar_clear(c);
    fputs(prefix, stderr);
    vfprintf(stderr, fmt, args);
    fputc('\n', stderr);
}

void cli_say(cli *c, const char *fmt, ...)
{
    if (c->verbosity < 0) return;
    va_list args;
    va_start(args, fmt);
    say(c, "", fmt, args);
    va_end(args);
}

void cli_verbose(cli *c, const char *fmt, ...)
{
    if (c->verbosity < 1) return;
    va_list args;
    va_start(args, fmt);
    say(c, "", fmt, args);
    va_end(args);
}

void cli_warn(cli *c, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    say(c, "sotto: warning: ", fmt, args);
    va_end(args);
}

/* ---- progress ---- */

bool cli_is_live(const cli *c)
{
    return c->state->live && c->verbosity >= 0;
}

void cli_bar_clear(cli *c)
{
    cli_bar *bar = &c->state->bar;
    if (!bar->drawn) return;
    fputs("\r\033[K", stderr);
    fflush(stderr);
    bar->drawn = false;
}

static int terminal_columns(void)
{
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < 20) return 80;
    return size.ws_col < LINE_MAX_COLUMNS ? size.ws_col : LINE_MAX_COLUMNS;
}

static void add_eta(base_str *line, const cli_bar *bar, double rate)
{
    if (bar->total <= bar->done || rate <= 0) return;
    double left = (double)(bar->total - bar->done) / rate;
    if (left >= 100.0 * 3600) return;
    int s = (int)(left + 0.5);
    if (s >= 3600)
        base_str_add(line, "  ETA %d:%02d:%02d", s / 3600, s / 60 % 60, s % 60);
    else
        base_str_add(line, "  ETA %d:%02d", s / 60, s % 60);
}

static void draw(cli *c, double now)
{
    cli_bar *bar = &c->state->bar;
    double elapsed = now - bar->start;
    double rate = elapsed > 0 ? (double)bar->done / elapsed : 0;
    base_str line = {0};
    base_str_add(&line, "%s ", bar->what);
    if (bar->total > 0) {
        double share = (double)bar->done / (double)bar->total;
        share = share < 0 ? 0 : share > 1 ? 1 : share;
        int full = (int)(share * BAR_CELLS);
        base_str_add(&line, "[%.*s%.*s] %3d%% ", full, "####################", BAR_CELLS - full,
                     "....................", (int)(100 * share));
        base_str_add(&line, "%lld/%lld %s", (long long)bar->done, (long long)bar->total, bar->unit);
    } else {
        base_str_add(&line, "%lld %s", (long long)bar->done, bar->unit);
    }
    base_str_add(&line, rate < 10 ? "  %.1f/s" : "  %.0f/s", rate);
    add_eta(&line, bar, rate);
    if (bar->note[0]) base_str_add(&line, "  %s", bar->note);
    if (!line.failed) fprintf(stderr, "\r%.*s\033[K", terminal_columns() - 1, line.s);
    fflush(stderr);
    base_str_free(&line);
    bar->drawn = true;
    bar->last = now;
}

void cli_progress_begin(cli *c, const char *what, const char *unit, int64_t total)
{
    cli_progress_end(c);
    cli_bar *bar = &c->state->bar;
    double now = base_seconds();
    *bar = (cli_bar){.on = true, .total = total, .start = now, .last = now};
    snprintf(bar->what, sizeof bar->what, "%s", what);
    snprintf(bar->unit, sizeof bar->unit, "%s", unit);
}

void cli_progress_at(cli *c, int64_t done)
{
    cli_bar *bar = &c->state->bar;
    if (!bar->on) return;
    bar->done = done;
    if (!cli_is_live(c)) return;
    double now = base_seconds();
    if (now - bar->last >= REDRAW_SECONDS) draw(c, now);
}

void cli_progress_note(cli *c, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(c->state->bar.note, sizeof c->state->bar.note, fmt, args);
    va_end(args);
}

void cli_progress_end(cli *c)
{
    cli_bar_clear(c);
    c->state->bar = (cli_bar){0};
}

/* ---- Ctrl-C ---- */

/* The one mutable variable of file scope in the tree: a handler has no other way to be heard. */
static volatile sig_atomic_t stop_flag;

static void on_signal(int number)
{
    static const char text[] = "\nstopping cleanly; once more to stop at once\n";
    (void)number;
    stop_flag = 1;
    struct sigaction at_once = {.sa_handler = SIG_DFL};
    sigaction(SIGINT, &at_once, NULL);
    sigaction(SIGTERM, &at_once, NULL);
    ssize_t ignored = write(STDERR_FILENO, text, sizeof text - 1);
    (void)ignored;
}

const volatile sig_atomic_t *cli_interrupt(cli *c)
{
    (void)c;
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    return &stop_flag;
}
