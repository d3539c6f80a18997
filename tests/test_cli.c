/* cli: options, refusals and exit codes; the result in its three formats. What needs a whole
 * program (terminals, signals, full disks) is in tests/cli.
 */
#include "train/cli_state.h"

#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

/* A command's options as it would declare them. */
typedef struct options {
    int flag, whole;
    long long big;
    double real;
    const char *text;
} options;

static bool parse(cli *c, options *o, const cli_spec *spec, base_err *err, ...)
{
    char *argv[16] = {(char *)"try"};
    int argc = 1;
    va_list args;
    va_start(args, err);
    for (char *a; (a = va_arg(args, char *)) != NULL;) argv[argc++] = a;
    va_end(args);
    const struct poptOption table[] = {
        {"flag", 'f', POPT_ARG_NONE, &o->flag, 0, "a flag", NULL},
        {"whole", 0, POPT_ARG_INT, &o->whole, 0, "a whole number", "N"},
        {"big", 0, POPT_ARG_LONGLONG, &o->big, 0, "a large number", "N"},
        {"real", 0, POPT_ARG_DOUBLE, &o->real, 0, "a number", "X"},
        {"text", 't', POPT_ARG_STRING, &o->text, 0, "some text", "TEXT"},
        POPT_TABLEEND};
    *err = (base_err){0};
    assert_int_equal(cli_open(c, "try", err), BASE_OK);
    return cli_parse(c, argc, argv, spec, table, err);
}

static void close_quietly(cli *c)
{
    base_err err = {0};
    assert_int_equal(cli_close(c, BASE_FAILED, &err), BASE_FAILED);
}

static const cli_spec any_args = {.usage = "FILE...",
                                  .max_args = -1,
                                  .output = "what is written",
                                  .takes = CLI_SEED | CLI_THREADS | CLI_OVERRIDES};

static void options_fill_their_variables(void **state)
{
    (void)state;
    cli c;
    base_err err;
    options o = {.whole = 3, .real = 0.5, .text = "default"};
    assert_true(parse(&c, &o, &any_args, &err, "a", "--whole", "7", "-f", "--text=first", "-t",
                      "second", "train.lr=0.1", "--big", "123456789012", "b=c", "-o", "out", "-q",
                      (char *)NULL));
    assert_int_equal(o.flag, 1);
    assert_int_equal(o.whole, 7);
    assert_true(o.big == 123456789012);
    assert_true(o.real == 0.5);
    assert_string_equal(o.text, "second");
    assert_string_equal(c.output, "out");
    assert_int_equal(c.verbosity, -1);
    assert_int_equal(c.nargs, 2);
    assert_string_equal(c.args[0], "a");
    assert_string_equal(c.args[1], "b=c"); /* no section: an argument */
    assert_int_equal(c.noverrides, 1);
    assert_string_equal(c.overrides[0], "train.lr=0.1");
    assert_false(c.seed_given);
    assert_int_equal(c.threads, base_cores());
    close_quietly(&c);
}

static void common_options(void **state)
{
    (void)state;
    cli c;
    base_err err;
    options o = {0};
    assert_true(parse(&c, &o, &any_args, &err, "--seed=0", "--threads", "3", "--format", "json",
                      "-v", "--", "--flag", (char *)NULL));
    assert_true(c.seed_given);
    assert_int_equal(c.seed, 0);
    assert_int_equal(c.threads, 3);
    assert_int_equal(c.format, CLI_FORMAT_JSON);
    assert_int_equal(c.verbosity, 1);
    assert_int_equal(c.nargs, 1);
    assert_string_equal(c.args[0], "--flag");
    close_quietly(&c);
}

static void refuse(const cli_spec *spec, const char *message, const char *hint, char *a, char *b,
                   char *d)
{
    cli c;
    base_err err;
    options o = {0};
    assert_false(parse(&c, &o, spec, &err, a, b, d, (char *)NULL));
    assert_int_equal(err.status, BASE_USAGE);
    assert_string_equal(err.message, message);
    if (hint) assert_string_equal(err.hint, hint);
    close_quietly(&c);
}

static void refusals(void **state)
{
    (void)state;
    const cli_spec plain = {.usage = "FILE", .min_args = 1, .max_args = 1};
    const cli_spec out = {
        .usage = "", .output = "the file", .max_args = 0, .takes = CLI_OUTPUT_NEEDED};
    char *x = (char *)"x", *y = (char *)"y";
    refuse(&any_args, "unknown option '--flg' of sotto try", "did you mean --flag?",
           (char *)"--flg", NULL, NULL);
    refuse(&any_args, "unknown option '-z' of sotto try", "see sotto try -h", (char *)"-z", NULL,
           NULL);
    refuse(&plain, "unknown option '--seed' of sotto try", NULL, x, (char *)"--seed", (char *)"3");
    refuse(&any_args, "option '--whole 3x': invalid numeric value", NULL, (char *)"--whole",
           (char *)"3x", NULL);
    refuse(&any_args, "option '--real=-x': invalid numeric value", NULL, (char *)"--real=-x", NULL,
           NULL);
    refuse(&any_args, "option '--text': missing argument", NULL, (char *)"--text", NULL, NULL);
    refuse(&any_args, "--threads 0 is out of range", "--threads is within 1 .. 256",
           (char *)"--threads", (char *)"0", NULL);
    refuse(&any_args, "--seed -1 is out of range", NULL, (char *)"--seed=-1", NULL, NULL);
    refuse(&any_args, "--format 'xml' is none of its choices",
           "--format is one of: table, tsv, json", (char *)"--format", (char *)"xml", NULL);
    refuse(&plain, "sotto try: too few arguments", "usage: sotto try [OPTION...] FILE", NULL, NULL,
           NULL);
    refuse(&plain, "sotto try: one argument too many: 'y'", NULL, x, y, NULL);
    refuse(&plain, "sotto try takes no settings: 'train.lr=1'", NULL, x, (char *)"train.lr=1",
           NULL);
    refuse(&out, "sotto try: -o PATH is missing", "-o names the file", NULL, NULL, NULL);
}

static void ranges(void **state)
{
    (void)state;
    base_err err = {0};
    assert_int_equal(cli_check_range("--x", 1, 1, 2, &err), BASE_OK);
    assert_int_equal(cli_check_range("--x", 2, 1, 2, &err), BASE_OK);
    assert_int_equal(cli_check_range("--x", 2.5, 1, 2, &err), BASE_USAGE);
    assert_int_equal(cli_check_range("--x", (double)NAN, 1, 2, &err), BASE_USAGE);
    assert_int_equal(cli_check_range("--x", 0, 1, (double)INFINITY, &err), BASE_USAGE);
    assert_string_equal(err.hint, "--x is at least 1");
}

static void exit_codes(void **state)
{
    (void)state;
    static const int codes[] = {
        [BASE_OK] = 0,   [BASE_FAILED] = 1,   [BASE_USAGE] = 2,  [BASE_DATA] = 3,
        [BASE_GATE] = 4, [BASE_MISMATCH] = 6, [BASE_AGAIN] = 75, [BASE_INTERRUPTED] = 130};
    for (size_t i = 0; i < BASE_COUNT(codes); i++)
        assert_int_equal(cli_exit_code((base_status)i), codes[i]);
}

/* ---- the result ---- */

static void put_sample(cli *c)
{
    cli_put_percent(c, "accuracy", 0.1 + 0.2, 2);
    cli_put_int(c, "clips", 1780);
    cli_put_real(c, "loss", (double)NAN, 3);
    cli_put_bool(c, "fits", true);
    cli_put_json(c, "extra", json_pack("[i,i]", 1, 2));
    const cli_column columns[] = {{"word", "Word", CLI_TEXT, 0},
                                  {"size", "Size", CLI_BYTES, 1},
                                  {"recall", "Recall", CLI_PERCENT, 1}};
    cli_table *t = cli_table_new(c, "classes", columns, 3);
    cli_cell_text(t, "tür\t\"");
    cli_cell_int(t, 20480);
    cli_cell_real(t, 0.5);
    cli_cell_text(t, "no");
    cli_cell_int(t, 512);
    cli_cell_text(t, NULL);
}

static char *render(cli_format format)
{
    cli c;
    base_err err = {0};
    assert_int_equal(cli_open(&c, "try", &err), BASE_OK);
    c.format = format;
    put_sample(&c);
    base_str out = {0};
    cli_render(&c, &out);
    assert_false(out.failed || c.state->failed);
    close_quietly(&c);
    return out.s;
}

static void for_people(void **state)
{
    (void)state;
    char *text = render(CLI_FORMAT_TABLE);
    assert_string_equal(text, "accuracy  30.00 %\n"
                              "clips     1780\n"
                              "loss      -\n"
                              "fits      yes\n"
                              "\n"
                              "classes\n"
                              "Word       Size  Recall\n"
                              "tür \"  20.0 KiB  50.0 %\n"
                              "no        512 B       -\n");
    free(text);
}

static void for_pipes(void **state)
{
    (void)state;
    char *text = render(CLI_FORMAT_TSV);
    assert_string_equal(text, "accuracy\t0.30000000000000004\n"
                              "clips\t1780\n"
                              "loss\t\n"
                              "fits\tyes\n"
                              "\n"
                              "word\tsize\trecall\n"
                              "tür \"\t20480\t0.5\n"
                              "no\t512\t\n");
    free(text);
}

static void for_programs(void **state)
{
    (void)state;
    char *text = render(CLI_FORMAT_JSON);
    json_t *o = json_loads(text, 0, NULL);
    assert_non_null(o);
    assert_true(json_real_value(json_object_get(o, "accuracy")) == 0.1 + 0.2);
    assert_int_equal(json_integer_value(json_object_get(o, "clips")), 1780);
    assert_true(json_is_null(json_object_get(o, "loss")));
    assert_true(json_is_true(json_object_get(o, "fits")));
    assert_int_equal(json_array_size(json_object_get(o, "extra")), 2);
    json_t *rows = json_object_get(o, "classes");
    assert_int_equal(json_array_size(rows), 2);
    json_t *row = json_array_get(rows, 0);
    assert_string_equal(json_string_value(json_object_get(row, "word")), "tür\t\"");
    assert_int_equal(json_integer_value(json_object_get(row, "size")), 20480);
    assert_true(json_is_null(json_object_get(json_array_get(rows, 1), "recall")));
    json_decref(o);
    free(text);
}

/* Run fn with descriptor fd going to `path` and give back what the file then holds (path NULL: a
 * temporary file). */
static char *captured(int fd, const char *path, void (*fn)(void *ctx), void *ctx)
{
    char temp[] = "/tmp/test_cli_XXXXXX";
    int file = path ? open(path, O_WRONLY) : mkstemp(temp);
    assert_true(file >= 0);
    fflush(NULL);
    int saved = dup(fd);
    dup2(file, fd);
    fn(ctx);
    fflush(NULL);
    dup2(saved, fd);
    close(saved);
    close(file);
    if (path) return NULL;
    char *text;
    size_t n;
    base_err err = {0};
    assert_int_equal(base_read_file(temp, 1 << 20, &text, &n, &err), BASE_OK);
    unlink(temp);
    return text;
}

/* A command that puts one value and ends with `status`. */
typedef struct ending {
    base_status status, closed;
    base_err err;
} ending;

static void end_with(void *ctx)
{
    ending *e = ctx;
    cli c;
    assert_int_equal(cli_open(&c, "try", &e->err), BASE_OK);
    c.format = CLI_FORMAT_TSV;
    cli_put_int(&c, "n", 3);
    e->closed = cli_close(&c, e->status, &e->err);
}

static void result_is_printed_when_there_is_one(void **state)
{
    (void)state;
    for (int i = BASE_OK; i <= BASE_INTERRUPTED; i++) {
        ending e = {.status = (base_status)i};
        char *text = captured(STDOUT_FILENO, NULL, end_with, &e);
        bool wanted = i == BASE_OK || i == BASE_GATE || i == BASE_MISMATCH || i == BASE_INTERRUPTED;
        assert_string_equal(text, wanted ? "n\t3\n" : "");
        assert_int_equal(e.closed, i);
        free(text);
    }
}

static void full_output_is_a_failure(void **state)
{
    (void)state;
    ending e = {.status = BASE_OK};
    captured(STDOUT_FILENO, "/dev/full", end_with, &e);
    clearerr(stdout);
    assert_int_equal(e.closed, BASE_FAILED);
    assert_string_equal(e.err.message,
                        "cannot write the result to standard output: No space left on device");
}

/* ---- talk ---- */

static void talk(void *ctx)
{
    cli *c = ctx;
    struct timespec tick = {.tv_nsec = 10000000};
    cli_progress_begin(c, "import", "clips", 60);
    for (int i = 0; i < 60; i++) {
        if (i == 20) cli_progress_note(c, "loss %.2f", 0.25);
        if (i == 30) cli_say(c, "one line");
        cli_progress_at(c, i);
        nanosleep(&tick, NULL);
    }
    cli_progress_end(c);
    cli_verbose(c, "details");
    cli_warn(c, "%d files", 2);
}

static char *said(int verbosity, bool live)
{
    cli c;
    base_err err = {0};
    assert_int_equal(cli_open(&c, "try", &err), BASE_OK);
    c.verbosity = verbosity;
    c.state->live = live;
    char *text = captured(STDERR_FILENO, NULL, talk, &c);
    close_quietly(&c);
    return text;
}

static void talk_follows_verbosity(void **state)
{
    (void)state;
    char *text = said(0, false);
    assert_string_equal(text, "one line\nsotto: warning: 2 files\n");
    free(text);
    text = said(1, false);
    assert_string_equal(text, "one line\ndetails\nsotto: warning: 2 files\n");
    free(text);
    text = said(-1, true);
    assert_string_equal(text, "sotto: warning: 2 files\n");
    free(text);
}

/* On a terminal: drawn at most six times a second, and nothing of it stays. */
static void progress_is_drawn_on_terminals(void **state)
{
    (void)state;
    double start = base_seconds();
    char *text = said(0, true);
    int most = 1 + (int)(6 * (base_seconds() - start));
    int bars = 0;
    for (const char *s = text; (s = strstr(s, "\rimport [")) != NULL; s++) bars++;
    assert_in_range(bars, 2, most);
    assert_non_null(strstr(text, "/60 clips"));
    assert_non_null(strstr(text, "ETA 0:0"));
    assert_non_null(strstr(text, "loss 0.25"));
    assert_non_null(strstr(text, "\r\033[Kone line\n"));
    const char *last = strstr(text, "sotto: warning");
    assert_non_null(last);
    assert_memory_equal(last - 4, "\r\033[K", 4);
    free(text);
}

/* The first signal is heard, the second one kills. */
static void two_signals(void **state)
{
    (void)state;
    static const int numbers[] = {SIGINT, SIGTERM};
    for (size_t i = 0; i < BASE_COUNT(numbers); i++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            cli c = {0};
            const volatile sig_atomic_t *stop = cli_interrupt(&c);
            close(STDERR_FILENO);
            if (*stop) _exit(1);
            raise(numbers[i]);
            if (!*stop) _exit(2);
            raise(numbers[i]);
            _exit(3);
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), numbers[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_fill_their_variables),
        cmocka_unit_test(common_options),
        cmocka_unit_test(refusals),
        cmocka_unit_test(ranges),
        cmocka_unit_test(exit_codes),
        cmocka_unit_test(for_people),
        cmocka_unit_test(for_pipes),
        cmocka_unit_test(for_programs),
        cmocka_unit_test(result_is_printed_when_there_is_one),
        cmocka_unit_test(full_output_is_a_failure),
        cmocka_unit_test(talk_follows_verbosity),
        cmocka_unit_test(progress_is_drawn_on_terminals),
        cmocka_unit_test(two_signals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
