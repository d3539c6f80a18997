#!/usr/bin/env bash
# count_stages.sh: instructions of the stages of exported int8 models, each with the work that
# `sotto estimate` sees in it, as compiled for and run on an emulated machine. Writes CSV to stdout;
# bench/stage_instructions.csv is its output and what bench/fit_instructions.c reads:
#   bench/count_stages.sh MODEL.int8.h5... > bench/stage_instructions.csv
# Environment: SOTTO (build/sotto), OPT (-O2), BOARDS: "instruction set=board" pairs.
set -eu
sotto=${SOTTO:-$(dirname "$0")/../build/sotto}
measure=${MEASURE:-$sotto}
opt=${OPT:--O2}
boards=${BOARDS:-armv6-m=nucleo-g0b1re armv7-m=bluepill armv7e-m=nucleo-l4r5zi
    armv8.1-m.mve=apollo510-evb rv32imc=esp32-c3-devkitm}
command -v jq >/dev/null || { echo "count_stages.sh: jq is not there" >&2; exit 1; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
echo "isa,opt,op,variant,out,macs,pixels,rows,weights,instructions,net"
for model in "$@"; do
    name=$(basename "$model")
    for pair in $boards; do
        isa=${pair%%=*} board=${pair#*=}
        "$measure" estimate "$model" --target "$board" --measure --opt="$opt" --layers --format json \
            > "$tmp/counted.json" || { echo "count_stages.sh: $name, $board: not counted" >&2; continue; }
        "$sotto" estimate "$model" --target "$board" --layers --format json > "$tmp/layers.json"
        # the same stages in the same order; what reduces its input reads all of it
        jq -r --arg isa "$isa" --arg opt "$opt" --arg net "${name%%.*}" \
            --slurpfile counted "$tmp/counted.json" '
            $counted[0].measured_stages as $stages
            | if [$stages[].stage] != [.layers[].layer]
              then error("stages and layers differ: \([$stages[].stage]) \([.layers[].layer])") else . end
            | .layers | to_entries[] | .key as $i | .value
            | (if .kernel == "separable" then .macs - .rows
               elif .macs == 0 and .inputs > .outputs then .inputs else .macs end) as $macs
            | [$isa, $opt, .kernel, (if .variant == "flat" then "flat" else "" end), .outputs, $macs,
               .pixels, .rows, .weight_bytes, $stages[$i].instructions, $net] | @csv' \
            "$tmp/layers.json" | tr -d '"'
    done
done
