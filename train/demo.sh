#!/bin/sh
# make demo: the main job on the best data there is, from words to a C header that has passed its
# self-test on this machine. Everything is written below demo/ (OUT), data that had to be fetched or
# spoken below datasets/.
#
#   DATA=DIR                a folder of words, laid out as Speech Commands
#   SOTTO_SPEECH_COMMANDS   the same, from the environment
#   ../shared/speech_commands, datasets/*, the mini set from the net, synthesized words
# Clips of a folder DIR_test beside DIR (or DIR/test beside DIR/train) are the test split. EPOCHS overrides the time budget.
set -eu
cd "$(dirname "$0")/.."
sotto=build/sotto
out=${OUT:-demo}
keywords=yes,no,up,down,left,right,go,stop
budget=${BUDGET:-450000} # training clips that fit the time: two cores take 2000 to 5000 a second
mkdir -p "$out"

say() { printf '\n== %s\n' "$*"; }

is_corpus() { # a folder with at least one of the keywords in it
    [ -d "$1" ] || return 1
    for word in $(echo $keywords | tr , ' '); do
        [ ! -d "$1/$word" ] || return 0
    done
    return 1
}

choose_data() { # sets data, origin
    if [ -n "${DATA:-}" ]; then
        data=$DATA origin="DATA=$DATA"
        return
    fi
    if [ -n "${SOTTO_SPEECH_COMMANDS:-}" ]; then
        data=$SOTTO_SPEECH_COMMANDS origin="SOTTO_SPEECH_COMMANDS=$data"
        return
    fi
    for d in ../shared/speech_commands datasets/* datasets/*/train; do
        case $d in *_test) continue ;; esac
        if is_corpus "$d"; then
            data=$d origin="found in $d"
            return
        fi
    done
    data=datasets/mini_speech_commands origin='the mini Speech Commands set, downloaded'
    if "$sotto" data get mini_speech_commands -o $data; then return; fi
    data=datasets/synthetic_words origin='synthesized words: no recordings here, no download'
    "$sotto" data synth --words $keywords -o $data
}

value() { # file, name: one value of a TSV result
    awk -F '\t' -v name="$2" '$1 == name { print $2; exit }' "$1"
}

percent() { awk -v x="$1" 'BEGIN { printf "%.2f %%", 100 * x }'; }

started=$(date +%s)
say "data"
choose_data
echo "$origin"
test_set=
for d in "${data}_test" "${data%/train}/test"; do
    if [ "$d" != "$data/test" ] && [ -d "$d" ]; then test_set=$d; fi
done
"$sotto" data import "$data" ${test_set:+--test "$test_set"} -o "$out/data.h5" \
    --format tsv >"$out/import.tsv"
clips=$(value "$out/import.tsv" train)
echo "$clips training clips"

epochs=${EPOCHS:-$(awk -v n="$clips" -v b="$budget" \
    'BEGIN { e = int(b / (n > 0 ? n : 1)); if (e < 5) e = 5; if (e > 60) e = 60; print e }')}
say "train DS-CNN for $epochs epochs"
rm -rf "$out/run"
"$sotto" train train/recipes/ds_cnn.ini "data.pack=$out/data.h5" "data.keywords=$keywords" \
    "train.epochs=$epochs" -o "$out/run" --format tsv >"$out/train.tsv"

say "quantize to int8"
"$sotto" eval "$out/run" "$out/data.h5" --split test --format tsv >"$out/float.tsv"
"$sotto" quantize "$out/run" --calibrate "$out/data.h5" -o "$out/model.int8.h5" \
    --format tsv >"$out/quantize.tsv"
"$sotto" eval "$out/model.int8.h5" "$out/data.h5" --split test --format tsv >"$out/int8.tsv"

say "export to C, compile, run the self-test"
"$sotto" export "$out/model.int8.h5" -o "$out/kws_model.h" --format tsv >"$out/export.tsv"
cat >"$out/self_test.c" <<'END'
#include "kws_model.h"
static kws_t kws;
int main(void) { return kws_selftest(&kws) == 0 ? 0 : 6; }
END
${CC:-cc} -std=c99 -Wall -Wextra -Wpedantic -Werror -O2 "$out/self_test.c" -o "$out/self_test"
"$out/self_test"
echo "passed"

cat <<END

==================================================================================================
data      $data
          $origin; $clips training clips${test_set:+, tested on $test_set}
accuracy  float $(percent "$(value "$out/float.tsv" accuracy)"), int8 $(percent "$(value "$out/int8.tsv" accuracy)") of $(value "$out/int8.tsv" n) test clips
model     $out/kws_model.h: one C99 header; its self-test passed with ${CC:-cc}
run       $out/run: settings, metrics, checkpoints; int8 model in $out/model.int8.h5
time      $(($(date +%s) - started)) s, $epochs epochs

END
boards=nucleo-l4r5zi,arduino-nano-33-ble,nucleo-u575zi-q,nrf5340-dk,stm32f746g-disco,nucleo-h743zi
boards=$boards,nucleo-g0b1re,rp2040-pico,rp2350-pico2,bluepill,apollo510-evb,esp32-devkit
boards=$boards,esp32-s3-devkitc,esp32-c3-devkitm
"$sotto" estimate "$out/model.int8.h5" --target "$boards" --format table
echo "$sotto estimate --list names $("$sotto" estimate --list | awk 'NR > 1' | wc -l) boards"
