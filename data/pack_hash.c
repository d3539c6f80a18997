/* See data/pack_hash.h. */
#include "data/pack_hash.h"

#include <nettle/sha2.h>
#include <string.h>

static void add_text(struct sha256_ctx *sha, const char *text)
{
    sha256_update(sha, strlen(text) + 1, (const uint8_t *)text);
}

void data_pack_hash(const data_pack *pack, char hex[65])
{
    struct sha256_ctx sha;
    uint8_t digest[SHA256_DIGEST_SIZE];
    sha256_init(&sha);
    for (size_t i = 0; i < data_pack_clips(pack); i++) {
        const data_clip c = data_pack_clip(pack, i);
        add_text(&sha, c.name);
        add_text(&sha, data_split_name(c.split));
        sha256_update(&sha, DATA_HASH_BYTES, c.hash);
    }
    for (size_t i = 0; i < data_pack_noises(pack); i++) {
        const data_noise n = data_pack_noise(pack, i);
        char length[24];
        snprintf(length, sizeof length, "%lld", (long long)n.samples);
        add_text(&sha, n.name);
        add_text(&sha, length);
    }
    sha256_digest(&sha, sizeof digest, digest);
    base_hex(digest, sizeof digest, hex);
}
