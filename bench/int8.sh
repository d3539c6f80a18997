#!/bin/bash
# What int8 costs every model of the zoo: test accuracy in float, quantized after training (ptq),
# trained with simulated int8 (qat), and with the layers' bits chosen within 0.2 points of validation
# accuracy (mixed: sotto quantize --auto), with bytes of weights and tables. The table in README.md is
# made of bench/int8.tsv, to which this appends. What lies in DIR already is not made again.
#
# usage: bench/int8.sh PACK DIR [MODEL[:key=value,...]]...      DIR takes the runs; all of the zoo
#        bench/int8.sh --table                                  the results as rows of README.md
set -eu
cd "$(dirname "$0")/.."
out=bench/int8.tsv sotto=${SOTTO:-build/sotto}

table() {
    awk -F'\t' 'NR > 1 {
        name = $1 ($2 == "" ? "" : " (" $2 ")")
        printf "| %s | %.2f %% | %.2f %% | %.2f %% | %s | %.1f kB | %s |\n", name,
            100 * $4, 100 * $5, 100 * $6, $7 == "null" ? "none" : sprintf("%.2f %%", 100 * $7),
            $8 / 1000, $9 == 0 ? "" : sprintf("%.1f kB", $9 / 1000)
    }' $out | sort -t'|' -k3,3nr
}
if [ "${1-}" = --table ]; then
    table
    exit
fi

pack=$1 dir=$2
shift 2
[ $# -gt 0 ] || mapfile -t models < <("$sotto" model list | awk -F'\t' '$2 == "s" { print $1 }')
[ $# -eq 0 ] || models=("$@")
mkdir -p "$dir"
[ -f $out ] || printf 'model\tsettings\tn\tfloat\tptq\tqat\tmixed\tbytes\tmixed_bytes\n' >$out

# A run of these arguments, unless it is there.
run() {
    local path=$1
    shift
    [ -f "$path/DONE" ] && return
    if [ -d "$path" ]; then set -- --resume "$path"; else set -- "$@" -o "$path"; fi
    "$sotto" train "$@" --threads "${THREADS:-2}" >/dev/null 2>>"$path.log"
}
# An int8 model of a run and what came out, unless they are there.
quantized() {
    local run=$1 name=$2
    shift 2
    [ -f "$name.json" ] && return
    "$sotto" quantize "$run" --calibrate "$pack" "$@" -o "$name.h5" --format json \
        >"$name.json.part" 2>>"$name.log" || return
    mv "$name.json.part" "$name.json"
}
test_of() { jq "[.results[] | select(.split == \"test\" and .kind == \"$2\")][0].$3" "$1.json"; }
bytes_of() { jq '(.weight_bytes // 0) + (.table_bytes // 0)' "$1.json"; }

for job in "${models[@]}"; do
    IFS=: read -r model settings <<<"$job"
    grep -q "^$model	${settings-}	" $out && continue
    IFS=, read -r -a extra <<<"${settings-}"
    args=("$model" data.pack="$pack" "${extra[@]}") base=$dir/$model${settings:+.${settings//[,=\/]/_}}
    run "$base" "${args[@]}"
    run "$base.qat" "${args[@]}" train.init="$base" train.qat=yes
    quantized "$base" "$base.ptq"
    quantized "$base.qat" "$base.qat.int8"
    quantized "$base" "$base.mixed" --auto --max-drop 0.2 || {
        [ $? -eq 4 ] # there is none
        echo '{"results": []}' >"$base.mixed.json"
    }
    printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$model" "${settings-}" "$(test_of "$base.ptq" int8 n)" \
        "$(test_of "$base.ptq" float accuracy)" "$(test_of "$base.ptq" int8 accuracy)" \
        "$(test_of "$base.qat.int8" int8 accuracy)" "$(test_of "$base.mixed" int8 accuracy)" \
        "$(bytes_of "$base.ptq")" "$(bytes_of "$base.mixed")" >>$out
done
