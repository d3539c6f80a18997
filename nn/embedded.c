/* embedded: look-up in the generated table. */
#include "nn/embedded.h"

#include <string.h>

const nn_embedded *nn_embedded_at(size_t i)
{
    for (size_t k = 0; nn_embedded_files[k].path; k++)
        if (k == i) return &nn_embedded_files[k];
    return NULL;
}

const nn_embedded *nn_embedded_find(const char *path)
{
    for (const nn_embedded *f = nn_embedded_files; f->path; f++)
        if (strcmp(f->path, path) == 0) return f;
    return NULL;
}
