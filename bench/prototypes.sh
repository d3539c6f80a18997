#!/bin/sh
# Classifiers without descent (train.fit) on two front-ends: test accuracy in float and in int8, time
# to fit, and what the net needs on a Cortex-M4. usage: bench/prototypes.sh PACK DIR    DIR takes the runs
set -eu
sotto=${SOTTO:-build/sotto}
pack=$1 dir=$2
mkdir -p "$dir"

accuracy() { "$sotto" eval -q "$1" "$pack" --split test --format json | jq -r '.accuracy * 100'; }

echo '| features | train.fit | fitted in | float | int8 | flash | RAM | time |'
echo '|---|---|--:|--:|--:|--:|--:|--:|'
for preset in mfcc_49x10 logmel_40x101; do
    for fit in centroid lda logistic svm gmm forest boosting; do
        run=$dir/${preset}_$fit
        case $fit in gmm | forest | boosting) arch=$fit ;; *) arch=linear ;; esac
        [ -e "$run/DONE" ] || "$sotto" train -q $arch train.fit=$fit features.preset=$preset \
            features.normalize=feature data.pack="$pack" -o "$run" >/dev/null ||
            { echo "prototypes.sh: $fit on $preset was not fitted" >&2; continue; }
        "$sotto" quantize -q "$run" --calibrate "$pack" -o "$run.int8.h5" >/dev/null
        size=$("$sotto" estimate -q "$run.int8.h5" --target nucleo-l4r5zi --format json |
            jq -r '.targets[0] | "\(.flash_bytes) B | \(.ram_bytes) B | \(.latency_ms * 100 | round / 100) ms"')
        printf '| %s | %s | %.0f s | %.2f %% | %.2f %% | %s |\n' $preset $fit \
            "$(jq -r .seconds "$run/DONE")" "$(accuracy "$run")" "$(accuracy "$run.int8.h5")" "$size"
    done
done
