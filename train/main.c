/* main: sotto <command>. Finds the command, runs it, prints its result, its error, and exits. */
#include "train/cli.h"
#include "train/version.h"

#include <errno.h>
#include <string.h>

typedef base_status command_fn(cli *c, int argc, char **argv, base_err *err);

/* A command, or with run == NULL the heading of a group. In names '_' stands for the space between
 * the words of a command. */
typedef struct command {
    const char *name, *summary;
    command_fn *run;
} command;

static const command commands[] = {
#define GROUP(title)           {title, NULL, NULL},
#define COMMAND(name, summary) {#name, summary, cmd_##name},
#include "train/commands.def"
#undef GROUP
#undef COMMAND
};

enum { NAME_MAX_BYTES = 64 };

static void spaced(const char *name, char *out)
{
    size_t i = 0;
    for (; name[i] && i + 1 < NAME_MAX_BYTES; i++) out[i] = name[i] == '_' ? ' ' : name[i];
    out[i] = '\0';
}

/* How many words of argv the command's name takes, 0 when it is not this command. */
static int matches(const command *cmd, int argc, char **argv)
{
    if (!cmd->run) return 0;
    const char *name = cmd->name;
    for (int words = 1; words <= argc; words++) {
        size_t len = strcspn(name, "_");
        if (strlen(argv[words - 1]) != len || strncmp(argv[words - 1], name, len) != 0) return 0;
        if (name[len] == '\0') return words;
        name += len + 1;
    }
    return 0;
}

/* Whether word is the first of a command of two words, such as "data". */
static bool is_family(const char *word)
{
    size_t len = strlen(word);
    for (size_t i = 0; i < BASE_COUNT(commands); i++)
        if (commands[i].run && strncmp(commands[i].name, word, len) == 0 &&
            commands[i].name[len] == '_')
            return true;
    return false;
}

/* All commands, or those of one family. Groups that list nothing are left out. */
static void print_commands(FILE *f, const char *family)
{
    size_t len = family ? strlen(family) : 0;
    const char *group = NULL;
    for (size_t i = 0; i < BASE_COUNT(commands); i++) {
        const command *cmd = &commands[i];
        if (!cmd->run) {
            group = cmd->name;
            continue;
        }
        if (family && (strncmp(cmd->name, family, len) != 0 || cmd->name[len] != '_')) continue;
        if (group && !family) fprintf(f, "\n%s\n", group);
        group = NULL;
        char name[NAME_MAX_BYTES];
        spaced(cmd->name, name);
        fprintf(f, "  %-12s  %s\n", name, cmd->summary);
    }
}

static base_status print_help(const char *family, base_err *err)
{
    if (family)
        printf("Usage: sotto %s <command> [options]\n\n", family);
    else
        printf("sotto: keyword spotting from recorded words to an int8 model in a microcontroller\n"
               "\nUsage: sotto <command> [options] [section.key=value ...]\n");
    print_commands(stdout, family);
    printf("\n`sotto <command> -h` explains a command.\n");
    if (fflush(stdout) != 0 || ferror(stdout))
        return base_fail(err, BASE_FAILED, "cannot write to standard output: %s", strerror(errno));
    return BASE_OK;
}

static base_status unknown(int argc, char **argv, base_err *err)
{
    char names[BASE_COUNT(commands)][NAME_MAX_BYTES];
    const char *list[BASE_COUNT(commands)];
    size_t n = 0;
    for (size_t i = 0; i < BASE_COUNT(commands); i++) {
        if (!commands[i].run) continue;
        spaced(commands[i].name, names[n]);
        list[n] = names[n];
        n++;
    }
    char word[2 * NAME_MAX_BYTES];
    snprintf(word, sizeof word, "%.60s%s%.60s", argv[0], argc > 1 && is_family(argv[0]) ? " " : "",
             argc > 1 && is_family(argv[0]) ? argv[1] : "");
    base_fail(err, BASE_USAGE, "unknown command '%s'", word);
    const char *near = base_nearest(word, list, n);
    return near ? base_hint(err, "did you mean sotto %s?", near)
                : base_hint(err, "sotto -h lists the commands");
}

static bool asks_help(const char *word)
{
    return strcmp(word, "-h") == 0 || strcmp(word, "--help") == 0 || strcmp(word, "help") == 0;
}

static base_status run(const command *cmd, int words, int argc, char **argv, base_err *err)
{
    char name[NAME_MAX_BYTES];
    spaced(cmd->name, name);
    cli c;
    base_status status = cli_open(&c, name, err);
    if (status == BASE_OK) status = cmd->run(&c, argc - words + 1, argv + words - 1, err);
    return cli_close(&c, status, err);
}

static base_status dispatch(int argc, char **argv, base_err *err)
{
    if (argc == 0) {
        base_fail(err, BASE_USAGE, "no command given");
        return base_hint(err, "sotto -h lists the commands");
    }
    if (asks_help(argv[0])) return print_help(NULL, err);
    if (strcmp(argv[0], "--version") == 0) {
        printf("sotto " SOTTO_VERSION "\n");
        return BASE_OK;
    }
    for (size_t i = 0; i < BASE_COUNT(commands); i++) {
        int words = matches(&commands[i], argc, argv);
        if (words) return run(&commands[i], words, argc, argv, err);
    }
    if (is_family(argv[0]) && argc > 1 && asks_help(argv[1])) return print_help(argv[0], err);
    if (is_family(argv[0]) && argc == 1) {
        base_fail(err, BASE_USAGE, "sotto %s needs one more word", argv[0]);
        return base_hint(err, "sotto %s -h lists its commands", argv[0]);
    }
    return unknown(argc, argv, err);
}

int main(int argc, char **argv)
{
    base_err err = {0};
    base_status status = dispatch(argc - 1, argv + 1, &err);
    if (status != BASE_OK) cli_report(&err);
    return cli_exit_code(status);
}
