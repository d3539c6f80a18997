#!/bin/sh
# A product retrained on 500 added clips: 4,000 clips of Speech Commands and a model of them, 500 clips
# of other speakers and another model, and once more with nothing new. The table of README's
# "Retraining". usage: bench/retrain.sh SPEECH_COMMANDS SPEECH_COMMANDS_TEST DIR
set -eu
[ $# -eq 3 ] || { echo "usage: bench/retrain.sh SPEECH_COMMANDS SPEECH_COMMANDS_TEST DIR" >&2; exit 2; }
sotto=${SOTTO:-$(cd "$(dirname "$0")/.." && pwd)/build/sotto}
from=$(cd "$1" && pwd)
test=$(cd "$2" && pwd)
mkdir "$3"
cd "$3"

link() { # LIST: its clips become links in words/
    while read -r clip; do
        mkdir -p "words/${clip%/*}"
        ln -s "$from/$clip" "words/$clip"
    done <"$1"
}

# By speaker, so that the 500 are of others than the 4,000.
(cd "$from" && find . -name '*_nohash_*' | sed 's|^\./||' | LC_ALL=C sort -t/ -k2) >all.txt
head -n 4000 all.txt >first.txt
awk -F '[/_]' 'NR == FNR { had[$2] = 1; next } !($2 in had)' first.txt all.txt | head -n 500 >more.txt
link first.txt
ln -s "$from/_background_noise_" words/_background_noise_
for word in yes no up down left right go stop _unknown_ _silence_; do
    mkdir -p "words_test/$word"
    ls "$test/$word" | LC_ALL=C sort | head -n 100 | while read -r clip; do
        ln -s "$test/$word/$clip" "words_test/$word/$clip"
    done
done

"$sotto" init -q --model tc_resnet8 --task "eight commands to a lamp" --accuracy 0.85 \
    --flash-kb 128 --ram-kb 24 --latency-ms 50 --fa-per-hour none pipeline.words=words \
    pipeline.test=words_test pipeline.every_days=90 pipeline.new_clips=500 train.epochs=20 \
    train.warmup_epochs=2 augment.time_masks=0 augment.freq_masks=0 >kws.txt
"$sotto" pipeline kws.ini --format table
link more.txt
"$sotto" pipeline kws.ini --format table
"$sotto" pipeline kws.ini --format table
