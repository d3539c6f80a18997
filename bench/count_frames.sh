#!/usr/bin/env bash
# count_frames.sh: instructions of the integer front-end for a frame of every preset of features, as
# GCC compiles it for Armv7E-M (Cortex-M4), Armv7-M and Armv6-M (Cortex-M0+; run on QEMU's
# Cortex-M3, which executes the same instructions). Writes CSV to stdout;
# bench/frame_instructions.csv is its output and what bench/fit_instructions.c reads.
#   make build/release/bench/frame_tables && bench/count_frames.sh > bench/frame_instructions.csv
# Environment: OPT (default -O2).
set -eu
cd "$(dirname "$0")/.."
opt=${OPT:--O2}
tables=build/release/bench/frame_tables
for tool in arm-none-eabi-gcc qemu-system-arm $tables; do
    command -v "$tool" >/dev/null || { echo "count_frames.sh: $tool is not there" >&2; exit 1; }
done
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
echo "isa,opt,op,variant,out,macs,pixels,rows,weights,instructions"
count() { # isa, core, machine, preset
    arm-none-eabi-gcc -mcpu="$2" -mthumb "$opt" -std=gnu11 -I. "-DFRAME_TABLES=\"$tmp/tables.h\"" \
        -nostartfiles -nostdlib -T bench/device/count.ld bench/device/frame.c -lc -lgcc -o "$tmp/elf"
    n=$(timeout 120 qemu-system-arm -M "$3" -nographic -icount shift=0 \
        -semihosting-config enable=on,target=native -kernel "$tmp/elf" 2>&1)
    echo "$1,$opt,frame,$4,0,0,0,0,0,$n"
}
for preset in mfcc_49x10 logmel_40x101 mfcc_40x98 mfcc_40x101 mfcc_64x98 mfcc_32x101 mfcc_25x10 \
    mfcc_20x49 mfcc_30x49; do
    $tables "$preset" > "$tmp/tables.h"
    for isa in "armv7e-m cortex-m4 mps2-an386" "armv7-m cortex-m3 mps2-an385" \
        "armv6-m cortex-m0plus mps2-an385"; do
        count $isa "$preset"
    done
done
