/* fuzz_tflite: any bytes as a .tflite file. What can be imported runs, and its export is a file
 * that can be imported again and gives the same.
 */
#include "quantize/tflite.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

static void again(const base_str *bytes, const int8_t *y)
{
    base_err err = {0};
    tfl_model *t = NULL;
    nn_model *m = NULL;
    q8_model *q = NULL;
    base_status status = tflite_parse("again", bytes->s, bytes->len, &t, &err);
    if (status == BASE_OK) status = tflite_import(t, &(tflite_given){0}, &m, &q, &err);
    fuzz_expect(status == BASE_OK, "the export cannot be imported", &err);
    fuzz_expect(!y == !q, "the export is of another kind", NULL);
    if (q) {
        int8_t *same = fuzz_int8(q);
        fuzz_expect(same && memcmp(same, y, q8_output_size(q)) == 0, "the export differs", NULL);
        base_free(same);
    }
    nn_model_free(m);
    q8_model_free(q);
    tflite_free(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    base_err err = {0};
    base_str bytes = {0};
    tfl_model *t = NULL;
    nn_model *m = NULL;
    q8_model *q = NULL;
    base_status status = tflite_parse("fuzz", data, size, &t, &err);
    if (status == BASE_OK) status = tflite_import(t, &(tflite_given){0}, &m, &q, &err);
    if (status != BASE_OK) fuzz_refused(status, &err);
    int8_t *y = q ? fuzz_int8(q) : NULL;
    if (m) fuzz_float(m);
    if (y && tflite_export_q8(q, &bytes, &err) == BASE_OK) again(&bytes, y);
    if (m && tflite_export_float(m, &bytes, &err) == BASE_OK) again(&bytes, NULL);
    base_str_free(&bytes);
    base_free(y);
    nn_model_free(m);
    q8_model_free(q);
    tflite_free(t);
    return 0;
}
