/* See quantize/cmd_quantize.h. */
#include "quantize/cmd_quantize.h"

#include "quantize/q8.h"
#include "train/filehash.h"

#include <stdlib.h>
#include <string.h>

static const char key[] = "source.sha256 = ";

static base_status hash_of(const char *model, char hex[65], base_err *err)
{
    char *file;
    BASE_TRY(nn_model_path(model, &file, err));
    const base_status status = filehash(file, hex, err);
    free(file);
    return status;
}

base_status quantize_lineage_add(const char *model, base_str *provenance, base_err *err)
{
    char hex[65];
    BASE_TRY(hash_of(model, hex, err));
    base_str_add(provenance, "%s%s\n", key, hex);
    return provenance->failed ? base_nomem(err, provenance->len) : BASE_OK;
}

/* What the int8 model says: NULL where it says nothing. Freed with free(). */
static base_status said(const char *int8, char **hex, base_err *err)
{
    q8_model *q = NULL;
    *hex = NULL;
    BASE_TRY(q8_load(int8, &q, err));
    const char *line = q->folded.provenance ? strstr(q->folded.provenance, key) : NULL;
    if (line) *hex = strndup(line + strlen(key), 64);
    const bool failed = line && !*hex;
    q8_model_free(q);
    return failed ? base_nomem(err, 65) : BASE_OK;
}

base_status quantize_lineage_check(const char *model, const char *int8, base_err *err)
{
    char *file, *wanted, hex[65];
    bool model_is = false, int8_is = false;
    BASE_TRY(nn_model_path(model, &file, err));
    base_status status = q8_is_model(file, &model_is, err);
    free(file);
    if (status == BASE_OK) status = q8_is_model(int8, &int8_is, err);
    if (status != BASE_OK || model_is || !int8_is) return status;
    BASE_TRY(hash_of(model, hex, err));
    BASE_TRY(said(int8, &wanted, err));
    const bool same = !wanted || strcmp(wanted, hex) == 0;
    free(wanted);
    if (same) return BASE_OK;
    base_fail(err, BASE_MISMATCH, "'%s' was not made of '%s' as it is", int8, model);
    return base_hint(err,
                     "name the int8 model of this one, or make it: sotto quantize %.60s "
                     "--calibrate PACK -o a.int8.h5",
                     model);
}
