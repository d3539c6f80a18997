#!/bin/sh
# A product retrained on 500 added clips: 4,000 clips of Speech Commands and a model of them, 500 clips
# of other speakers and another model, and once more with nothing new. The table of README's
# "Retraining". usage: bench/retrain.sh SPEECH_COMMANDS SPEECH_COMMANDS_TEST DIR
set -eu
[ $# -eq 3 ] || { echo "usage: bench/retrain.sh SPEECH_COMMANDS SPEECH_COMMANDS_TEST DIR" >&2; exit 2; }
. "$(dirname "$0")/clips.sh"
take_clips "$1" "$2" "$3" 4000 500

"$sotto" init -q --model tc_resnet8 --task "eight commands to a lamp" --accuracy 0.85 \
    --flash-kb 128 --ram-kb 24 --latency-ms 50 --fa-per-hour none pipeline.words=words \
    pipeline.test=words_test pipeline.every_days=90 pipeline.new_clips=500 train.epochs=20 \
    train.warmup_epochs=2 augment.time_masks=0 augment.freq_masks=0 >kws.txt
"$sotto" pipeline kws.ini --format table
add_clips more.txt
"$sotto" pipeline kws.ini --format table
"$sotto" pipeline kws.ini --format table
