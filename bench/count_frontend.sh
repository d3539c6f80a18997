#!/usr/bin/env bash
# count_frontend.sh PRESET CLIP...: the integer front-end on emulated cores: whether it gives the
# host's bits for these clips, and what a frame takes. CSV on stdout: core, same or DIFFERENT,
# instructions a frame, instructions of turning the kept features into a model's input, int32_t of
# memory, bytes of tables, bytes of code. (Under QEMU the M55's timer does not count instructions.) Exit 6 when a core gives other bits than the host.
#   bench/count_frontend.sh mfcc_49x10 *.wav
# Environment: OPT (default -O2).
set -eu
[ $# -ge 2 ] || { echo "usage: count_frontend.sh PRESET CLIP..." >&2; exit 2; }
preset=$1
shift
clips=()
for clip in "$@"; do clips+=("$(realpath "$clip")"); done
cd "$(dirname "$0")/.."
opt=${OPT:--O2}
make -s build/release/bench/frontend_tables
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
build/release/bench/frontend_tables "$preset" "${clips[@]}" > "$work/tables.h"
echo "core,bits,frame,window,state,tables,code"
differs=0
run() { # core, size, emulator and its options
    local line code size=$2 core=$1
    shift 2
    line=$(timeout 300 "$@" -nographic -icount shift=0 -semihosting-config enable=on,target=native \
        -kernel "$work/elf" < /dev/null 2>&1 | tail -1)
    code=$("$size" -A "$work/elf" | awk '$1 ~ /^\.(text|rodata|srodata)$/ {n += $2} END {print n}')
    echo "$core,$line,$((code - ${line##*,} - 32000 * ${#clips[@]}))"
    case $line in same,*) ;; *) differs=1 ;; esac
}
define="-DTABLES=\"$work/tables.h\""
arm() { # core, machine
    command -v arm-none-eabi-gcc >/dev/null && command -v qemu-system-arm >/dev/null || {
        echo "count_frontend.sh: no arm-none-eabi-gcc or qemu-system-arm: $1 is left out" >&2
        return 0
    }
    arm-none-eabi-gcc -mcpu="$1" -mthumb "$opt" -std=gnu11 -I. "$define" -nostartfiles -nostdlib \
        -T bench/device/count.ld bench/device/frontend.c -lgcc -o "$work/elf"
    run "$1" arm-none-eabi-size qemu-system-arm -M "$2"
}
arm cortex-m0 mps2-an385
arm cortex-m4 mps2-an386
arm cortex-m55 mps3-an547
if command -v riscv64-unknown-elf-gcc >/dev/null && command -v qemu-system-riscv32 >/dev/null; then
    echo '#include <stddef.h>
void *memcpy(void *, const void *, size_t), *memmove(void *, const void *, size_t);
void *memset(void *, int, size_t);' > "$work/string.h" # where there is no C library
    riscv64-unknown-elf-gcc -isystem "$work" -march=rv32imc_zicsr -mabi=ilp32 "$opt" -std=gnu11 -I. "$define" \
        -ffreestanding -nostartfiles -nostdlib -Wl,--section-start=.vectors=0x80000000 \
        -Wl,-Ttext=0x80000100 -Wl,-e,reset bench/device/frontend.c -lgcc -o "$work/elf"
    run rv32imc riscv64-unknown-elf-size qemu-system-riscv32 -M virt -bios none -monitor none \
        -serial none
else
    echo "count_frontend.sh: no riscv64-unknown-elf-gcc or qemu-system-riscv32" >&2
fi
exit $((differs * 6))
