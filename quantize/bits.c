/* bits: how many bits the weights of each layer have, from a list or as a model was trained. */
#include "quantize/internal.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

enum { WORD = 128 };

static bool is_pattern(const char *word)
{
    return word[strcspn(word, "*?[")] != '\0';
}

static base_status no_node(const nn_graph *g, const char *word, base_err *err)
{
    const size_t n = (size_t)nn_graph_nodes(g);
    const char **names = base_alloc(n, sizeof *names);
    if (!names) return base_nomem(err, n * sizeof *names);
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        if (nn_graph_node(g, (int)i)->op->flags & NN_PACKS)
            names[count++] = nn_graph_node(g, (int)i)->name;
    const char *near = base_nearest(word, names, count);
    if (is_pattern(word))
        base_fail(err, BASE_USAGE, "weights: '%s' matches no layer that has a form with 4 bits",
                  word);
    else
        base_fail(err, BASE_USAGE, "weights: there is no node '%s' here", word);
    if (near)
        base_hint(err, "did you mean '%s'?", near);
    else
        base_hint(err, "names are those of conv2d, dwconv2d and dense nodes, as `sotto quantize "
                       "--explain` shows them");
    base_free(names);
    return BASE_USAGE;
}

/* A node named without a pattern must have weights, and a form with so many bits. */
static base_status check_named(const nn_graph *g, const char *word, int bits, base_err *err)
{
    const nn_node *n = nn_graph_find(g, word);
    if (!n) return no_node(g, word, err);
    if (n->n_params == 0 || n->param[0].role != NN_WEIGHT)
        return nn_op_fail(n, err, "it has no weights, so none of %d bits", bits);
    if (bits == 8 || (n->op->flags & NN_PACKS)) return BASE_OK;
    nn_op_fail(n, err, "there is no form of this operator with weights of 4 bits");
    return base_hint(err, "conv2d, dwconv2d and dense have one; * stands for all of them");
}

/* Free ones are 0. */
static base_status assign(const nn_graph *g, const char *word, int bits, int *of, base_err *err)
{
    bool any = false, decides = false;
    const bool pattern = is_pattern(word);
    if (!pattern) BASE_TRY(check_named(g, word, bits, err));
    for (int i = 0; i < nn_graph_nodes(g); i++) {
        const nn_node *n = nn_graph_node(g, i);
        if (pattern ? !(n->op->flags & NN_PACKS) || fnmatch(word, n->name, 0) != 0
                    : strcmp(word, n->name) != 0)
            continue;
        any = true;
        if (of[i] != 0) continue;
        decides = true;
        of[i] = bits;
    }
    if (!any) return no_node(g, word, err);
    if (decides) return BASE_OK;
    base_fail(err, BASE_USAGE, "weights: '%s=%d' decides nothing, all of it was named before", word,
              bits);
    return base_hint(err, "the first that matches counts: put it before");
}

static base_status by_list(const nn_graph *g, const char *list, int *of, base_err *err)
{
    static const char between[] = " \t\r\n,";
    for (const char *at = list + strspn(list, between); *at; at += strspn(at, between)) {
        const size_t n = strcspn(at, between);
        char word[WORD];
        snprintf(word, sizeof word, "%.*s", (int)(n < WORD ? n : WORD), at);
        char *equals = strrchr(word, '=');
        const char *bits = equals ? equals + 1 : word;
        if (n >= WORD || equals == word || (strcmp(bits, "8") != 0 && strcmp(bits, "4") != 0)) {
            base_fail(err, BASE_USAGE, "weights: '%s' is neither node=bits nor bits, 8 or 4", word);
            return base_hint(err, "for instance: 4, or c1=8,*=4");
        }
        if (equals) *equals = '\0';
        BASE_TRY(assign(g, equals ? word : "*", atoi(bits), of, err));
        at += n;
    }
    return BASE_OK;
}

static void as_trained(const nn_model *m, const nn_graph *g, int *of)
{
    for (int i = 0; i < nn_graph_nodes(g); i++) {
        const nn_node *n = nn_graph_find(m->graph, nn_graph_node(g, i)->name);
        if (n && (nn_graph_node(g, i)->op->flags & NN_PACKS)) of[i] = m->weight_bits[n->index];
    }
}

base_status q8_weight_bits(const nn_model *m, const nn_graph *g, q8_options o, int **bits,
                           base_err *err)
{
    const int n = nn_graph_nodes(g);
    *bits = NULL;
    if (!o.weight_bits && !m->weight_bits) return BASE_OK;
    int *of = base_alloc((size_t)n, sizeof *of), packed = 0;
    if (!of) return base_nomem(err, (size_t)n * sizeof *of);
    base_status status = BASE_OK;
    if (o.weight_bits)
        status = by_list(g, o.weight_bits, of, err);
    else
        as_trained(m, g, of);
    for (int i = 0; i < n; i++) {
        packed += of[i] == 4;
        if (of[i] == 0) of[i] = 8;
    }
    if (status == BASE_OK && packed > 0)
        *bits = of;
    else
        base_free(of);
    return status;
}
