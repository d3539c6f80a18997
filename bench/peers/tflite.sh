#!/bin/bash
# sotto's .tflite files beside TensorFlow Lite's own C library: every operator by itself with random
# shapes, scales and zero points, MLPerf Tiny's reference model layer by layer, models of the zoo and
# of tests/vectors/tflite.txt exported with random weights. int8 must agree in every bit, float within
# 1e-5.
#
# usage: bench/peers/tflite.sh [N]         N inputs each, 100 when not given
#        bench/peers/tflite.sh --record    tests/vectors/tflite.h5 and tflite_ops.h5 anew
# Settings: SOTTO (build/sotto), TFLITE (libtensorflowlite_c.so 2.2.0; else npm fetches it into
# TFLITE_DIR, build/peers), SOTTO_MLPERF_KWS (kws_ref_model.tflite of MLPerf Tiny v1.x), PACK (a pack
# with test clips, for real features). What is absent is named and left out.
set -eu
cd "$(dirname "$0")/../.."
SOTTO=${SOTTO:-build/sotto} TFLITE_DIR=${TFLITE_DIR:-build/peers}
package=node-tflite@0.0.2
sha256=edb5236b8cbb497775fb36f4f134f89881b81c1cb7d32b897b66787e7040bd40
mlperf=${SOTTO_MLPERF_KWS:-../shared/reference/mlperf_tiny/kws_ref_model.tflite}
temp=$(mktemp -d)
trap 'rm -rf "$temp"' EXIT

# ---- the library: a repackaged build of TensorFlow Lite 2.2.0, x86-64 Linux ----

absent() {
    echo "tflite.sh: skipped: $1" >&2
    exit 0
}
if [ -z "${TFLITE:-}" ]; then
    TFLITE=$TFLITE_DIR/node_modules/node-tflite/tflite/linux_x86_64/libtensorflowlite_c.so
    [ "$(uname -sm)" = "Linux x86_64" ] || absent "the library is for Linux on x86-64"
    if [ ! -f "$TFLITE" ]; then
        command -v npm >/dev/null || absent "npm, which brings the library, is not installed"
        mkdir -p "$TFLITE_DIR"
        npm install --silent --ignore-scripts --no-save --prefix "$TFLITE_DIR" $package >/dev/null ||
            absent "npm could not fetch $package"
    fi
fi
echo "$sha256  $TFLITE" | sha256sum --check --quiet - || { echo "tflite.sh: another library than the one that is known" >&2; exit 1; }

make -s build/sotto build/release/bench/peers/tflite_compare build/release/bench/peers/tflite_ops
compare() { build/release/bench/peers/tflite_compare "$TFLITE" "$@" || echo "$*" >>"$temp/failed"; }

if [ "${1:-}" = --record ]; then
    [ -f "$mlperf" ] || absent "$mlperf is not there (SOTTO_MLPERF_KWS)"
    compare 200 record tests/vectors/tflite.h5 tests/vectors/tflite.txt "$mlperf"
    build/release/bench/peers/tflite_ops "$TFLITE" record tests/vectors/tflite_ops.h5 2>/dev/null
    [ ! -e "$temp/failed" ]
    exit
fi

# ---- what is compared ----

n=${1:-100}
if ${CXX:-g++} -O2 -I. -I/usr/include/gemmlowp bench/peers/gemmlowp_softmax.cc -o "$temp/softmax" \
    2>/dev/null; then
    "$temp/softmax" || echo softmax >>"$temp/failed"
else
    echo "tflite.sh: gemmlowp is not there (libgemmlowp-dev)" >&2
fi
build/release/bench/peers/tflite_ops "$TFLITE" $((10 * n)) 2>/dev/null || echo operators >>"$temp/failed"
if [ -f "$mlperf" ]; then
    compare "$n" "$mlperf" ${PACK:+"$PACK"}
else
    echo "tflite.sh: $mlperf is not there (SOTTO_MLPERF_KWS)" >&2
fi
for model in $("$SOTTO" model list | cut -f1 | tail -n +2 | sort -u); do
    "$SOTTO" model show "$model" >"$temp/$model.net" 2>/dev/null || continue
    compare "$n" "$temp/$model.net" | tail -n +2 | sed "s|$temp/||"
done
number=0
grep -v '^#' tests/vectors/tflite.txt | while read -r net; do
    echo "$net" >"$temp/$number.net"
    compare "$n" "$temp/$number.net" | tail -n +2 | sed "s|$temp/||"
    number=$((number + 1))
done
[ ! -e "$temp/failed" ] || { echo "tflite.sh: different, or failed:" && cat "$temp/failed" && exit 1; } >&2
