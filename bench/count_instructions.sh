#!/usr/bin/env bash
# count_instructions.sh: instructions of the int8 kernels of quantize/runtime/, by layer, as GCC
# compiles them for Armv7E-M (Cortex-M4), Armv8.1-M with Helium (Cortex-M55), Armv7-M and Armv6-M
# (Cortex-M0+; run on QEMU's Cortex-M3, which executes the same instructions), with weights of 8 and
# of 4 bits. Writes CSV to stdout; bench/kernel_instructions.csv is its output and what bench/fit_instructions.c reads.
#   bench/count_instructions.sh > bench/kernel_instructions.csv
# Environment: OPT (default -O2).
set -eu
cd "$(dirname "$0")/.."
opt=${OPT:--O2}
for tool in arm-none-eabi-gcc qemu-system-arm; do
    command -v "$tool" >/dev/null || { echo "count_instructions.sh: $tool is not there" >&2; exit 1; }
done
elf=$(mktemp)
trap 'rm -f "$elf"' EXIT
echo "isa,opt,op,variant,out,macs,pixels,rows,weights,instructions"
count() { # isa, core, machine, -DPACKED
    local abi=soft
    [ "$2" != cortex-m55 ] || abi=hard
    arm-none-eabi-gcc -mcpu="$2" -mthumb -mfloat-abi=$abi "$opt" -std=gnu11 $4 -I. -nostartfiles -nostdlib \
        -T bench/device/count.ld bench/device/count.c -lgcc -o "$elf"
    timeout 120 qemu-system-arm -M "$3" -nographic -icount shift=0 \
        -semihosting-config enable=on,target=native -kernel "$elf" 2>&1 | sed "s/^/$1,$opt,/"
}
for isa in "armv7e-m cortex-m4 mps2-an386" "armv7-m cortex-m3 mps2-an385" \
    "armv6-m cortex-m0plus mps2-an385" "armv8.1-m.mve cortex-m55 mps3-an547"; do
    count $isa ""
    count $isa -DPACKED | grep _w4
done
