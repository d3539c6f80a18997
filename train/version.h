/* The version of sotto. */
#ifndef TRAIN_VERSION_H
#define TRAIN_VERSION_H

#define SOTTO_VERSION "0.1"
/* The commit of git that was built, "1a2b3c4d5e6f", with "-dirty" where its files were changed; "":
 * not built from a repository. */
extern const char sotto_commit[];

#endif
