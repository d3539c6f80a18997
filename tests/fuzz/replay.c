/* replay: a fuzz target on its corpus, one test for each file (TAP); under the sanitizers a file
 * that does harm ends the program. `build/san/tests/fuzz/fuzz_tflite FILE...` runs other files.
 */
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

static void run_file(int number, const char *path)
{
    base_err err = {0};
    char *bytes = NULL;
    size_t n = 0;
    if (base_read_file(path, 1 << 24, &bytes, &n, &err) != BASE_OK) {
        printf("not ok %d - %s\n", number, err.message);
        return;
    }
    /* of its own size, so that a read beyond the end is seen */
    uint8_t *exact = malloc(n ? n : 1);
    if (!exact) exit(1);
    memcpy(exact, bytes, n);
    free(bytes);
    fflush(stdout);
    LLVMFuzzerTestOneInput(exact, n);
    free(exact);
    printf("ok %d - %s\n", number, path);
}

static int visible(const struct dirent *e)
{
    return e->d_name[0] != '.';
}

int main(int argc, char **argv)
{
    char path[4096];
    const char *name = strrchr(argv[0], '_');
    struct dirent **entry = NULL;
    if (argc > 1) {
        printf("1..%d\n", argc - 1);
        for (int i = 1; i < argc; i++) run_file(i, argv[i]);
        return 0;
    }
    snprintf(path, sizeof path, "tests/fuzz/corpus/%s", name ? name + 1 : "");
    const size_t folder = strlen(path);
    const int n = scandir(path, &entry, visible, alphasort);
    printf("1..%d\n", n);
    for (int i = 0; i < n; i++) {
        snprintf(path + folder, sizeof path - folder, "/%s", entry[i]->d_name);
        run_file(i + 1, path);
        free(entry[i]);
    }
    free(entry);
    return n > 0 ? 0 : 1;
}
