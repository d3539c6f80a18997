/* folder: a folder that appears under its name only when it is complete, as base_file is for files.
 */
#ifndef DATA_FOLDER_H
#define DATA_FOLDER_H

#include "nn/base.h"

/* BASE_USAGE unless path does not exist or is an empty folder. */
base_status data_folder_check_free(const char *path, base_err *err);

/* An empty folder beside path, to be filled: its name, freed with free(). Folders above path are
 * made. */
base_status data_folder_temp(const char *path, char **temp, base_err *err);

/* Write everything to the disk and rename temp to path, which is as data_folder_check_free wants
 * it. On failure temp stays: remove it. */
base_status data_folder_commit(const char *temp, const char *path, base_err *err);

/* Remove a folder and all that is in it, as far as that is possible; links are not followed. */
void data_folder_remove(const char *path);

/* For leaving nothing behind: before a folder is made, the uppermost part of its path that does not
 * exist yet (freed with free(); NULL: all of it exists, or no memory); after a failure, remove the
 * empty folders from path up to that one. top may be NULL. */
char *data_folder_missing(const char *path);
void data_folder_prune(const char *path, const char *top);

#endif
