/* shell: a command of the shell, as printf writes it; gives its exit status. */
#ifndef TESTS_SHELL_H
#define TESTS_SHELL_H

#include "nn/base.h"

#include <stdarg.h>
#include <stdlib.h>

static inline int sh(const char *fmt, ...) BASE_PRINTF(1, 2);
static inline int sh(const char *fmt, ...)
{
    char command[2048];
    va_list args;
    va_start(args, fmt);
    vsnprintf(command, sizeof command, fmt, args);
    va_end(args);
    const int status = system(command);
    return status == -1 ? -1 : status / 256;
}

#endif
