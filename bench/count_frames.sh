#!/usr/bin/env bash
# count_frames.sh: what the integer front-end takes for every preset of features, and some that differ
# in a few settings, on the machines of quantize/machines/. Writes CSV to stdout; bench/frame_instructions.csv is its output and what
# bench/fit_instructions.c reads. instructions: of a frame, hop of samples to int8 features; window:
# of reading all kept features; memory: bytes of state and scratch; code, tables: bytes of .text and
# .rodata.
#   make build/release/bench/frame_tables && bench/count_frames.sh > bench/frame_instructions.csv
# Environment: OPT (default -O2); FEATURES (one setting of them), CORES (cortex-m4 ...): default all.
set -eu
cd "$(dirname "$0")/.."
opt=${OPT:--O2}
features=${FEATURES:-mfcc_49x10
logmel_40x101
mfcc_40x98
mfcc_40x101
mfcc_64x98
mfcc_32x101
mfcc_25x10
mfcc_20x49
mfcc_30x49
mfcc_49x10 fft=1024
mfcc_49x10 f_hi=8000 mels=20
mfcc_49x10 window_ms=16 hop_ms=8 fft=256 mfcc=13
mfcc_49x10 level=none spectrum=power
logmel_40x101 f_hi=4000
logmel_40x101 mels=80 spectrum=magnitude
mfcc_40x98 mels=40 mfcc=13
mfcc_64x98 fft=400 mfcc=20
mfcc_32x101 fft=1024
mfcc_25x10 spectrum=power
mfcc_20x49 window_ms=64 mels=64
mfcc_30x49 f_hi=4000 mels=40 mfcc=40}
tables=build/release/bench/frame_tables
[ -x $tables ] || { echo "count_frames.sh: make $tables first" >&2; exit 2; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
profile() { # machine, key
    sed -n "s/^$2 = //p" "quantize/machines/$1.ini"
}
build() { # port, compiler with flags, output, -DEMPTY
    $2 "$opt" -std=c11 -ffreestanding -nostdlib -ffunction-sections -fdata-sections \
        -Wl,--gc-sections,--no-warn-rwx-segments "-DTICK_HZ=$tick" "-DFRAME_TABLES=\"$tmp/tables.h\"" -I. \
        -Iquantize/firmware ${4:-} -T "$tmp/machine.ld" bench/device/frame.c \
        quantize/firmware/{machine,"$1",string}.c -lgcc -o "$3"
}
bytes() { # size of a section that the front-end takes
    for elf in frame empty; do $size -A "$tmp/$elf"; done |
        awk -v section="$1" '$1 == section {n = n == "" ? $2 : n - $2} END {print n + 0}'
}
count() { # setting, isa, core, machine of the flags, machine
    local compiler emulator size tick port=arm
    compiler=$(profile "$4" compiler) emulator=$(profile "$5" emulator) tick=$(profile "$5" tick_hz)
    size=${compiler%gcc}size
    [ "$2" != rv32imc ] || port=riscv
    for tool in "$compiler" "${emulator%% *}"; do
        command -v "$tool" >/dev/null || { echo "count_frames.sh: $3: no $tool" >&2; return 0; }
    done
    cp quantize/firmware/machine.ld "$tmp"
    for key in title vectors rom rom_kb ram ram_kb; do
        sed -i "s|@${key^^}@|$(profile "$5" $key)|" "$tmp/machine.ld"
    done
    build $port "$compiler $(profile "$4" flags)" "$tmp/frame"
    build $port "$compiler $(profile "$4" flags)" "$tmp/empty" -DEMPTY
    echo "$2,$3,$opt,frame,$1,$(timeout 120 $emulator -display none -monitor none -serial null \
        -icount shift=6,sleep=off -semihosting-config enable=on,target=native -kernel "$tmp/frame" \
        </dev/null 2>&1),$(bytes .text),$(bytes .rodata)"
}
echo "isa,core,opt,op,variant,instructions,window,memory,code,tables"
while read -r setting; do
    $tables "$setting" > "$tmp/tables.h"
    for core in "armv7e-m cortex-m4 mps2-an386 mps2-an386" "armv7e-m cortex-m7 mps2-an500 mps2-an500" \
        "armv7e-m cortex-m33 mps2-an505 mps2-an505" "armv7-m cortex-m3 mps2-an385 mps2-an385" \
        "armv6-m cortex-m0 microbit mps2-an385" "armv8.1-m.mve cortex-m55 mps3-an547 mps3-an547" \
        "rv32imc rv32imc virt virt"; do
        set -- $core
        case " ${CORES:-$2} " in *" $2 "*) count "$setting" "$@" ;; esac
    done
done <<<"$features"
