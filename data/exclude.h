/* exclude: a text file that names clips to be left out, as sotto data lint writes and anybody can
 * edit: a clip a line ("yes/0a7c2a8d_nohash_0.wav"), what follows " #" and lines that begin with
 * '#' are comments. Names match with or without extension, so that the same clips as .wav and as
 * .flac are left out alike.
 */
#ifndef DATA_EXCLUDE_H
#define DATA_EXCLUDE_H

#include "nn/base.h"

typedef struct data_exclude data_exclude;
/* BASE_DATA naming file and line when it is missing or a line is no "word/clip". */
base_status data_exclude_read(const char *path, data_exclude **list, base_err *err);
void data_exclude_free(data_exclude *list); /* NULL is fine */
size_t data_exclude_count(const data_exclude *list);
/* Whether a clip is named; remembers that it was asked for. A NULL list names none. */
bool data_exclude_has(data_exclude *list, const char *name);
/* Names that no clip had so far, in the order of the alphabet: the i-th, NULL past the last. */
const char *data_exclude_unused(const data_exclude *list, size_t i);

#endif
