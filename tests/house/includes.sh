#!/bin/sh
# Which folder may include which, and who alone includes a library's header.
. "$(dirname "$0")/lib.sh"

check() {
    for f in $(sources); do
        grep -Hn '^ *# *include' "$f"
    done | awk '
    function starts(s, prefix) { return index(s, prefix) == 1 }
    function allowed(file, inc,    name) {
        name = file; sub(/.*\//, "", name)
        if (starts(file, "tests/") || starts(file, "bench/")) return 1
        if (starts(inc, "tests/") || starts(inc, "bench/")) return 0
        if (starts(file, "quantize/runtime/")) return starts(inc, "quantize/runtime/")
        if (starts(file, "quantize/firmware/")) # files of a project of its own
            return inc ~ /^(machine|string|model|net|audio)\.h$/
        if (starts(name, "cmd_")) return 1 # the program, above all folders
        if (inc == "train/cli.h" || inc == "train/cli_state.h" || inc == "train/commands.def")
            return file ~ /^train\/(main|cli[a-z_]*)\.[ch]$/
        if (starts(file, "nn/")) return starts(inc, "nn/") || starts(inc, "quantize/runtime/")
        if (starts(file, "dsp/"))
            return starts(inc, "dsp/") || inc == "nn/base.h" || starts(inc, "quantize/runtime/")
        if (starts(file, "data/"))
            return starts(inc, "data/") || inc == "nn/base.h" || inc == "nn/h5.h" || \
                   starts(inc, "dsp/")
        if (starts(file, "train/")) return inc ~ /^(train|nn|data|dsp)\//
        if (starts(file, "quantize/")) return inc ~ /^(quantize|nn|data|dsp)\//
        return 0
    }
    BEGIN {
        owner["cblas.h"] = "nn/blas.c"; owner["hdf5.h"] = "nn/h5.c"
        owner["fftw3.h"] = "dsp/fft.c"; owner["sndfile.h"] = "dsp/audio.c"
        owner["sqlite3.h"] = "train/runindex.c"
        owner["arm_mve.h"] = "quantize/runtime/scale_mve.h"
    }
    {
        split($0, part, ":"); file = part[1]; line = part[2]; inc = $0
        if (inc ~ /include *"/) {
            sub(/^[^"]*"/, "", inc); sub(/".*/, "", inc)
            if (!allowed(file, inc)) print file ":" line ": may not include \"" inc "\""
            else if (starts(file, "quantize/firmware/") || file == "tests/mcu/vectors.c") next
            else if ((getline text < inc) < 0) print file ":" line ": no file \"" inc "\""
            close(inc)
        } else {
            sub(/^[^<]*</, "", inc); sub(/>.*/, "", inc)
            if (inc in owner && owner[inc] != file && file !~ /^(tests|bench)\//)
                print file ":" line ": only " owner[inc] " includes <" inc ">"
            if (file ~ /^quantize\/runtime\// && inc != "stdint.h" && inc != "string.h" && \
                inc != "arm_mve.h")
                print file ":" line ": the runtime includes only <stdint.h> and <string.h>"
        }
    }'
}

sample() {
    mkdir -p dsp nn
    : >nn/nn.h
    echo '#include "nn/nn.h"' >dsp/mel.c
}

house "includes follow the folders"
