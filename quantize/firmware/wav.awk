# wav.awk: a 16-bit mono PCM wav file, one byte a line (od -An -v -tu1 -w1), as a C array.
#   -v rate=16000 (that of the model)  -v file=NAME (in messages; empty: no recording)
#
# SPDX-License-Identifier: 0BSD. Permission to use, copy, modify, and/or distribute this software
# for any purpose with or without fee is hereby granted. The software is provided "as is", without
# warranty of any kind.

function wrong(why) {
    print file ": " why > "/dev/stderr"
    print "hint: sox IN -r " rate " -c 1 -b 16 OUT.wav makes one of any recording" > "/dev/stderr"
    failed = 1
    exit 1
}
function number(at, bytes,    v, i) { # little-endian
    for (i = bytes - 1; i >= 0; i--) v = 256 * v + byte[at + i]
    return v
}
function check_format(at) {
    if (number(at, 2) != 1 && number(at, 2) != 65534) wrong("is not PCM")
    if (number(at + 2, 2) != 1) wrong("has " number(at + 2, 2) " channels, 1 is wanted")
    if (number(at + 14, 2) != 16) wrong("has samples of " number(at + 14, 2) " bits, 16 are wanted")
    if (number(at + 4, 4) != rate) wrong("has " number(at + 4, 4) " samples a second, the model takes " rate)
    format = 1
}

{ byte[n++] = $1 + 0 }

END {
    if (failed) exit 1
    if (file == "") {
        print "#define AUDIO_SAMPLES 0"
        exit
    }
    if (rate == 0) wrong("cannot be heard: the model has no feature settings")
    if (number(0, 4) != 1179011410 || number(8, 4) != 1163280727) wrong("is missing or is no wav file")
    for (at = 12; at + 8 <= n; at += 8 + size + size % 2) {
        id = number(at, 4)
        size = number(at + 4, 4)
        if (id == 544501094) check_format(at + 8)
        if (id == 1635017060) break
    }
    if (!format) wrong("says nothing of its format")
    if (at + 8 > n) wrong("holds no samples")
    if (at + 8 + size > n) size = n - at - 8
    size -= size % 2
    print "#include <stdint.h>\n#define AUDIO_SAMPLES " size / 2
    printf "__attribute__((unused)) static const int16_t audio[] = {"
    for (i = 0; i < size; i += 2) {
        v = number(at + 8 + i, 2)
        printf "%s%d,", i % 32 ? "" : "\n    ", v < 32768 ? v : v - 65536
    }
    print "};"
}
