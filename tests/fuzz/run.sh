#!/bin/sh
# Runs a fuzz target with libFuzzer; `make fuzz` does. What it finds new lies in build/fuzz/corpus,
# inputs that do harm in build/fuzz/found.
#
# usage: tests/fuzz/run.sh tflite|hdf5 SECONDS      from the root of the tree
#        tests/fuzz/run.sh tflite|hdf5 --minimize   tests/fuzz/corpus anew, from both
set -eu
cd "$(dirname "$0")/../.."
target=$1 kept=tests/fuzz/corpus/$1 more=build/fuzz/corpus/$1 fuzz=build/fuzz/tests/fuzz/fuzz_$1
export ASAN_OPTIONS="allocator_may_return_null=1:${ASAN_OPTIONS:-}" UBSAN_OPTIONS=print_stacktrace=1
mkdir -p "$kept" "$more" build/fuzz/found
if [ "$2" = --minimize ]; then
    mkdir -p "$more.min"
    $fuzz -merge=1 -rss_limit_mb=4096 "$more.min" "$kept" "$more"
    exit
fi
exec $fuzz -max_total_time="$2" -timeout=20 -len_control=0 -max_len=16384 -rss_limit_mb=4096 -artifact_prefix=build/fuzz/found/ \
    -print_final_stats=1 "$more" "$kept"
