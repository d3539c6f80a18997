/* folder: a folder of its own for each test (setup and teardown of cmocka); *state is its path. */
#ifndef TESTS_FOLDER_H
#define TESTS_FOLDER_H

#include "nn/base.h"
#include "tests/check.h"
#include "tests/shell.h"

#include <stdlib.h>
#include <string.h>

static inline int folder_make(void **state)
{
    *state = base_strdup("/tmp/sotto-test-XXXXXX");
    return *state && mkdtemp(*state) ? 0 : -1;
}

static inline int folder_clean(void **state)
{
    const int status = sh("rm -rf %s", (char *)*state);
    free(*state);
    return status;
}

static inline void folder_put(const char *dir, const char *name, const char *text)
{
    char *path = base_path(dir, name);
    assert_int_equal(base_write_file(path, text, strlen(text), NULL), BASE_OK);
    free(path);
}

#endif
