/* sotto pipeline: what goes into its stages, and the commands that they are. */
#include "data/pack_hash.h"
#include "train/cmd_pipeline.h"
#include "train/filehash.h"
#include "train/version.h"

#include <jansson.h>
#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>

/* ---- what goes in ---- */

json_t *pipeline_inputs(void)
{
    return json_pack("{ss}", "program", SOTTO_VERSION);
}

void pipeline_put(json_t *inputs, const char *name, const char *value)
{
    json_object_set_new(inputs, name, json_string(value));
}

/* In a dry run what is not there yet has no hash. */
base_status pipeline_hash_file(const pipeline *l, const char *path, char hex[65], base_err *err)
{
    hex[0] = '\0';
    return l->dry && !base_exists(path) ? BASE_OK : filehash(path, hex, err);
}

/* A file that a setting names, by its bytes; a folder and "" by name. A run is its model. */
base_status pipeline_put_file(const pipeline *l, json_t *inputs, const char *name, const char *path,
                              base_err *err)
{
    char hex[65];
    char *file = NULL;
    if (!path[0]) return BASE_OK;
    BASE_TRY(nn_model_path(path, &file, err));
    base_status status = BASE_OK;
    if (base_is_dir(file))
        stage_text_hash(path, hex);
    else
        status = pipeline_hash_file(l, file, hex, err);
    if (status == BASE_OK) pipeline_put(inputs, name, hex);
    free(file);
    return status;
}

/* One section of the config as it is printed. */
void pipeline_put_section(const pipeline *l, json_t *inputs, const char *section)
{
    char begin[32], hex[65];
    snprintf(begin, sizeof begin, "[%s]\n", section);
    const char *from = strstr(l->printed, begin), *to = from ? strstr(from, "\n[") : NULL;
    char *text = from ? base_strdup(from) : NULL;
    if (text && to) text[to - from] = '\0';
    stage_text_hash(text ? text : "", hex);
    pipeline_put(inputs, base_arena_printf(l->arena, "[%s]", section), hex);
    free(text);
}

/* What a pack holds: data_pack_hash, and the samples of its noise. */
base_status pipeline_hash_pack(const pipeline *l, const char *path, char hex[65], base_err *err)
{
    enum { BLOCK = 1 << 16 };
    data_pack *pack;
    struct sha256_ctx sha;
    uint8_t digest[SHA256_DIGEST_SIZE];
    hex[0] = '\0';
    if (l->dry && !base_exists(path)) return BASE_OK;
    BASE_TRY(data_pack_open(path, &pack, err));
    int16_t *pcm = base_alloc(BLOCK, sizeof *pcm);
    base_status status = pcm ? BASE_OK : base_nomem(err, BLOCK * sizeof *pcm);
    data_pack_hash(pack, hex);
    sha256_init(&sha);
    sha256_update(&sha, 64, (const uint8_t *)hex);
    for (size_t i = 0; i < data_pack_noises(pack) && status == BASE_OK; i++) {
        const int64_t all = data_pack_noise(pack, i).samples;
        for (int64_t at = 0; at < all && status == BASE_OK; at += BLOCK) {
            const size_t n = (size_t)(all - at < BLOCK ? all - at : BLOCK);
            status = data_pack_read_noise(pack, i, at, n, pcm, err);
            sha256_update(&sha, n * sizeof *pcm, (const uint8_t *)pcm);
        }
    }
    sha256_digest(&sha, sizeof digest, digest);
    base_hex(digest, sizeof digest, hex);
    base_free(pcm);
    data_pack_close(pack);
    return status;
}

/* ---- command lines ---- */

void pipeline_add(pipeline_words *w, const char *word)
{
    if (w->n < PIPELINE_WORDS_MOST) w->v[w->n++] = word;
}

pipeline_words pipeline_begin(const pipeline *l, const char *a, const char *b)
{
    pipeline_words w = {0};
    pipeline_add(&w, l->program);
    pipeline_add(&w, a);
    if (b) pipeline_add(&w, b);
    pipeline_add(&w, "--format");
    pipeline_add(&w, "json");
    return w;
}

void pipeline_add_option(pipeline_words *w, const char *name, const char *value)
{
    if (!value[0]) return;
    pipeline_add(w, name);
    pipeline_add(w, value);
}

/* The words of a text of more options. */
void pipeline_add_text(const pipeline *l, pipeline_words *w, const char *text)
{
    char *copy = base_arena_printf(l->arena, "%s", text);
    for (char *save = NULL, *s = copy ? strtok_r(copy, " \t", &save) : NULL; s;
         s = strtok_r(NULL, " \t", &save))
        pipeline_add(w, s);
}

void pipeline_put_number(pipeline_row *row, const json_t *o, const char *key, const char *what)
{
    const json_t *v = json_object_get(o, key);
    char text[64];
    if (!json_is_number(v)) return;
    snprintf(text, sizeof text, "%s%.6g %s", row->result[0] ? ", " : "", json_number_value(v),
             what);
    strncat(row->result, text, sizeof row->result - strlen(row->result) - 1);
}
