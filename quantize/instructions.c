/* The table of instructions: an INI file of which one section is read. */
#include "quantize/instructions.h"

#include "nn/embedded.h"

#include <ini.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char FILE_NAME[] = "quantize/targets/instructions.ini";

typedef struct reader {
    quant_table *table;
    char section[QUANT_TEXT];
} reader;

/* Nine numbers: coefficients, samples, residuals. */
static bool read_rule(const char *name, const char *value, quant_rule *rule)
{
    double v[QUANT_TERMS + 3];
    for (size_t i = 0; i < BASE_COUNT(v); i++) {
        char *end;
        v[i] = strtod(value, &end);
        if (end == value || !isfinite(v[i]) || v[i] < 0) return false;
        value = end;
    }
    if (value[strspn(value, " \t")] || strlen(name) >= sizeof rule->kernel) return false;
    snprintf(rule->kernel, sizeof rule->kernel, "%s", name);
    memcpy(rule->per, v, sizeof rule->per);
    rule->samples = (int)fmin(v[QUANT_TERMS], 1e6);
    rule->median = v[QUANT_TERMS + 1];
    rule->worst = v[QUANT_TERMS + 2];
    return true;
}

/* inih's handler: 0 is an error at this line. */
static int on_key(void *user, const char *section, const char *name, const char *value)
{
    reader *r = user;
    quant_table *t = r->table;
    if (strcmp(section, r->section) != 0) return 1;
    if (strcmp(name, "source") == 0)
        return snprintf(t->source, sizeof t->source, "%s", value) < (int)sizeof t->source;
    if (strcmp(name, "error_percent") == 0)
        return base_parse_double(value, &t->error) && t->error >= 0;
    return t->n < QUANT_RULES && read_rule(name, value, &t->rule[t->n++]);
}

base_status quant_table_parse(const char *text, const char *file, const char *library,
                              const char *isa, quant_table *table, base_err *err)
{
    reader r = {.table = table};
    *table = (quant_table){0};
    snprintf(r.section, sizeof r.section, "%s %s", library, isa);
    int line = ini_parse_string(text, on_key, &r);
    if (line < 0) return base_nomem(err, strlen(text));
    if (line > 0)
        return base_fail(err, BASE_FAILED,
                         "%s:%d: neither source, error_percent nor a kernel = %d numbers", file,
                         line, QUANT_TERMS + 3);
    return BASE_OK;
}

base_status quant_table_load(const char *library, const char *isa, quant_table *table,
                             base_err *err)
{
    return quant_table_parse(nn_embedded_find(FILE_NAME)->text, FILE_NAME, library, isa, table,
                             err);
}

static const quant_rule *find(const quant_table *t, const char *kernel, int n, const char *variant)
{
    char name[2 * NN_MAX_NAME];
    snprintf(name, sizeof name, "%.*s%s%s", n, kernel, *variant ? "." : "", variant);
    for (int i = 0; i < t->n; i++)
        if (strcmp(t->rule[i].kernel, name) == 0) return &t->rule[i];
    return NULL;
}

const quant_rule *quant_rule_of(const quant_table *table, const char *kernel, const char *variant)
{
    static const char *const suffixes[] = {"", "_w4", "_i16"};
    const int length = (int)strlen(kernel);
    for (size_t i = 0; i < BASE_COUNT(suffixes); i++) {
        const int n = length - (int)strlen(suffixes[i]);
        if (n <= 0 || strcmp(kernel + n, suffixes[i]) != 0) continue;
        const quant_rule *rule = find(table, kernel, n, variant);
        rule = rule ? rule : find(table, kernel, n, "");
        if (rule) return rule;
    }
    return NULL;
}

double quant_instructions(const quant_rule *rule, const double work[QUANT_TERMS])
{
    double sum = 0;
    for (int i = 0; i < QUANT_TERMS; i++) sum += rule->per[i] * work[i];
    return sum;
}

void quant_recurrent_work(const char *kernel, double pixels, double weights,
                          double work[QUANT_TERMS])
{
    const bool gru = strcmp(kernel, "gru") == 0;
    if ((!gru && strcmp(kernel, "lstm") != 0) || !(pixels > 0) || !(weights > 0)) return;
    const double units = work[QUANT_OUT] / pixels, steps = work[QUANT_MAC] / weights;
    work[QUANT_OUT] = units * steps;
    if (!gru) return; /* lstm may have a projection, so that its outputs are not its units */
    work[QUANT_ROW] = fmin(steps * 3 * units * units, work[QUANT_MAC]);
    work[QUANT_MAC] -= work[QUANT_ROW];
}

void quant_frame_work(const dsp_config *features, double work[QUANT_TERMS])
{
    int frames, bins;
    dsp_config_shape(features, &frames, &bins);
    work[QUANT_MAC] = features->fft * log2(features->fft);
    work[QUANT_ROW] = features->mels;
    work[QUANT_OUT] = bins;
    work[QUANT_PIXEL] = dsp_config_window(features);
    work[QUANT_PATCH] = features->mels * features->mfcc;
    work[QUANT_LAYER] = 1;
}
