#!/usr/bin/env bash
# instructions.sh: executed instructions of a model's stages in the emulator, counted twice: by the
# firmware itself (SysTick under -icount; the column of `sotto estimate --measure`) and by a plugin of
# QEMU that looks at every instruction (bench/device/plugin.c, compiled here). The two share nothing
# but the program. Exit 1 when a stage differs by more than 4 instructions and one in 100,000.
#   bench/instructions.sh MODEL [BOARD...]     boards: mps2-an385 mps2-an386 ... (all that are emulated)
# Environment: OPT (default -O2), SOTTO (default build/sotto).
set -eu
cd "$(dirname "$0")/.."
model=$1
shift
[ $# -gt 0 ] || set -- mps2-an385 mps2-an386 mps2-an500 mps2-an505 mps3-an547 virt
sotto=${SOTTO:-build/sotto}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
${CC:-gcc} -O2 -shared -fPIC -fvisibility=hidden bench/device/plugin.c -o "$tmp/plugin.so"
printf 'board\topt\tstage\ticount\tplugin\tdifference\n'
worst=0
for board in "$@"; do
    dir=$tmp/$board
    "$sotto" export "$model" --firmware "$dir" --board "$board" -q >/dev/null
    make -s -C "$dir" OPT="${OPT:--O2}"
    case $board in virt) nm=riscv64-unknown-elf-nm ;; *) nm=arm-none-eabi-nm ;; esac
    at=0x$($nm "$dir/firmware.elf" | awk '$3 == "probe" { print $1 }')
    qemu=$(sed -n 's/^QEMU *:= //p' "$dir/Makefile")
    $qemu -plugin "$tmp/plugin.so,at=$at,out=$dir/count" -kernel "$dir/firmware.elf" \
        >"$dir/said" </dev/null
    # The last probes are those of the measured inference; before them stands the calibration: two
    # probes without a stage between, then 16.
    awk -F '\t' -v board="$board" -v opt="${OPT:--O2}" '
        NR == FNR { if ($1 == "stage") { name[n + 0] = $2; icount[n++] = $3 } next }
        { at[m++] = $1 }
        END {
            first = m - (n + 1)
            own = at[first - 17] - at[first - 18]
            for (i = 0; i < n; i++) {
                p = at[first + i + 1] - at[first + i] - own
                d = icount[i] - p
                printf "%s\t%s\t%s\t%d\t%d\t%d\n", board, opt, name[i], icount[i], p, d
                if (d < 0) d = -d
                if (d > 4 + p / 100000) bad++
            }
            exit bad > 0
        }' "$dir/said" "$dir/count" || worst=1
done
exit $worst
