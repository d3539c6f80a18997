/* See train/problem.h. */
#include "train/problem.h"

#define TEXT(S, key, text)                                                                         \
    {                                                                                              \
        .name = #key, .help = text, .type = CONFIG_TEXT, .offset = offsetof(S, key),               \
        .size = sizeof(((S *)0)->key)                                                              \
    }

static const config_key problem_keys[] = {
    TEXT(problem_settings, task, "what is to be heard, said by whom, where"),
    TEXT(problem_settings, business, "what the product is for, as its owner counts it"),
    TEXT(problem_settings, proxy, "what is measured here in its stead"),
    TEXT(problem_settings, before_deployment, "metrics that recordings give before it ships"),
    TEXT(problem_settings, after_deployment, "metrics that only the field gives"),
    TEXT(problem_settings, retraining, "when a new model is trained"),
};

static const config_key target_keys[] = {
    TEXT(target_settings, board, "where it runs: a board of sotto estimate --list, or its .ini"),
    {.name = "inferences_per_second",
     .help = "how often the net runs while it listens",
     .type = CONFIG_REAL,
     .offset = offsetof(target_settings, inferences_per_second),
     .lo = 0.001,
     .hi = 1000},
    {.name = "volts",
     .help = "of the supply, for current_ma; 0: as the board's power was measured",
     .type = CONFIG_REAL,
     .offset = offsetof(target_settings, volts),
     .lo = 0,
     .hi = 60},
};

problem_settings problem_settings_default(void)
{
    return (problem_settings){.task = ""};
}

target_settings target_settings_default(void)
{
    return (target_settings){.inferences_per_second = 10};
}

config_section problem_section(problem_settings *s)
{
    return (config_section){
        .name = "problem", .settings = s, .keys = problem_keys, .nkeys = BASE_COUNT(problem_keys)};
}

config_section target_section(target_settings *s)
{
    return (config_section){
        .name = "target", .settings = s, .keys = target_keys, .nkeys = BASE_COUNT(target_keys)};
}
