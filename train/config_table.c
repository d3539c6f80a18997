/* config_table: a section whose settings are a struct, described by one table: setting, printing,
 * range checks and help walk it, so a new key is one member and one line.
 */
#include "train/config.h"

#include <math.h>
#include <string.h>

static int choice_count(const config_key *k)
{
    int n = 0;
    while (k->choices[n]) n++;
    return n;
}

static void add_bound(base_str *out, double v)
{
    if (isinf(v))
        base_str_add(out, "any");
    else
        base_str_add_real(out, v);
}

void config_table_takes(const config_key *k, base_str *out)
{
    switch (k->type) {
    case CONFIG_BOOL: base_str_add(out, "yes|no"); return;
    case CONFIG_TEXT: base_str_add(out, "text"); return;
    case CONFIG_CHOICE:
        for (int i = 0; k->choices[i]; i++) base_str_add(out, "%s%s", i ? "|" : "", k->choices[i]);
        return;
    case CONFIG_INT:
    case CONFIG_REAL:
        add_bound(out, k->lo);
        base_str_add(out, " .. ");
        add_bound(out, k->hi);
        return;
    }
}

static base_status bad_value(const config_key *k, const char *value, base_err *err)
{
    static const char *const kinds[] = {[CONFIG_INT] = "a whole number in ",
                                        [CONFIG_REAL] = "a number in ",
                                        [CONFIG_BOOL] = "",
                                        [CONFIG_CHOICE] = "",
                                        [CONFIG_TEXT] = "shorter "};
    base_str takes = {0};
    config_table_takes(k, &takes);
    base_fail(err, BASE_USAGE, "%s = '%.150s': expected %s%s", k->name, value, kinds[k->type],
              takes.failed ? "?" : takes.s);
    base_str_free(&takes);
    const char *near =
        k->type == CONFIG_CHOICE ? base_nearest(value, k->choices, (size_t)choice_count(k)) : NULL;
    return near ? base_hint(err, "did you mean '%s'?", near) : err->status;
}

static base_status set_member(const config_key *k, char *at, const char *value, base_err *err)
{
    int64_t whole = 0;
    double real = 0;
    int choice = -1;
    bool flag = strcmp(value, "yes") == 0;
    size_t n = strlen(value);
    switch (k->type) {
    case CONFIG_INT:
        if (!base_parse_int(value, (int64_t)k->lo, (int64_t)k->hi, &whole)) break;
        memcpy(at, &whole, sizeof whole);
        return BASE_OK;
    case CONFIG_REAL:
        if (!base_parse_double(value, &real) || real < k->lo || real > k->hi) break;
        memcpy(at, &real, sizeof real);
        return BASE_OK;
    case CONFIG_BOOL:
        if (!flag && strcmp(value, "no") != 0) break;
        memcpy(at, &flag, sizeof flag);
        return BASE_OK;
    case CONFIG_CHOICE:
        for (int i = 0; k->choices[i]; i++)
            if (strcmp(value, k->choices[i]) == 0) choice = i;
        if (choice < 0) break;
        memcpy(at, &choice, sizeof choice);
        return BASE_OK;
    case CONFIG_TEXT:
        if (n >= k->size) break;
        memcpy(at, value, n + 1);
        return BASE_OK;
    }
    return bad_value(k, value, err);
}

base_status config_table_set(const config_key *keys, size_t n, void *settings, const char *key,
                             const char *value, base_err *err)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(keys[i].name, key) == 0)
            return set_member(&keys[i], (char *)settings + keys[i].offset, value, err);
    return base_fail(err, BASE_USAGE, "%.60s: no such key", key);
}

static void print_member(const config_key *k, const char *at, base_str *out)
{
    int64_t whole;
    double real;
    bool flag;
    int choice;
    switch (k->type) {
    case CONFIG_INT:
        memcpy(&whole, at, sizeof whole);
        base_str_add(out, "%lld", (long long)whole);
        return;
    case CONFIG_REAL:
        memcpy(&real, at, sizeof real);
        base_str_add_real(out, real);
        return;
    case CONFIG_BOOL:
        memcpy(&flag, at, sizeof flag);
        base_str_add(out, "%s", flag ? "yes" : "no");
        return;
    case CONFIG_CHOICE:
        memcpy(&choice, at, sizeof choice);
        base_str_add(out, "%s", k->choices[choice]);
        return;
    case CONFIG_TEXT: base_str_add(out, "%s", at); return;
    }
}

void config_table_print(const config_key *keys, size_t n, const void *settings, base_str *out)
{
    for (size_t i = 0; i < n; i++) {
        base_str_add(out, "%s = ", keys[i].name);
        print_member(&keys[i], (const char *)settings + keys[i].offset, out);
        base_str_add(out, "\n");
    }
}
