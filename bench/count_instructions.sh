#!/usr/bin/env bash
# count_instructions.sh: instructions of the int8 kernels of quantize/runtime/, by layer, as GCC
# compiles them for Armv7E-M (Cortex-M4) and Armv6-M (Cortex-M0+; run on QEMU's Cortex-M3, which
# executes the same instructions). Writes CSV to stdout; bench/kernel_instructions.csv is its
# output and what bench/fit_latency.c reads.
#   bench/count_instructions.sh > bench/kernel_instructions.csv
# Environment: OPT (default -O2); PACKED=1: convolutions and dense with weights of 4 bits.
set -eu
cd "$(dirname "$0")/.."
opt=${OPT:--O2}
define=${PACKED:+-DPACKED}
for tool in arm-none-eabi-gcc qemu-system-arm; do
    command -v "$tool" >/dev/null || { echo "count_instructions.sh: $tool is not there" >&2; exit 1; }
done
elf=$(mktemp)
trap 'rm -f "$elf"' EXIT
echo "core,opt,op,kernel,macs,rows,out,instructions"
count() { # core, machine
    arm-none-eabi-gcc -mcpu="$1" -mthumb "$opt" -std=gnu11 $define -I. -nostartfiles -nostdlib \
        -T bench/device/count.ld bench/device/count.c -lgcc -o "$elf"
    timeout 120 qemu-system-arm -M "$2" -nographic -icount shift=0 \
        -semihosting-config enable=on,target=native -kernel "$elf" 2>&1 | sed "s/^/$1,$opt,/"
}
count cortex-m4 mps2-an386
count cortex-m0plus mps2-an385
