/* Groups of weight decay: see nn_decay_factors in nn/nn.h. */
#include "nn/nn.h"

#include <fnmatch.h>
#include <string.h>

enum { WORD = 128 };
static const char between[] = " \t\r\n,";

/* Give every parameter that pattern matches and nobody has taken the factor f. False when it
 * matches none, taken or not. Free ones are negative. */
static bool assign(const nn_graph *g, const char *pattern, double f, double *factor)
{
    bool any = false;
    for (int i = 0; i < nn_graph_nodes(g); i++) {
        const nn_node *n = nn_graph_node(g, i);
        for (int k = 0; k < n->n_params; k++, factor++) {
            char name[2 * NN_MAX_NAME];
            snprintf(name, sizeof name, "%s.%s", n->name, n->param[k].name);
            if (!nn_role_trained(n->param[k].role) || fnmatch(pattern, name, 0) != 0) continue;
            any = true;
            if (*factor < 0) *factor = f;
        }
    }
    return any;
}

static void start(const nn_graph *g, double *factor)
{
    for (int i = 0; i < nn_graph_nodes(g); i++)
        for (int k = 0; k < nn_graph_node(g, i)->n_params; k++) *factor++ = -1;
}

static void default_rest(const nn_graph *g, double *factor)
{
    for (int i = 0; i < nn_graph_nodes(g); i++) {
        const nn_node *n = nn_graph_node(g, i);
        for (int k = 0; k < n->n_params; k++, factor++)
            if (*factor < 0) *factor = n->param[k].role == NN_WEIGHT;
    }
}

/* Length of the word at or after *at, which moves to its start; 0: none is left. */
static size_t next_word(const char **at)
{
    *at += strspn(*at, between);
    return strcspn(*at, between);
}

base_status nn_decay_factors(const nn_graph *g, const char *groups, double *factor, base_err *err)
{
    char word[WORD];
    double f;
    if (g) start(g, factor);
    for (size_t n = next_word(&groups); n > 0; groups += n, n = next_word(&groups)) {
        snprintf(word, sizeof word, "%.*s", (int)(n < WORD ? n : WORD), groups);
        char *equals = strrchr(word, '=');
        if (n >= WORD || !equals || equals == word || !base_parse_double(equals + 1, &f) || f < 0) {
            base_fail(err, BASE_USAGE, "decay_groups: '%s' is not pattern=factor, factor 0 or more",
                      word);
            return base_hint(err, "for instance: *.gamma=1 *.bias=0");
        }
        *equals = '\0';
        if (g && !assign(g, word, f, factor)) {
            base_fail(err, BASE_USAGE, "decay_groups: '%s' matches no parameter", word);
            return base_hint(err, "a pattern stands for node.parameter of the model, such as "
                                  "c1.weight, *.gamma or *=1 for all");
        }
    }
    if (g) default_rest(g, factor);
    return BASE_OK;
}
