#!/bin/sh
# Classifiers without descent (train.fit) on two front-ends: test accuracy in float and in int8, time
# to fit, and what the net needs on a Cortex-M4; then few clips of a class, in the mean of five seeds.
# usage: bench/prototypes.sh PACK DIR    DIR takes the runs
set -eu
sotto=${SOTTO:-build/sotto}
pack=$1 dir=$2
mkdir -p "$dir"

fit() { # RUN ARCH [KEY=VALUE...]: the run and its int8 model, unless they are there
    run=$dir/$1
    shift
    [ -e "$run/DONE" ] || "$sotto" train -q "$@" data.pack="$pack" -o "$run" >/dev/null || return
    [ -e "$run.int8.h5" ] || "$sotto" quantize -q "$run" --calibrate "$pack" -o "$run.int8.h5" >/dev/null
}
accuracy() { "$sotto" eval -q "$1" "$pack" --split test --format json | jq -r '.accuracy * 100'; }
size() {
    "$sotto" estimate -q "$run.int8.h5" --target nucleo-l4r5zi --format json |
        jq -r '.targets[0] | "\(.flash_bytes) B | \(.ram_bytes) B | \(.latency_ms * 100 | round / 100) ms"'
}

echo '| features | train.fit | fitted in | float | int8 | flash | RAM | time |'
echo '|---|---|--:|--:|--:|--:|--:|--:|'
for preset in mfcc_49x10 logmel_40x101; do
    for kind in centroid lda logistic svm gmm forest boosting dtw; do
        case $kind in
        gmm | forest | boosting) set -- $kind ;;
        dtw) set -- dtw model.blocks=50 model.nearest=5 ;;
        *) set -- linear ;;
        esac
        fit ${preset}_$kind "$@" train.fit=$kind features.preset=$preset features.normalize=feature ||
            { echo "prototypes.sh: $kind on $preset was not fitted" >&2; continue; }
        printf '| %s | %s | %.0f s | %.2f %% | %.2f %% | %s |\n' $preset $kind \
            "$(jq -r .seconds "$run/DONE")" "$(accuracy "$run")" "$(accuracy "$run.int8.h5")" "$(size)"
    done
done

few() { # NAME ARCH [KEY=VALUE...]: float and int8 accuracy, in the mean of the seeds
    name=$1
    shift
    for seed in 1 2 3 4 5; do
        fit "${name}_$seed" "$@" train.seed=$seed
        echo "$(accuracy "$run") $(accuracy "$run.int8.h5")"
    done | awk '{ float += $1; int8 += $2 }
        END { if (NR != 5) exit 1; printf " %.2f / %.2f %% |", float / NR, int8 / NR }'
}

echo
echo '| clips of a class | dtw, nearest 1 | 3 | 5 | lda | flash | RAM | time |'
echo '|--:|--:|--:|--:|--:|--:|--:|--:|'
for n in 5 10 20 50; do
    printf '| %s |' $n
    for nearest in 1 3 5; do few few_${n}_$nearest dtw model.blocks=$n model.nearest=$nearest; done
    few few_${n}_lda linear train.fit=lda train.epochs=1 train.per_class=$n
    run=$dir/few_${n}_5_1
    echo " $(size) |"
done
