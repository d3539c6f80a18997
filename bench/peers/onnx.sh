#!/bin/bash
# sotto's .onnx files in ONNX Runtime, value by value: models of the zoo and nets of
# tests/vectors/tflite.txt with random weights, float and int8, or models that are given, on clips.
# Each layer alone, given sotto's values before it, then the whole run: which share of the values is
# equal, which is apart (int8: more than a step, float: more than 1e-5 of the largest), the largest
# difference and where it is; in how many inputs the largest output is another. A float layer alone must
# not be apart; int8 rounds otherwise there, and what one layer does the next ones see.
#
# usage: bench/peers/onnx.sh [N [MODEL...]]   N inputs each (20); MODEL: a run, or a model file
# Settings: SOTTO (build/sotto), NODE_PATH (where onnxruntime-node is; else npm fetches it into
# ONNX_DIR, build/peers), PACK (a pack with test clips, for MODEL), ONNX_RUN_OPTIMIZE (disabled: as the
# file says, not fused to integers). What is absent is named and left out.
set -eu
cd "$(dirname "$0")/../.."
SOTTO=${SOTTO:-build/sotto} ONNX_DIR=${ONNX_DIR:-build/peers}
package=onnxruntime-node@1.30.0
sha256=ffb75a925ba05e47b235bb66e3e3911714a80b328a9c9425539feb204aa32a23
temp=$(mktemp -d)
trap 'rm -rf "$temp"' EXIT

absent() {
    echo "onnx.sh: skipped: $1" >&2
    exit 0
}
[ "$(uname -sm)" = "Linux x86_64" ] || absent "the library is for Linux on x86-64"
command -v node >/dev/null || absent "node, which runs ONNX Runtime, is not installed"
if [ -z "${NODE_PATH:-}" ]; then
    export NODE_PATH=$ONNX_DIR/node_modules
    if [ ! -d "$NODE_PATH/onnxruntime-node" ]; then
        command -v npm >/dev/null || absent "npm, which brings ONNX Runtime, is not installed"
        mkdir -p "$ONNX_DIR"
        npm install --silent --ignore-scripts --no-save --prefix "$ONNX_DIR" $package >/dev/null ||
            absent "npm could not fetch $package"
    fi
fi
NODE_PATH=$(cd "$NODE_PATH" && pwd)
library=$NODE_PATH/onnxruntime-node/bin/napi-v6/linux/x64/libonnxruntime.so.1
echo "$sha256  $library" | sha256sum --check --quiet - || { echo "onnx.sh: another library than the one that is known" >&2; exit 1; }

make -s build/sotto build/release/bench/peers/onnx_compare
compare() {
    build/release/bench/peers/onnx_compare "node bench/peers/onnx_run.js" "$@" >"$temp/out" || echo "$*" >>"$temp/failed"
    [ -e "$temp/head" ] || head -n 1 "$temp/out" | tee "$temp/head"
    tail -n +2 "$temp/out" | sed "s|$temp/||"
}

n=${1:-20}
[ $# -eq 0 ] || shift
for model in "$@"; do compare "$n" "$model" ${PACK:+"$PACK"}; done
if [ $# -eq 0 ]; then
    for model in $("$SOTTO" model list | cut -f1 | tail -n +2 | sort -u); do
        "$SOTTO" model show "$model" >"$temp/$model.net" 2>/dev/null || continue
        compare "$n" "$temp/$model.net"
    done
    number=0
    grep -v '^#' tests/vectors/tflite.txt >"$temp/nets"
    while read -r net; do
        echo "$net" >"$temp/$number.net"
        compare "$n" "$temp/$number.net"
        number=$((number + 1))
    done <"$temp/nets"
fi
[ ! -e "$temp/failed" ] || { echo "onnx.sh: different, or failed:" && cat "$temp/failed" && exit 1; } >&2
