/* Attributes between text and struct: see nn/attr.h. */
#include "nn/attr.h"

#include <stdlib.h>
#include <string.h>

static void *field(const nn_node *n, const nn_attr *a)
{
    return (char *)n->attrs + a->offset;
}

/* ---- text of one value ---- */

static void print_value(const nn_attr *a, const void *v, base_str *s)
{
    char buf[64];
    switch (a->type) {
    case NN_INT: base_str_add(s, "%d", *(const int *)v); break;
    case NN_PAIR: base_str_add(s, "%dx%d", ((const int *)v)[0], ((const int *)v)[1]); break;
    case NN_REAL:
        for (int digits = 6; digits <= 17; digits += 11) { /* short if exact, else all */
            double back;
            snprintf(buf, sizeof buf, "%.*g", digits, *(const double *)v);
            if (base_parse_double(buf, &back) && !(back < *(const double *)v) &&
                !(back > *(const double *)v))
                break;
        }
        base_str_add(s, "%s", buf);
        break;
    case NN_YESNO: base_str_add(s, "%s", *(const bool *)v ? "yes" : "no"); break;
    case NN_SHAPE: base_str_add(s, "%s", nn_shape_text(*(const nn_shape *)v, buf)); break;
    case NN_LIST: {
        const nn_list *l = v;
        for (int k = 0; k < l->n; k++) base_str_add(s, "%s%d", k ? "," : "", l->d[k]);
        break;
    }
    case NN_PAD: {
        const nn_pad *p = v;
        if (p->kind == NN_SAME)
            base_str_add(s, "same");
        else if (p->kind == NN_VALID)
            base_str_add(s, "valid");
        else
            base_str_add(s, "%d,%d,%d,%d", p->p[0], p->p[1], p->p[2], p->p[3]);
        break;
    }
    }
}

/* ---- values from text ---- */

/* Up to max integers of text separated by sep; the number of them, or -1. */
static int parse_ints(const char *text, char sep, const nn_attr *a, int *out, int max)
{
    char buf[64];
    if (strlen(text) >= sizeof buf) return -1;
    strcpy(buf, text);
    int n = 0;
    for (char *s = buf, *next; s; s = next) {
        int64_t v;
        next = strchr(s, sep);
        if (next) *next++ = '\0';
        if (n == max || !base_parse_int(s, (int64_t)a->lo, (int64_t)a->hi, &v)) return -1;
        out[n++] = (int)v;
    }
    return n;
}

static bool parse_pad(const nn_attr *a, const char *text, nn_pad *p)
{
    *p = (nn_pad){.kind = NN_EXPLICIT};
    if (strcmp(text, "same") == 0)
        p->kind = NN_SAME;
    else if (strcmp(text, "valid") == 0)
        p->kind = NN_VALID;
    else
        return parse_ints(text, ',', a, p->p, 4) == 4;
    return true;
}

static bool parse_value(const nn_attr *a, const char *text, void *v)
{
    int *i = v;
    switch (a->type) {
    case NN_INT: return parse_ints(text, 'x', a, i, 1) == 1;
    case NN_PAIR: {
        int n = parse_ints(text, 'x', a, i, 2);
        if (n == 1) i[1] = i[0];
        return n > 0;
    }
    case NN_REAL: {
        double d;
        if (!base_parse_double(text, &d) || d < a->lo || d > a->hi) return false;
        *(double *)v = d;
        return true;
    }
    case NN_YESNO:
        *(bool *)v = strcmp(text, "yes") == 0;
        return *(bool *)v || strcmp(text, "no") == 0;
    case NN_PAD: return parse_pad(a, text, v);
    case NN_SHAPE: {
        nn_shape *s = v;
        *s = (nn_shape){0};
        s->n = parse_ints(text, 'x', a, s->d, NN_MAX_DIMS);
        return s->n > 0;
    }
    case NN_LIST: {
        nn_list *l = v;
        *l = (nn_list){0};
        l->n = parse_ints(text, ',', a, l->d, NN_MAX_DIMS);
        return l->n > 0;
    }
    }
    return false;
}

static base_status bad_value(const nn_node *n, const nn_attr *a, const char *text, base_err *err)
{
    static const char *const form[] = {
        [NN_INT] = "a whole number",
        [NN_PAIR] = "whole numbers like 3x1 or 3",
        [NN_REAL] = "a number",
        [NN_YESNO] = "yes or no",
        [NN_PAD] = "same, valid or four numbers top,bottom,left,right",
        [NN_SHAPE] = "a shape like 49x10x1",
        [NN_LIST] = "whole numbers like 0,1",
    };
    base_status s = nn_op_fail(n, err, "%s=%s is not possible", a->key, text);
    if (a->type == NN_YESNO) return base_hint(err, "%s takes yes or no", a->key);
    base_hint(err, "%s takes %s, each number from %.10g to %.10g", a->key, form[a->type], a->lo,
              a->hi);
    return s;
}

static base_status unknown_key(const nn_node *n, const char *key, base_err *err)
{
    const char *keys[16];
    int n_keys = n->op->n_attrs < 16 ? n->op->n_attrs : 16;
    for (int i = 0; i < n_keys; i++) keys[i] = n->op->attrs[i].key;
    const char *near = base_nearest(key, keys, (size_t)n_keys);
    base_status s = nn_op_fail(n, err, "has no attribute '%s'", key);
    return near ? base_hint(err, "did you mean '%s'?", near) : s;
}

/* One word "key=value" or, for a positional attribute, "value". */
static base_status parse_word(nn_node *n, char *word, unsigned *seen, base_err *err)
{
    const nn_op *op = n->op;
    char *eq = strchr(word, '=');
    const char *key = word, *value = word;
    if (eq) {
        *eq = '\0';
        value = eq + 1;
    } else if (op->n_attrs > 0 && op->attrs[0].positional) {
        key = op->attrs[0].key;
    } else {
        return nn_op_fail(n, err, "'%s' is no key=value", word);
    }
    for (int i = 0; i < op->n_attrs; i++) {
        const nn_attr *a = &op->attrs[i];
        if (strcmp(a->key, key) != 0) continue;
        if (*seen & (1u << i)) return nn_op_fail(n, err, "attribute '%s' is given twice", key);
        *seen |= 1u << i;
        return parse_value(a, value, field(n, a)) ? BASE_OK : bad_value(n, a, value, err);
    }
    return unknown_key(n, key, err);
}

base_status nn_attrs_parse(nn_node *n, const char *text, bool defaults, base_err *err)
{
    char *copy = base_strdup(text);
    if (!copy) return base_nomem(err, strlen(text));
    unsigned seen = 0;
    base_status status = BASE_OK;
    char *rest = NULL;
    for (char *w = strtok_r(copy, " \t", &rest); w && status == BASE_OK;
         w = strtok_r(NULL, " \t", &rest))
        status = parse_word(n, w, &seen, err);
    free(copy);
    for (int i = 0; i < n->op->n_attrs && defaults && status == BASE_OK; i++) {
        const nn_attr *a = &n->op->attrs[i];
        if (seen & (1u << i)) continue;
        if (!a->fallback)
            status = nn_op_fail(n, err, "needs %s=... (%s)", a->key, a->help);
        else
            parse_value(a, a->fallback, field(n, a));
    }
    return status;
}

/* ---- printing ---- */

/* Whether the value equals its fallback; compared as text, so that "3" and "3x3" are equal. */
static bool is_default(const nn_attr *a, const char *text)
{
    union {
        int i[4];
        double d;
        bool b;
        nn_pad pad;
        nn_shape shape;
        nn_list list;
    } v;
    base_str s = {0};
    if (!a->fallback || !parse_value(a, a->fallback, &v)) return false;
    print_value(a, &v, &s);
    bool same = !s.failed && strcmp(s.s, text) == 0;
    base_str_free(&s);
    return same;
}

void nn_attrs_print(const nn_node *n, base_str *text)
{
    for (int i = 0; i < n->op->n_attrs; i++) {
        const nn_attr *a = &n->op->attrs[i];
        base_str s = {0};
        print_value(a, field(n, a), &s);
        if (s.failed)
            text->failed = true;
        else if (a->positional)
            base_str_add(text, " %s", s.s);
        else if (!is_default(a, s.s))
            base_str_add(text, " %s=%s", a->key, s.s);
        base_str_free(&s);
    }
}

bool nn_attr_get(const nn_node *n, const char *key, base_str *text)
{
    for (int i = 0; i < n->op->n_attrs; i++) {
        if (strcmp(n->op->attrs[i].key, key) != 0) continue;
        print_value(&n->op->attrs[i], field(n, &n->op->attrs[i]), text);
        return true;
    }
    return false;
}
