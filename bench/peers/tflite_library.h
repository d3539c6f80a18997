/* tflite_library: TensorFlow Lite's own C library, as much of tensorflow/lite/c/c_api.h as is used
 * here, by name.
 */
#ifndef BENCH_PEERS_TFLITE_LIBRARY_H
#define BENCH_PEERS_TFLITE_LIBRARY_H

#include "nn/base.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

typedef struct library {
    void *handle;
    void *(*model_create)(const void *data, size_t size);
    void (*model_delete)(void *model);
    void *(*create)(void *model, void *options);
    void (*delete)(void *interpreter);
    int (*allocate)(void *interpreter);
    int (*invoke)(void *interpreter);
    void *(*input)(void *interpreter, int32_t index);
    const void *(*output)(const void *interpreter, int32_t index);
    int (*copy_in)(void *tensor, const void *data, size_t size);
    int (*copy_out)(const void *tensor, void *data, size_t size);
    size_t (*bytes)(const void *tensor);
} library;

typedef void (*library_function)(void);

static inline void library_find(const library *l, const char *name, void *to)
{
    void *symbol = dlsym(l->handle, name);
    if (!symbol) {
        fprintf(stderr, "%s is not in the library\n", name);
        exit(2);
    }
    memcpy(to, &symbol, sizeof(library_function));
}

static inline library library_open(const char *path)
{
    library l = {.handle = dlopen(path, RTLD_NOW)};
    if (!l.handle) {
        fprintf(stderr, "%s\n", dlerror());
        exit(2);
    }
    library_find(&l, "TfLiteModelCreate", &l.model_create);
    library_find(&l, "TfLiteModelDelete", &l.model_delete);
    library_find(&l, "TfLiteInterpreterCreate", &l.create);
    library_find(&l, "TfLiteInterpreterDelete", &l.delete);
    library_find(&l, "TfLiteInterpreterAllocateTensors", &l.allocate);
    library_find(&l, "TfLiteInterpreterInvoke", &l.invoke);
    library_find(&l, "TfLiteInterpreterGetInputTensor", &l.input);
    library_find(&l, "TfLiteInterpreterGetOutputTensor", &l.output);
    library_find(&l, "TfLiteTensorCopyFromBuffer", &l.copy_in);
    library_find(&l, "TfLiteTensorCopyToBuffer", &l.copy_out);
    library_find(&l, "TfLiteTensorByteSize", &l.bytes);
    return l;
}

/* n inputs of `in` bytes through a file: n outputs of `out` bytes. NULL, or why not. */
static inline const char *library_run(const library *l, const base_str *file, size_t n,
                                      const void *x, size_t in, void *y, size_t out)
{
    const char *why = NULL;
    void *model = l->model_create(file->s, file->len);
    void *run = model ? l->create(model, NULL) : NULL;
    if (!run || l->allocate(run) != 0)
        why = "the library does not take the model";
    else if (l->bytes(l->input(run, 0)) != in || l->bytes(l->output(run, 0)) != out)
        why = "sizes differ";
    for (size_t i = 0; !why && i < n; i++)
        if (l->copy_in(l->input(run, 0), (const char *)x + i * in, in) != 0 ||
            l->invoke(run) != 0 || l->copy_out(l->output(run, 0), (char *)y + i * out, out) != 0)
            why = "the library does not run the model";
    if (run) l->delete (run);
    if (model) l->model_delete(model);
    return why;
}

#endif
