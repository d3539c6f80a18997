/* Options and talk that the registry commands share, for cmd_registry_*.c. */
#ifndef TRAIN_REGISTRY_OPTIONS_H
#define TRAIN_REGISTRY_OPTIONS_H

#define REGISTRY_OPTION(dir)                                                                       \
    {                                                                                              \
        "registry", 0, POPT_ARG_STRING, dir, 0, "the registry's folder", "DIR"                     \
    }

#endif
