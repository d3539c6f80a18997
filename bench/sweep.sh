#!/bin/sh
# sweep.sh: 60 configurations under 32 KiB of flash and 10 KiB of RAM of an nRF52840, with ASHA and
# with every trial trained to the end: the same trials, since values are drawn by seed and number.
# Prints what each spent and found, the front of both, and the best of as many epochs without ASHA.
#   bench/sweep.sh sc.h5 FOLDER [section.key=value...]    sweeps that are there go on
# Environment: SOTTO (build/sotto), JOBS (2: trainings at once).
set -eu
here=$(dirname "$0")
sotto=${SOTTO:-$here/../build/sotto}
pack=$1 out=$2
shift 2
mkdir -p "$out"
cat >"$out/sweep.ini" <<'END'
[data]
unknown_share = 0.25
[features]
normalize = feature
[augment]
speed_lo = 88
speed_hi = 112
[train]
epochs = 36
optimizer = adamw
weight_decay = 0.01
warmup_epochs = 2
label_smoothing = 0.1
keep = last
[target]
board = arduino-nano-33-ble
[gates]
flash_kb <= 32
ram_kb <= 10
[sweep]
trials = 60
seed = 1
stopping = asha
reduction = 3
min_epochs = 4
maximize = val_accuracy
minimize = latency_ms
features = mfcc_49x10 mfcc_25x10 mfcc_20x49 mfcc_40x98
model.arch = ds_cnn sparknet crnn gru
model.width = int 8 56
train.lr = log 1e-3 2e-2
END
for stopping in asha none; do
    [ -d "$out/$stopping" ] || "$sotto" sweep new "$out/sweep.ini" data.pack="$pack" \
        sweep.stopping=$stopping "$@" -o "$out/$stopping" >&2
    "$sotto" sweep run "$out/$stopping" -j "${JOBS:-2}" >&2
    "$sotto" sweep ls "$out/$stopping" --format json >"$out/$stopping.json"
done

printf 'stopping\ttrained\trejected\tto_the_end\tepochs\tbest\tval_accuracy\n'
for stopping in asha none; do
    jq -r --arg s $stopping --argjson whole "$(jq .epochs_unstopped "$out/asha.json")" \
        '[$s, .told + .paused, .rejected, .told, .epochs // $whole, .best, .val_accuracy] | @tsv' \
        "$out/$stopping.json"
done
echo
printf 'stopping\ttrial\tval_accuracy\tlatency_ms\tvalues\n'
for stopping in asha none; do
    jq -r --arg s $stopping '[.trials[] | select(.front)] | sort_by(.latency_ms)[] |
        [$s, .trial, .val_accuracy, .latency_ms, .values] | @tsv' "$out/$stopping.json"
done
echo
# The best of k of n trials, mean over all choices of k.
jq -rn --slurpfile asha "$out/asha.json" --slurpfile none "$out/none.json" '
    $none[0].trials | map(select(.state == "told").val_accuracy) | sort | length as $n |
    ($asha[0].epochs * $n / $asha[0].epochs_unstopped | ceil) as $k | . as $v |
    (reduce range($n - 1; -1; -1) as $i ([0, 1]; # sum, chance that none of the better is among the k
        (if $i + 1 < $k then 0 else $k / ($i + 1) end) as $p |
        [.[0] + .[1] * ([$p, 1] | min) * $v[$i], .[1] * (1 - ([$p, 1] | min))]) | .[0]) as $mean |
    "trained to the end with as many epochs\t\($k)\nits best, mean\t\($mean)"'
jq -rn --slurpfile asha "$out/asha.json" --slurpfile none "$out/none.json" '
    [$asha[0].trials[] | select(.state == "told")] as $a |
    "to the end in both, with another result\t\([$a[] | . as $t | $none[0].trials[.trial - 1] |
        select(.val_accuracy != $t.val_accuracy)] | length) of \($a | length)"'
