# .tflite files from the shell: what is exported and imported evaluates as before, estimates and
# becomes C; what a file does not say is given; what is wrong is named. Words are tones
# (tests/tones.pl), so that a run takes seconds.

bats_require_minimum_version 1.5.0

load out

setup_file() {
    cd "$BATS_FILE_TMPDIR"
    : "${SOTTO:?run through tests/run.sh, or set SOTTO to the program}"
    "$BATS_TEST_DIRNAME/../tones.pl" tones
    "$SOTTO" data import -q tones -o tones.h5
    "$SOTTO" train -q ds_cnn data.pack=tones.h5 data.keywords=low,high model.width=8 \
        train.epochs=5 train.batch=20 train.warmup_epochs=0 -o run
    "$SOTTO" quantize -q run --calibrate tones.h5 -o a.int8.h5 >/dev/null
    "$SOTTO" export -q a.int8.h5 -o a.tflite >/dev/null
    "$SOTTO" export -q run -o f.tflite >/dev/null
}

@test "an int8 model comes back with its hash, its labels and its features" {
    "$SOTTO" import a.tflite -o "$out/b.h5" --format json >"$out/b.json"
    "$SOTTO" export a.int8.h5 -o "$out/a.h" --format json >"$out/a.json"
    [ "$(jq -r .model_hash "$out/a.json")" = "$(jq -r .model_hash "$out/b.json")" ]
    [ "$(jq -r .kind "$out/b.json")" = int8 ]
    for model in a.int8.h5 "$out/b.h5"; do
        "$SOTTO" eval "$model" tones.h5 --format json | jq 'del(.model)'
    done | jq -e -s '.[0] == .[1] and .[0].n > 9'
}

@test "a float model comes back and evaluates as before" {
    "$SOTTO" import f.tflite -o "$out/f.h5" --format json >"$out/f.json"
    [ "$(jq -r .kind "$out/f.json")" = float ]
    for model in run "$out/f.h5"; do
        "$SOTTO" eval "$model" tones.h5 --format json | jq 'del(.model)'
    done | jq -e -s '.[0] == .[1]'
    "$SOTTO" quantize -q "$out/f.h5" --calibrate tones.h5 -o "$out/f.int8.h5" >/dev/null
}

@test "the same bytes again" {
    for kind in a f; do
        "$SOTTO" import -q $kind.tflite -o "$out/$kind.h5" >/dev/null
        "$SOTTO" export -q "$out/$kind.h5" --format tflite -o "$out/$kind.again" >/dev/null
        cmp $kind.tflite "$out/$kind.again"
    done
}

@test "what is imported is estimated, and becomes C that passes its self-test" {
    "$SOTTO" import -q a.tflite -o "$out/b.h5" >/dev/null
    "$SOTTO" estimate "$out/b.h5" --target nucleo-l4r5zi --format json >"$out/b.json"
    "$SOTTO" estimate a.int8.h5 --target nucleo-l4r5zi --format json >"$out/a.json"
    grep -q nucleo-l4r5zi "$out/b.json"
    cmp <(jq 'del(.model)' "$out/a.json") <(jq 'del(.model)' "$out/b.json")
    "$SOTTO" export -q "$out/b.h5" -o "$out/kws_model.h" >/dev/null
    printf '#include "kws_model.h"\nstatic kws_t s;\nint main(void)\n{\n    return kws_selftest(&s);\n}\n' >"$out/main.c"
    cc -std=c99 -Wall -Wextra -Werror "$out/main.c" -o "$out/main"
    "$out/main"
}

@test "features and labels that are given are the model's" {
    "$SOTTO" import -q a.tflite --features mfcc_49x10,level=none --labels a,b,c,d -o "$out/b.h5" \
        >/dev/null
    [[ "$(h5dump -d /features "$out/b.h5")" == *"level = none"* ]]
    [[ "$(h5dump -d /labels "$out/b.h5")" == *'"a", "b", "c", "d"'* ]]
    rm "$out/b.h5"
    refused 2 "3 labels for 4 outputs" import a.tflite --labels a,b,c -o "$out/b.h5"
    refused 2 "mfcc_49x11" import a.tflite --features mfcc_49x11 -o "$out/b.h5"
    refused 2 "hop" import a.tflite --features mfcc_49x10,hop=20 -o "$out/b.h5"
}

@test "what is no .tflite file, and one that is cut, are refused by name" {
    refused 3 "run/model.h5': this is no TensorFlow Lite model" import run/model.h5 -o "$out/b.h5"
    refused 3 "nowhere.tflite" import nowhere.tflite -o "$out/b.h5"
    for part in 0 1 30 60 99; do
        head -c $(($(stat -c %s a.tflite) * part / 100)) a.tflite >"$BATS_TEST_TMPDIR/cut.tflite"
        refused 3 "cut.tflite" import "$BATS_TEST_TMPDIR/cut.tflite" -o "$out/b.h5"
    done
}

@test "a model that TensorFlow Lite has no form of is refused by its node" {
    "$SOTTO" train -q gru data.pack=tones.h5 data.keywords=low,high model.width=4 train.epochs=1 \
        train.warmup_epochs=0 -o "$BATS_TEST_TMPDIR/gru" >/dev/null
    refused 2 "gru 'gru'" export "$BATS_TEST_TMPDIR/gru" -o "$out/b.tflite"
    refused 2 "header, tflite, onnx" export a.int8.h5 --format torch -o "$out/b.pt"
}
