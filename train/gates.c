/* See train/gates.h. */
#include "train/gates.h"

#include <math.h>
#include <string.h>

typedef struct metric {
    const char *name, *help; /* a name that ends in '.' is followed by a word */
    bool most;
    double hi; /* largest limit */
} metric;

static const metric metrics[] = {
    {"accuracy", "share of the clips that the model gets right", false, 1},
    {"accuracy_int8", "the same of the int8 model", false, 1},
    {"accuracy_fixed", "the same with features in integers, as on a device", false, 1},
    {"macro_f1", "mean F1 of the classes", false, 1},
    {"recall.", "share of a class's clips that are heard, by its label: recall.yes", false, 1},
    {"precision.", "share of what is heard as a class that is one: precision.yes", false, 1},
    {"flash_kb", "KiB of flash on the board", true, HUGE_VAL},
    {"ram_kb", "KiB of RAM, without the stack", true, HUGE_VAL},
    {"latency_ms", "time of one inference on the board", true, HUGE_VAL},
    {"duty_percent", "share of the time that the board computes", true, HUGE_VAL},
    {"energy_uj", "energy of one inference on the board", true, HUGE_VAL},
    {"current_ma", "mean current of computing; sleep and microphone come on top", true, HUGE_VAL},
    {"fa_per_hour", "false alarms an hour in a long recording", true, HUGE_VAL},
    {"frr", "share of the words in it that are missed, at the threshold that fa_per_hour allows",
     true, 1},
};

static const metric *find_metric(const char *name)
{
    for (size_t i = 0; i < BASE_COUNT(metrics); i++) {
        const metric *m = &metrics[i];
        size_t n = strlen(m->name);
        if (m->name[n - 1] == '.' ? strncmp(name, m->name, n) == 0 && name[n]
                                  : strcmp(name, m->name) == 0)
            return m;
    }
    return NULL;
}

const gate *gates_find(const gate_settings *s, const char *name)
{
    for (int i = 0; i < s->n; i++)
        if (strcmp(s->list[i].name, name) == 0) return &s->list[i];
    return NULL;
}

/* ---- the section ---- */

static base_status unknown(const char *name, base_err *err)
{
    const char *names[BASE_COUNT(metrics)];
    for (size_t i = 0; i < BASE_COUNT(metrics); i++) names[i] = metrics[i].name;
    base_fail(err, BASE_USAGE, "%s: there is no such gate", name);
    const char *near = base_nearest(name, names, BASE_COUNT(metrics));
    if (near) return base_hint(err, "did you mean '%s'?", near);
    base_str all = {0};
    for (size_t i = 0; i < BASE_COUNT(metrics); i++)
        base_str_add(&all, "%s%s", i ? " " : "", names[i]);
    base_hint(err, "there are %s", all.failed ? "?" : all.s);
    base_str_free(&all);
    return err->status;
}

/* "accuracy >" is a name and a direction. */
static base_status parse_key(const char *key, gate *g, const metric **m, base_err *err)
{
    const size_t n = strcspn(key, " <>");
    const char *sign = key + n + strspn(key + n, " ");
    snprintf(g->name, sizeof g->name, "%.*s", (int)n, key);
    *m = n < sizeof g->name ? find_metric(g->name) : NULL;
    if (!*m) return unknown(g->name, err);
    const char *right = (*m)->most ? "<=" : ">=";
    if (*sign == '\0') {
        base_fail(err, BASE_USAGE, "%s: a gate says %s, not =", g->name, right);
    } else if (sign[1] != '\0' || (*sign != '<' && *sign != '>')) {
        base_fail(err, BASE_USAGE, "%s: '%.20s=' is no direction", g->name, sign);
    } else if (*sign != *right) {
        base_fail(err, BASE_USAGE, "%s %c=: the wrong direction, %s is a %s value", g->name, *sign,
                  g->name, (*m)->most ? "most" : "least");
    } else {
        g->most = (*m)->most;
        return BASE_OK;
    }
    return base_hint(err, "for example %s %s %s", g->name, right, (*m)->most ? "10" : "0.9");
}

static base_status gates_set(void *settings, const char *key, const char *value, base_err *err)
{
    gate_settings *s = settings;
    gate g;
    const metric *m;
    BASE_TRY(parse_key(key, &g, &m, err));
    if (value[0] == '\0')
        return base_fail(err, BASE_USAGE, "%s %s: the number is missing", g.name,
                         g.most ? "<=" : ">=");
    if (!base_parse_double(value, &g.limit) || g.limit < 0 || g.limit > m->hi) {
        base_fail(err, BASE_USAGE, "%s %s '%.60s': expected a number in 0 .. %s", g.name,
                  g.most ? "<=" : ">=", value, m->hi == 1 ? "1" : "any");
        return m->hi == 1 ? base_hint(err, "0.93 stands for 93 %%") : err->status;
    }
    int i = 0;
    while (i < s->n && strcmp(s->list[i].name, g.name) != 0) i++;
    if (i == GATES_MAX)
        return base_fail(err, BASE_USAGE, "%s: more than %d gates", g.name, GATES_MAX);
    s->list[i] = g;
    if (i == s->n) s->n++;
    return BASE_OK;
}

static void gates_print(const void *settings, base_str *out)
{
    const gate_settings *s = settings;
    for (int i = 0; i < s->n; i++) {
        base_str_add(out, "%s %s ", s->list[i].name, s->list[i].most ? "<=" : ">=");
        base_str_add_real(out, s->list[i].limit);
        base_str_add(out, "\n");
    }
}

static const char *gates_key(size_t i)
{
    return i < BASE_COUNT(metrics) ? metrics[i].name : NULL;
}

static const char *gates_help(size_t i)
{
    return metrics[i].help;
}

static void gates_takes(size_t i, base_str *out)
{
    base_str_add(out, "%s number", metrics[i].most ? "<=" : ">=");
}

config_section gates_section(gate_settings *s)
{
    return (config_section){.name = "gates",
                            .settings = s,
                            .open = true,
                            .set = gates_set,
                            .print = gates_print,
                            .key = gates_key,
                            .help = gates_help,
                            .takes = gates_takes};
}

/* ---- verdicts ---- */

const char *gate_verdict_name(gate_verdict v)
{
    static const char *const names[] = {"pass", "fail", "unsure", "not measured"};
    return names[v];
}

bool gate_holds(const gate *g, double value)
{
    return g->most ? value <= g->limit : value >= g->limit;
}

gate_verdict gate_judge(const gate *g, double value, double lo, double hi)
{
    if (!isfinite(value)) return GATE_NOT_MEASURED;
    const bool best = gate_holds(g, g->most ? lo : hi), worst = gate_holds(g, g->most ? hi : lo);
    return best == worst ? (best ? GATE_PASS : GATE_FAIL) : GATE_UNSURE;
}
