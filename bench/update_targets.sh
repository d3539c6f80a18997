#!/usr/bin/env bash
# update_targets.sh: bring the derived figures of quantize/targets/ up to date with the kernels of
# quantize/runtime/ and the published times: counts instructions (QEMU), measures code, fits.
#   bench/update_targets.sh [REFERENCE_DIR]            after a change of a kernel
#   bench/update_targets.sh --check [REFERENCE_DIR]    list what would change; exit 1 if anything
# A figure counts as changed when it moves by more than 2 %. Counts of stages of exported firmware
# (bench/stage_instructions.csv) are taken as they are.
set -eu
cd "$(dirname "$0")/.."
check=""
if [ "${1:-}" = --check ]; then
    check=yes
    shift
fi
reference=${1:-${SOTTO_REFERENCE:-../shared/reference}}
fit=build/release/bench/fit_latency rules=build/release/bench/fit_instructions
for program in $fit $rules; do
    [ -x $program ] || { echo "update_targets.sh: make $program first" >&2; exit 2; }
done
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
bench/count_instructions.sh > "$tmp/kernel_instructions.csv"
[ -n "$check" ] || cp "$tmp/kernel_instructions.csv" bench/kernel_instructions.csv
counts=("$tmp/kernel_instructions.csv")
[ ! -e bench/stage_instructions.csv ] || counts+=(bench/stage_instructions.csv)
$rules --ini "$reference/mcu_qemu_instr.csv" "${counts[@]}" > "$tmp/instructions.ini"

changed=0
table=quantize/targets/instructions.ini
if ! awk -v file=$table '
    function near(a, b,    d) { d = a - b; d = d < 0 ? -d : d; return d <= 0.02 * (b < 0 ? -b : b) + 0.1 }
    FNR == NR { line[FNR] = $0; n = FNR; next }
    {
        same = split(line[FNR], old, " ") == NF
        for (i = 1; i <= NF && same; i++)
            same = old[i] == $i || ($i + 0 == $i && old[i] + 0 == old[i] && near($i, old[i]))
        if (!same) { print file ": " line[FNR] " -> " $0 > "/dev/stderr"; bad = 1 }
    }
    END { exit bad || FNR != n }' $table "$tmp/instructions.ini"; then
    changed=1
    [ -n "$check" ] || cat "$tmp/instructions.ini" > $table
fi
[ -n "$check" ] || make -s $fit # it carries the table
$fit --tsv "$reference" > "$tmp/keys.tsv"
bench/code_size.sh >> "$tmp/keys.tsv"
for profile in $(cut -f1 "$tmp/keys.tsv" | sort -u); do
    file=quantize/targets/$profile.ini
    awk -F '\t' -v profile="$profile" -v file="$file" '
        FNR == NR { if ($1 == profile) want[$2 "." $3] = $4; next }
        /^\[/ { section = substr($0, 2, index($0, "]") - 2) }
        {
            split($0, part, " = ")
            key = section "." part[1]
            if (key in want) {
                d = want[key] - part[2]
                if (d < 0) d = -d
                if (d > 0.02 * (part[2] < 0 ? -part[2] : part[2])) {
                    print file ": [" section "] " $0 " -> " want[key] > "/dev/stderr"
                    $0 = part[1] " = " want[key]
                }
                delete want[key]
            }
            print
        }
        END {
            for (key in want) { print file ": " key " is missing" > "/dev/stderr"; exit 1 }
        }' "$tmp/keys.tsv" "$file" > "$tmp/new.ini"
    cmp -s "$tmp/new.ini" "$file" || changed=1
    [ -n "$check" ] || cat "$tmp/new.ini" > "$file"
done
[ -z "$check" ] || exit $changed
