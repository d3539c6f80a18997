/* See train/filehash.h. */
#include "train/filehash.h"

#include <errno.h>
#include <nettle/sha2.h>
#include <string.h>

base_status filehash(const char *path, char hex[65], base_err *err)
{
    uint8_t bytes[1 << 14], digest[SHA256_DIGEST_SIZE];
    struct sha256_ctx sha;
    size_t n;
    FILE *f = fopen(path, "rb");
    if (!f) return base_fail(err, BASE_DATA, "cannot read '%s': %s", path, strerror(errno));
    sha256_init(&sha);
    while ((n = fread(bytes, 1, sizeof bytes, f)) > 0) sha256_update(&sha, n, bytes);
    const int why = ferror(f) ? errno : 0;
    fclose(f);
    if (why) return base_fail(err, BASE_DATA, "cannot read '%s': %s", path, strerror(why));
    sha256_digest(&sha, sizeof digest, digest);
    base_hex(digest, sizeof digest, hex);
    return BASE_OK;
}
