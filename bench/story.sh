#!/bin/sh
# One keyword product twice round the loop on the real clips, every command with what it says: a first
# model that its gates refuse, exploration and a sweep that mend it, promotion, new clips, retraining.
# README's "Twice round the loop". usage: bench/story.sh SPEECH_COMMANDS SPEECH_COMMANDS_TEST DIR
set -eu
[ $# -eq 3 ] || { echo "usage: bench/story.sh SPEECH_COMMANDS SPEECH_COMMANDS_TEST DIR" >&2; exit 2; }
. "$(dirname "$0")/clips.sh"
take_clips "$1" "$2" "$3" 5000 1000

say() { # the command as one would type it, then what it prints; its exit code where it is not 0
    line='$'
    for word; do
        case $word in *[\ \;\<]*) line="$line \"$word\"" ;; *) line="$line $word" ;; esac
    done
    echo "$line"
    shift
    "$sotto" "$@" --format table 2>>errors.txt || echo "(exit code $?)"
    echo
}

# Round 1: the problem, a first model.
say sotto init -q --task "eight commands to a lamp, at 1 to 3 m" --business "support calls avoided" \
    --board arduino-nano-33-ble --accuracy 0.9 --flash-kb 40 --ram-kb 12 --latency-ms 60 \
    --fa-per-hour none pipeline.words=words pipeline.test=words_test train.epochs=24
say sotto pipeline kws.ini
run=$(ls -d product/runs/*/)
run=${run%/}
say sotto problem check "$run" kws.ini --pack product/test.h5 --int8 product/model.int8.h5

# What the data are like, what the features are worth, what else there is.
say sotto data lint product/words.h5 --run "$run" -o suspects.txt
say sotto data explore product/words.h5 --run "$run" -o data.html
say sotto features explore mfcc_49x10 mfcc_25x10 mfcc_20x49 mfcc_40x98 logmel_40x101 \
    data.pack=product/words.h5 --target arduino-nano-33-ble -o features.html
cp kws.ini sweep.ini
cat >>sweep.ini <<'END'
[sweep]
trials = 16
stopping = asha
min_epochs = 4
maximize = val_accuracy
minimize = latency_ms
features = mfcc_49x10 mfcc_25x10 mfcc_20x49
model.arch = ds_cnn sparknet
model.width = 16 20 24 28 32 36 40 44
train.lr = log 3e-3 3e-2
END
say sotto sweep new sweep.ini data.pack=product/words.h5 -o sweep
say sotto sweep run sweep -j 2
say sotto sweep ls sweep

# The best of it, trained for longer, is the product's next model.
best=$("$sotto" sweep ls sweep --format json | jq -r '.best as $b | .trials[] | select(.trial == $b).values')
echo "\$ sotto train kws.ini $best train.epochs=48 --print-config >next.ini"
echo
# shellcheck disable=SC2086 # one argument a key
"$sotto" train kws.ini $best train.epochs=48 --print-config >next.ini
say sotto pipeline next.ini

# Round 2: words of other speakers have come.
add_clips more.txt
say sotto pipeline next.ini
say sotto registry ls --registry product/registry
new=$("$sotto" registry show v2 --registry product/registry --format json | jq -r .from)
old=$("$sotto" registry show v1 --registry product/registry --format json | jq -r .from)
say sotto report "$new" "$old" "$run" --pack product/test.h5 --int8 product/model.int8.h5 -o report.html
say sotto runs compare "$run" "$old" "$new" --pack product/test.h5
