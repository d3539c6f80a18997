/* The text form of graphs: nn_parse and nn_print of nn/nn.h.
 *
 *   file  = { line ( newline | ';' ) }
 *   line  = name '=' operator [ '(' name { ',' name } ')' ] { key '=' value }
 *   '#' starts a comment, which ends with the line: a ';' in it separates nothing
 */
#include "nn/attr.h"
#include "nn/graph.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_TEXT = 1 << 20 };

static char *skip(char *s)
{
    while (*s == ' ' || *s == '\t' || *s == '\r') s++;
    return s;
}

/* Cut the word at *s (up to any of stop or a blank) and move on; "" when there is none. */
static char *take_word(char **s, const char *stop, char *ended)
{
    char *word = skip(*s), *end = word;
    while (*end && *end != ' ' && *end != '\t' && *end != '\r' && !strchr(stop, *end)) end++;
    char *next = skip(end);
    *ended = *next && strchr(stop, *next) ? *next++ : '\0';
    if (end < next) *end = '\0';
    *s = next;
    return word;
}

/* Inputs of "(a, b) ..." after its opening parenthesis. */
static base_status parse_inputs(const nn_graph *g, const char *op, char **s, nn_node **in, int *n,
                                base_err *err)
{
    const char *names[64];
    for (char ended = ','; ended == ',';) {
        char *word = take_word(s, ",)", &ended);
        if (!ended) return base_fail(err, BASE_USAGE, "%s: ')' is missing after '%s'", op, word);
        if (*n == NN_MAX_IN)
            return base_fail(err, BASE_USAGE, "%s: more than %d inputs", op, NN_MAX_IN);
        in[*n] = nn_graph_find(g, word);
        if (!in[(*n)++]) {
            size_t k = 0;
            for (; k < g->n && k < BASE_COUNT(names); k++) names[k] = g->node[k]->name;
            const char *near = base_nearest(word, names, k);
            base_fail(err, BASE_USAGE, "%s: no node '%s' before this line", op, word);
            return near ? base_hint(err, "did you mean '%s'?", near) : BASE_USAGE;
        }
    }
    return BASE_OK;
}

static base_status parse_line(nn_graph *g, char *s, base_err *err)
{
    char ended;
    char *name = take_word(&s, "=", &ended);
    if (!ended) {
        base_fail(err, BASE_USAGE, "'%s' is no line of a graph", name);
        return base_hint(err, "a line is: name = operator(input, ...) key=value ...");
    }
    if (!*name) return base_fail(err, BASE_USAGE, "a name is missing before '='");
    char *op = take_word(&s, "(", &ended);
    if (!*op) return base_fail(err, BASE_USAGE, "'%s' has no operator", name);
    nn_node *in[NN_MAX_IN] = {0};
    int n = 0;
    if (ended) BASE_TRY(parse_inputs(g, op, &s, in, &n, err));
    nn_graph_add(g, op, name, in, n, s, NULL);
    if (g->err.status != BASE_OK && err) *err = g->err;
    return g->err.status;
}

base_status nn_parse(const char *text, const char *file, nn_graph **graph, base_err *err)
{
    *graph = NULL;
    if (strlen(text) > MAX_TEXT)
        return base_fail(err, BASE_USAGE, "%s: longer than %d bytes", file ? file : "graph",
                         MAX_TEXT);
    nn_graph *g = nn_graph_new();
    char *copy = base_strdup(text);
    base_status status = g && copy ? BASE_OK : base_nomem(err, strlen(text));
    base_err e = {0};
    int line = 1;
    for (char *s = copy, *next; s && status == BASE_OK; s = next) {
        size_t n = strcspn(s, "\n;#"), end = s[n] == '#' ? n + strcspn(s + n, "\n") : n;
        bool newline = s[end] == '\n';
        next = s[end] ? s + end + 1 : NULL;
        s[n] = '\0';
        g->line = line;
        if (*skip(s)) status = parse_line(g, s, &e);
        if (status == BASE_OK && newline) line++;
    }
    if (g && status == BASE_OK) status = nn_graph_check(g, &e);
    if (e.status != BASE_OK) {
        base_fail(err, e.status, "%s:%d: %.400s", file ? file : "graph", line, e.message);
        if (e.hint[0]) base_hint(err, "%s", e.hint);
    }
    free(copy);
    if (status != BASE_OK)
        nn_graph_free(g);
    else {
        g->line = 0;
        *graph = g;
    }
    return status;
}

void nn_print_node(const nn_node *n, base_str *text)
{
    base_str_add(text, "%s = %s", n->name, n->op->name);
    for (int k = 0; k < n->n_in; k++)
        base_str_add(text, "%s%s%s", k ? ", " : "(", n->in[k]->name, k == n->n_in - 1 ? ")" : "");
    nn_attrs_print(n, text);
}

void nn_print(const nn_graph *g, base_str *text)
{
    for (size_t i = 0; i < g->n; i++) {
        nn_print_node(g->node[i], text);
        base_str_add(text, "\n");
    }
}
