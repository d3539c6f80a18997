/* Recurrent layers made of several operators: see nn/nn.h. */
#include "nn/op.h"

#include <stdarg.h>

nn_node *nn_bidirectional(nn_node *x, const char *name, const char *op, const char *attrs, ...)
{
    enum { LONG = 600 }; /* more than nn_append1 takes: what is cut here is refused there */
    char text[LONG], forward[NN_MAX_NAME + 16], backward[NN_MAX_NAME + 16];
    va_list ap;
    if (!x) return NULL;
    va_start(ap, attrs);
    vsnprintf(text, sizeof text, attrs, ap);
    va_end(ap);
    snprintf(forward, sizeof forward, "%s.forward", name);
    snprintf(backward, sizeof backward, "%s.backward", name);
    nn_node *both[] = {nn_append1(op, x, forward, "%s", text),
                       nn_append1(op, x, backward, "%s reverse=yes", text)};
    if (!both[0] || !both[1]) return NULL;
    return nn_append(x->graph, "concat", name, both, 2, "axis=%d", both[0]->shape.n - 1);
}
