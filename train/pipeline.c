/* See train/pipeline.h. */
#include "train/pipeline.h"

#include "data/paired.h"

static const char *const rules[] = {[PIPELINE_NOT_LOWER] = "not_lower",
                                    [PIPELINE_NOT_WORSE] = "not_worse",
                                    [PIPELINE_BETTER] = "better",
                                    [PIPELINE_ALWAYS] = "always",
                                    NULL};
#define MEMBER(key)                                                                                \
    .name = #key, .offset = offsetof(pipeline_settings, key),                                      \
    .size = sizeof(((pipeline_settings *)0)->key)
#define TEXT(key, text)                                                                            \
    {                                                                                              \
        MEMBER(key), .help = text, .type = CONFIG_TEXT                                             \
    }

static const config_key keys[] = {
    TEXT(words, "folder of recorded words that grows"),
    TEXT(test, "folder of test clips; without it the test speakers of words"),
    TEXT(dir, "folder of all that sotto pipeline writes"),
    TEXT(registry, "without it dir/registry"),
    TEXT(recording, "a long one, for the gates fa_per_hour and frr"),
    TEXT(labels, "what is said in it"),
    TEXT(lint_fail, "problems of sotto data lint that stop it"),
    TEXT(quantize, "more options of sotto quantize"),
    TEXT(check, "more options of sotto problem check"),
    TEXT(export, "more options of sotto export"),
    {MEMBER(promote), .help = "when a model that meets its gates may take the place of production",
     .type = CONFIG_CHOICE, .choices = rules},
    {MEMBER(every_days), .help = "due (--if-due) so many days after the last; 0: not by time",
     .type = CONFIG_REAL, .hi = 36500},
    {MEMBER(new_clips), .help = "due after so many new clips; 0: not by clips", .type = CONFIG_INT,
     .hi = 1e9},
};

pipeline_settings pipeline_settings_default(void)
{
    return (pipeline_settings){.dir = "product"};
}

static base_status check(const void *settings, base_err *err)
{
    const pipeline_settings *s = settings;
    if (!s->recording[0] == !s->labels[0]) return BASE_OK;
    return base_fail(err, BASE_USAGE, "pipeline.recording and pipeline.labels go together");
}

config_section pipeline_section(pipeline_settings *s)
{
    return (config_section){
        .name = "pipeline", .settings = s, .check = check, .keys = keys, .nkeys = BASE_COUNT(keys)};
}

bool pipeline_allows(pipeline_rule rule, int64_t only, int64_t against, char why[160])
{
    const double p = data_mcnemar(only, against);
    const bool significant = p < DATA_PAIRED_LEVEL;
    snprintf(why, 160, "right alone on %lld test clips, production alone on %lld (%s, p = %.4f)",
             (long long)only, (long long)against,
             !significant     ? "may be noise"
             : only > against ? "better"
                              : "worse",
             p);
    switch (rule) {
    case PIPELINE_NOT_LOWER: return only >= against;
    case PIPELINE_NOT_WORSE: return only >= against || !significant;
    case PIPELINE_BETTER: return only > against && significant;
    case PIPELINE_ALWAYS: return true;
    }
    return false;
}
