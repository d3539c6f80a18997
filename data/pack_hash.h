/* pack_hash: what a pack holds, in 64 digits; the same however its file is laid out. */
#ifndef DATA_PACK_HASH_H
#define DATA_PACK_HASH_H

#include "data/data.h"

/* SHA-256, in hex, of every clip's name, split and hash of samples, in order, and of the names and
 * lengths of the noise recordings. */
void data_pack_hash(const data_pack *pack, char hex[65]);

#endif
