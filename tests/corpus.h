/* corpus: small folders of made-up words for tests. Each word is a tone of its own pitch with a
 * little noise, each speaker has a name that hashes to a known split. */
#ifndef TESTS_CORPUS_H
#define TESTS_CORPUS_H

#include "data/data.h"

/* A fresh folder below /tmp into dir (at least 64 bytes). */
void corpus_folder(char *dir);
void corpus_remove(const char *dir);

/* One clip of `samples` samples at `rate` as dir/<word>/<speaker>_nohash_<take>.wav. */
void corpus_clip(const char *dir, const char *word, const char *speaker, int take, int rate,
                 int samples);
/* Name of speaker i of a split: eight hexadecimal digits. */
const char *corpus_speaker(data_split split, int i, char name[16]);
/* words ("yes,no"), each by `train` training, `validation` and `test` speakers; two background
 * recordings of 3 s. */
void corpus_make(const char *dir, const char *words, int train, int validation, int test);
/* Import dir (and test, or NULL) as dir/pack.h5 and open it. */
data_pack *corpus_pack(const char *dir, const char *test, data_import_result *result);

#endif
