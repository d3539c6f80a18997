/* Speakers and splits. The hash is what keeps a speaker's clips on one side for ever, whatever is
 * added to a folder later. */
#include "data/data.h"

#include <nettle/sha1.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[DATA_SPLITS] = {"train", "validation", "test"};

const char *data_split_name(data_split split)
{
    return names[split];
}

base_status data_split_parse(const char *name, data_split *split, base_err *err)
{
    for (int i = 0; i < DATA_SPLITS; i++) {
        if (strcmp(name, names[i]) != 0) continue;
        *split = (data_split)i;
        return BASE_OK;
    }
    return base_fail(err, BASE_USAGE, "'%.60s' is no split: expected train, validation or test",
                     name);
}

base_status data_splits_parse(const char *list, unsigned *set, base_err *err)
{
    char **parsed;
    size_t n;
    *set = 0;
    BASE_TRY(data_words_parse(list, &parsed, &n, err));
    base_status status = BASE_OK;
    for (size_t i = 0; i < n && status == BASE_OK; i++) {
        data_split split = DATA_TRAIN;
        status = data_split_parse(parsed[i], &split, err);
        *set |= 1u << split;
    }
    free(parsed);
    return status;
}

data_split data_which_set(const char *speaker)
{
    enum { MOST = (1 << 27) - 1, VALIDATION = 10, TESTING = 10 }; /* percent */
    struct sha1_ctx ctx;
    uint8_t digest[SHA1_DIGEST_SIZE];
    sha1_init(&ctx);
    sha1_update(&ctx, strlen(speaker), (const uint8_t *)speaker);
    sha1_digest(&ctx, sizeof digest, digest);
    uint32_t low = 0;
    for (int i = SHA1_DIGEST_SIZE - 4; i < SHA1_DIGEST_SIZE; i++) low = low << 8 | digest[i];
    double percent = (double)(low & MOST) * (100.0 / MOST);
    if (percent < VALIDATION) return DATA_VALIDATION;
    return percent < VALIDATION + TESTING ? DATA_TEST : DATA_TRAIN;
}

char *data_speaker(const char *base)
{
    char *speaker = base_strdup(base);
    if (!speaker) return NULL;
    char *cut = strstr(speaker, "_nohash_");
    if (!cut) cut = strrchr(speaker, '.');
    if (cut && cut != speaker) *cut = '\0';
    return speaker;
}
