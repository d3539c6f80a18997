/* The version of sotto. */
#ifndef TRAIN_VERSION_H
#define TRAIN_VERSION_H

#define SOTTO_VERSION "0.1"

#endif
