# From a trained run to int8 and C: quantize, eval, export, and what each refuses. Words are tones
# (tests/tones.pl), so that a run takes seconds.

bats_require_minimum_version 1.5.0

load out

setup_file() {
    cd "$BATS_FILE_TMPDIR"
    : "${SOTTO:?run through tests/run.sh, or set SOTTO to the program}"
    "$BATS_TEST_DIRNAME/../tones.pl" tones
    "$SOTTO" data import -q tones -o tones.h5
    "$SOTTO" train -q ds_cnn data.pack=tones.h5 data.keywords=low,high model.width=8 \
        train.epochs=20 train.batch=20 train.warmup_epochs=0 -o run
    "$SOTTO" quantize -q run --calibrate tones.h5 -o run.int8.h5 --format json >quantize.json
    "$SOTTO" export -q run.int8.h5 -o kws_model.h --format json >export.json
}

@test "float and int8 side by side, on validation and test, with intervals" {
    [ "$(jq -c '[.results[] | [.split, .kind]]' quantize.json)" = \
        '[["validation","float"],["validation","int8"],["test","float"],["test","int8"]]' ]
    jq -e 'all(.results[]; .n > 9 and .accuracy_lo <= .accuracy and .accuracy <= .accuracy_hi
        and .accuracy_lo < .accuracy_hi)' quantize.json
    # tones are easy: int8 keeps what float knows
    jq -e '(.results[] | select(.split == "test") | .accuracy) > 0.8' quantize.json
    jq -e '.weight_bytes < .float_bytes / 3 and .layers == 11' quantize.json
}

@test "eval agrees with quantize, for both kinds of models" {
    for kind in float int8; do
        model=run
        [ $kind = float ] || model=run.int8.h5
        "$SOTTO" eval $model tones.h5 --split test --format json >"$out/$kind.json"
        [ "$(jq -r .kind "$out/$kind.json")" = $kind ]
        jq -e --slurpfile q quantize.json --arg kind $kind '.accuracy ==
            ($q[0].results[] | select(.split == "test" and .kind == $kind) | .accuracy)' \
            "$out/$kind.json"
    done
}

@test "eval: the counts of the confusion matrix are those of the classes and the accuracy" {
    "$SOTTO" eval run.int8.h5 tones.h5 --format json >"$out/eval.json"
    [ "$(jq -c .labels "$out/eval.json")" = '["low","high","_unknown_","_silence_"]' ]
    jq -e '.labels as $l | [.confusion[] | .[$l[]]] | add' "$out/eval.json" >"$out/sum"
    [ "$(cat "$out/sum")" = "$(jq .n "$out/eval.json")" ]
    jq -e '([.confusion[] | .[.truth]] | add) / .n == .accuracy' "$out/eval.json"
    jq -e '. as $e | all(.per_class[]; . as $c |
        $c.n == ([$e.confusion[] | select(.truth == $c.label) | .[$e.labels[]]] | add))' \
        "$out/eval.json"
}

@test "eval: an int8 model also from samples on, in integers; training on them" {
    "$SOTTO" eval run.int8.h5 tones.h5 --format json >"$out/eval.json"
    jq -e '.accuracy_fixed == .correct_fixed / .n and (.accuracy_fixed - .accuracy | fabs) < 0.1' "$out/eval.json"
    "$SOTTO" eval run tones.h5 --format json >"$out/float.json"
    jq -e 'has("accuracy_fixed") | not' "$out/float.json"
    "$SOTTO" train -q ds_cnn data.pack=tones.h5 data.keywords=low,high model.width=8 train.epochs=1 \
        train.batch=20 train.warmup_epochs=0 features.frontend=fixed -o "$out/fixed"
    grep -q '^frontend = fixed$' "$out/fixed/config.ini"
    rm -r "$out"/*
    refused 2 "fft = 490" train -q ds_cnn data.pack=tones.h5 data.keywords=low,high train.epochs=1 \
        train.warmup_epochs=0 features.frontend=fixed features.fft=490 -o "$out/fixed"
}

@test "eval: a gate that is not met exits 4 and still shows the result" {
    # the same clips under each other's names: everything but silence and unknown is wrong
    cp -r tones "$out/swapped"
    mv "$out/swapped/low" "$out/swapped/was"
    mv "$out/swapped/high" "$out/swapped/low"
    mv "$out/swapped/was" "$out/swapped/high"
    "$SOTTO" data import -q "$out/swapped" -o "$BATS_TEST_TMPDIR/swapped.h5" >&2
    rm -r "$out/swapped"
    run --separate-stderr "$SOTTO" eval run.int8.h5 "$BATS_TEST_TMPDIR/swapped.h5" \
        --min-accuracy 0.9 --format json
    [ "$status" -eq 4 ]
    [[ "$stderr" == *"below the required 0.9"* ]]
    jq -e '.accuracy < 0.9 and .n > 9' <<<"$output"
    run "$SOTTO" eval run.int8.h5 tones.h5 --min-accuracy 0.3
    [ "$status" -eq 0 ]
    refused 2 "--min-accuracy" eval run.int8.h5 tones.h5 --min-accuracy 93
}

@test "the same clips and seed give the same model, another seed other ranges" {
    "$SOTTO" quantize -q run --calibrate tones.h5 --threads 1 -o "$out/one.h5"
    "$SOTTO" quantize -q run --calibrate tones.h5 --threads 3 -o "$out/three.h5"
    "$SOTTO" quantize -q run --calibrate tones.h5 --clips 20 --seed 9 -o "$out/other.h5"
    h5diff "$out/one.h5" "$out/three.h5"
    h5diff "$out/one.h5" run.int8.h5
    ! h5diff -q "$out/one.h5" "$out/other.h5" /q8
    [[ "$(h5dump -d /provenance "$out/other.h5")" == *"calibration.clips = 20"* ]]
    for threads in 1 3; do
        "$SOTTO" quantize -q run --calibrate tones.h5 --range kl --threads $threads -o "$out/all$threads.h5"
    done
    h5diff "$out/all1.h5" "$out/all3.h5"
}

@test "a model remembers how it was quantized, and of which clips" {
    told() { h5dump -d /provenance "$1" | grep -o "calibration.$2 = .*"; }
    "$SOTTO" quantize -q run -c tones.h5 --clips 20 --range percentile --percentile 99.5 \
        --no-equalize -o "$out/a.h5"
    "$SOTTO" quantize -q run -c tones.h5 --clips 20 --seed 4 -o "$out/b.h5"
    told "$out/a.h5" split | grep train
    told "$out/a.h5" range | grep percentile
    told "$out/a.h5" percentile | grep 99.5
    told "$out/a.h5" bias_correction | grep yes
    told "$out/a.h5" equalize | grep no
    told "$out/a.h5" sha256 | grep -E '[0-9a-f]{64}'
    [ "$(told "$out/a.h5" sha256)" != "$(told "$out/b.h5" sha256)" ]
    ! told "$out/b.h5" percentile
}

@test "each way of quantizing gives other integers and still a good model" {
    for way in "--range minmax" "--range percentile --percentile 99" "--range kl" "--no-equalize" \
        "--no-bias-correction"; do
        "$SOTTO" quantize -q run -c tones.h5 $way --format json -o "$out/way.h5" >"$out/way.json"
        [ "$(jq -r .model_hash "$out/way.json")" != "$(jq -r .model_hash quantize.json)" ]
        jq -e '(.results[] | select(.split == "test" and .kind == "int8") | .accuracy) > 0.8' \
            "$out/way.json"
        "$SOTTO" eval -q "$out/way.h5" tones.h5 --format json >"$out/eval.json"
        jq -e --slurpfile q "$out/way.json" '.accuracy ==
            ($q[0].results[] | select(.split == "test" and .kind == "int8") | .accuracy)' \
            "$out/eval.json"
    done
}

@test "--range auto keeps what is best on validation" {
    "$SOTTO" quantize -q run -c tones.h5 --range auto -o "$out/auto.h5" --format json >"$out/j"
    jq -e '(.searched | length) == 16 and .range != "auto"' "$out/j"
    jq -e '. as $r | ([.searched[].accuracy] | max) as $most |
        ($r.results[] | select(.split == "validation" and .kind == "int8") | .accuracy) == $most and
        ([.searched[] | select(.accuracy == $most)][0] | .range == $r.range and
         .equalize == $r.equalize and .bias_correction == $r.bias_correction)' "$out/j"
    h5dump -d /provenance "$out/auto.h5" | grep "calibration.range = $(jq -r .range "$out/j")"
}

@test "--explain: a row for the input and each layer, the worst first" {
    "$SOTTO" quantize -q run -c tones.h5 --explain --format json >"$out/j"
    jq -e '.layers == 11 and (.explanation | length) == 12 and .explained_split == "validation"' \
        "$out/j"
    jq -e '[.explanation[].error] | . == (sort | reverse)' "$out/j"
    jq -e '([.explanation[].share] | add) as $s | $s > 0.999 and $s < 1.001' "$out/j"
    jq -e '(.layer_errors / .output_error) as $r | $r > 0.3 and $r < 3' "$out/j"
    jq -e 'all(.explanation[]; .from < .to and .scale > 0 and .saturated < 0.1 and .sqnr > 5 and
        (.share < 0.1) == (.advice == null))' "$out/j"
    jq -e '[.explanation[] | .layer + " " + .op] |
        contains(["x input", "conv1 conv2d", "pool globalpool", "y dense"])' "$out/j"
    "$SOTTO" quantize -q run -c tones.h5 --explain >"$out/tsv"
    grep -qP '^layer\top\tweight_bits\tfrom\tto\tscale\tsaturated\tsqnr\town_sqnr\terror\tshare\tadvice$' \
        "$out/tsv"
    grep -qP '^conv1\tconv2d\t8\t' "$out/tsv"
    "$SOTTO" quantize -q run -c tones.h5 --explain --format table | grep 'SQNR dB'
}

@test "--explain: an int8 model is explained like the run it was made from" {
    "$SOTTO" quantize -q run -c tones.h5 --range percentile --explain --format json \
        -o "$out/q.h5" >"$out/a"
    "$SOTTO" quantize -q "$out/q.h5" -c tones.h5 --explain --threads 1 --format json >"$out/b"
    [ "$(jq .explanation "$out/a")" = "$(jq .explanation "$out/b")" ]
    [ "$(jq -r .model_hash "$out/a")" = "$(jq -r .model_hash "$out/b")" ]
    rm "$out"/*
    refused 2 "an int8 model already" quantize run.int8.h5 -c tones.h5 --explain -o "$out/x.h5"
}

@test "--activations: 16 bits for all layers, or for some" {
    "$SOTTO" quantize -q run -c tones.h5 --activations 16 -o "$out/a.h5" --format json >"$out/j"
    jq -e --slurpfile q quantize.json '.layers == 13 and .work_bytes > $q[0].work_bytes and
        .weight_bytes == $q[0].weight_bytes and .model_hash != $q[0].model_hash' "$out/j"
    jq -e '(.results[] | select(.split == "test" and .kind == "int8") | .accuracy) > 0.8' "$out/j"
    h5dump -d /provenance "$out/a.h5" | grep 'calibration.activations = 16'
    "$SOTTO" eval -q "$out/a.h5" tones.h5 --format json >"$out/eval.json"
    jq -e --slurpfile q "$out/j" '.accuracy ==
        ($q[0].results[] | select(.split == "test" and .kind == "int8") | .accuracy)' \
        "$out/eval.json"
    "$SOTTO" export -q "$out/a.h5" --net -o "$out/model.h" --format json >"$out/export"
    grep "WORK_SIZE $(jq .work_bytes "$out/export")$" "$out/model.h"
    [ "$(jq .work_bytes "$out/export")" = "$(jq .work_bytes "$out/j")" ]
    printf '#include "model.h"\nint main(void)\n{\n    return kws_selftest();\n}\n' >"$out/main.c"
    cc -std=c99 -Wall -Wextra -Wpedantic -Werror -fsanitize=address,undefined \
        -fno-sanitize-recover=all "$out/main.c" -o "$out/main"
    "$out/main"
    "$SOTTO" estimate "$out/a.h5" -t nucleo-l4r5zi --format json |
        jq -e --slurpfile q "$out/j" '.work_bytes == $q[0].work_bytes'
    run "$SOTTO" export "$out/a.h5" -o "$out/a.tflite"
    [ "$status" -eq 2 ]
    [[ "$output" == *"conv2d 'conv1': 16-bit"*"hint: quantize without --activations"* ]]
    "$SOTTO" quantize -q "$out/a.h5" -c tones.h5 --explain --format json |
        jq -e '[.explanation[].layer] | contains(["conv1", "y:narrow"]) and length == 13'
    "$SOTTO" quantize -q run -c tones.h5 --activations pool=16 --explain --format json |
        jq -e '.layers == 13 and (.explanation[] | select(.layer == "pool:narrow") | .op) == "narrow"'
    rm -r "$out"/*
    refused 2 "there is no layer 'pol'" quantize run -c tones.h5 --activations pol=16 -o "$out/x.h5"
    [[ "$stderr" == *"did you mean 'pool'?"* ]]
    refused 2 "12 bits of 'y'" quantize run -c tones.h5 --activations y=12 -o "$out/x.h5"
}

@test "--plot draws a picture, or says what is missing" {
    refused 2 "neither a .png nor a .svg" quantize run -c tones.h5 --plot "$out/a.jpg"
    mkdir "$BATS_TEST_TMPDIR/empty"
    PATH="$BATS_TEST_TMPDIR/empty" run "$SOTTO" quantize run -c tones.h5 --plot "$out/a.png"
    [ "$status" -eq 1 ]
    [[ "$output" == *"gnuplot is not installed"*"hint: apt-get install gnuplot-nox"* ]]
    [ ! -e "$out/a.png" ]
    command -v gnuplot || skip "gnuplot is not installed"
    "$SOTTO" quantize -q run -c tones.h5 --plot "$out/a.png" >"$out/rows"
    "$SOTTO" quantize -q run.int8.h5 -c tones.h5 --plot "$out/a.svg" >"$out/rows"
    grep -q own_sqnr "$out/rows"
    [ "$(head -c 4 "$out/a.png" | tail -c 3)" = PNG ]
    grep -q '<svg' "$out/a.svg"
    for name in conv1 dw2 pool; do grep -q ">$name<" "$out/a.svg"; done
    "$SOTTO" quantize -q run -c tones.h5 --activations conv1=8,16 --plot "$out/b.svg" >"$out/rows"
    for name in conv1 dw2 y:narrow; do grep -q ">$name<" "$out/b.svg"; done
    run "$SOTTO" quantize -q run.int8.h5 -c tones.h5 --plot "$out/no/such/a.png"
    [ "$status" -eq 1 ]
}

@test "--weights: half the bytes for layers of 4 bits, from the file to C" {
    "$SOTTO" quantize -q run -c tones.h5 --weights 4 --explain --format json -o "$out/a.h5" >"$out/a"
    "$SOTTO" quantize -q run -c tones.h5 --weights 'conv1=8,pw?=4' --format json -o "$out/b.h5" >"$out/b"
    jq -e --slurpfile q quantize.json '.weight_bytes * 2 == $q[0].weight_bytes and
        .table_bytes == $q[0].table_bytes' "$out/a"
    jq -e --slurpfile a "$out/a" --slurpfile q quantize.json '.weight_bytes > $a[0].weight_bytes and
        .weight_bytes < $q[0].weight_bytes' "$out/b"
    jq -e '(.results[] | select(.split == "test" and .kind == "int8") | .accuracy) > 0.7' "$out/a"
    jq -e '[.explanation[] | select(.op == "conv2d" or .op == "dwconv2d" or .op == "dense")] |
        all(.weight_bits == 4)' "$out/a"
    h5dump -a /q8/conv1/kernel "$out/a.h5" | grep sotto_conv2d_w4
    h5dump -a /q8/conv1/kernel "$out/b.h5" | grep '"sotto_conv2d"'
    h5dump -a /q8/pw2/kernel "$out/b.h5" | grep sotto_conv2d_w4
    h5dump -d /provenance "$out/b.h5" | grep 'calibration.weights = conv1=8,pw?=4'
    "$SOTTO" estimate "$out/a.h5" --target nucleo-l4r5zi --format json >"$out/e"
    jq -e --slurpfile a "$out/a" '.weight_bytes == $a[0].weight_bytes and
        .work_bytes == $a[0].work_bytes' "$out/e"
    "$SOTTO" export -q "$out/a.h5" -o "$out/model.h"
    printf '#include "model.h"\nstatic kws_t s;\nint main(void)\n{\n    return kws_selftest(&s);\n}\n' >"$out/main.c"
    cc -std=c99 -Wall -Wextra -Wpedantic -Werror -fsanitize=address,undefined \
        -fno-sanitize-recover=all "$out/main.c" -o "$out/main"
    "$out/main"
    "$SOTTO" eval -q "$out/a.h5" tones.h5 --format json >"$out/eval"
    "$SOTTO" export -q "$out/a.h5" -o "$out/a.tflite"
    "$SOTTO" import -q "$out/a.tflite" -o "$out/back.h5"
    "$SOTTO" eval -q "$out/back.h5" tones.h5 --format json >"$out/eval8"
    [ "$(jq -c .confusion "$out/eval")" = "$(jq -c .confusion "$out/eval8")" ]
}

@test "--weights: what is refused" {
    refused 2 "no node 'conf1'" quantize run -c tones.h5 --weights conf1=4 -o "$out/x.h5"
    [[ "$stderr" == *"did you mean 'conv1'?"* ]]
    refused 2 "globalpool 'pool': it has no weights" quantize run -c tones.h5 --weights pool=4 \
        -o "$out/x.h5"
    refused 2 "'y=5' is neither" quantize run -c tones.h5 --weights y=5 -o "$out/x.h5"
    refused 2 "decides nothing" quantize run -c tones.h5 --weights 4,y=8 -o "$out/x.h5"
}

@test "h5dump shows kernels by name, integers and quantization" {
    dump=$(h5dump run.int8.h5)
    [[ "$dump" == *'"sotto_dwconv2d"'* ]]
    [[ "$dump" == *'"tflm"'* ]]
    h5dump -d /q8/scale run.int8.h5 | grep -q H5T_IEEE_F64LE
    h5dump -d /q8/y/weight run.int8.h5 | grep -q H5T_STD_I8LE
}

sanitizers() { # CC: the flags for them, where it has them (clang's are a package of their own)
    local flags="-fsanitize=address,undefined -fno-sanitize-recover=all"
    ! echo 'int main(void) { return 0; }' | $1 $flags -x c - -o "$out/probe" 2>/dev/null || echo "$flags"
}

@test "the header compiles without a warning and passes its self-test" {
    printf '#include "kws_model.h"\nstatic kws_t s;\nint main(void)\n{\n    return kws_selftest(&s);\n}\n' >main.c
    for cc in gcc clang; do
        command -v $cc >/dev/null || continue
        $cc -std=c99 -Wall -Wextra -Wpedantic -Werror main.c -o "$out/main"
        "$out/main"
        $cc $(sanitizers $cc) -std=c99 main.c -o "$out/main"
        "$out/main"
    done
    grep -q "#define KWS_MODEL_HASH \"$(jq -r .model_hash quantize.json)\"" kws_model.h
    grep -q '#define KWS_FEATURE_RATE 16000' kws_model.h
}

@test "a weight that is not what it was fails the self-test" {
    awk '/kws_0_.*_weight\[\]/ && !done { print; getline; sub(/-?[0-9]+,/, "&1+"); done = 1 } 1' \
        kws_model.h >"$out/bad.h"
    ! cmp -s kws_model.h "$out/bad.h"
    printf '#include "bad.h"\nstatic kws_t s;\nint main(void)\n{\n    return kws_selftest(&s) & 255;\n}\n' >"$out/main.c"
    cc -std=c99 "$out/main.c" -o "$out/main"
    run "$out/main"
    [ "$status" -eq 255 ]
}

@test "recurrent models go the same way, float and int8 agree" {
    for model in gru lstm; do
        "$SOTTO" train -q $model data.pack=tones.h5 data.keywords=low,high model.width=12 \
            train.epochs=3 train.batch=20 train.warmup_epochs=0 -o "$out/$model"
        "$SOTTO" quantize -q "$out/$model" --calibrate tones.h5 -o "$out/$model.h5" --format json |
            jq -e '[.results[] | select(.split == "test").accuracy] | .[0] - .[1] | fabs < 0.1'
        "$SOTTO" export -q "$out/$model.h5" -o "$out/model.h"
        printf '#include "model.h"\nstatic kws_t s;\nint main(void)\n{\n    return kws_selftest(&s);\n}\n' >"$out/main.c"
        for cc in gcc clang; do
            command -v $cc >/dev/null || continue
            $cc -std=c99 -Wall -Wextra -Wpedantic -Werror $(sanitizers $cc) "$out/main.c" -o "$out/main"
            "$out/main"
        done
    done
}

@test "a model that rounds once: another model, which says so, and C of it" {
    [ "$(jq -r .rounding quantize.json)" = tflm ]
    "$SOTTO" quantize -q run -c tones.h5 --rounding single --format json -o "$out/q.h5" >"$out/q.json"
    [ "$(jq -r .rounding "$out/q.json")" = single ]
    [ "$(jq -r .model_hash "$out/q.json")" != "$(jq -r .model_hash quantize.json)" ]
    "$SOTTO" eval "$out/q.h5" tones.h5 --split test --format json | jq -e --slurpfile q "$out/q.json" \
        '.accuracy == ($q[0].results[] | select(.split == "test" and .kind == "int8") | .accuracy)'
    "$SOTTO" export -q "$out/q.h5" -o "$out/model.h" --format json | jq -e '.rounding == "single"'
    grep -q 'Rounding profile single' "$out/model.h"
    printf '#include "model.h"\nstatic kws_t s;\nint main(void)\n{\n    return kws_selftest(&s);\n}\n' >"$out/main.c"
    cc -std=c99 -Wall -Wextra -Werror "$out/main.c" -o "$out/main"
    "$out/main"
    mv "$out/q.h5" "$BATS_TEST_TMPDIR/q.h5"
    rm "$out"/*
    refused 2 "round twice" export "$BATS_TEST_TMPDIR/q.h5" -o "$out/a.tflite"
    [[ "$stderr" == *"--rounding tflm"* ]]
    refused 2 "even" quantize run -c tones.h5 --rounding even -o "$out/x.h5"
}

@test "another prefix names everything" {
    "$SOTTO" export -q run.int8.h5 --prefix door -o "$out/door.h"
    grep -q 'static inline void door_run(const int8_t in\[DOOR_INPUT_SIZE\]' "$out/door.h"
    ! grep -qi kws "$out/door.h"
    rm "$out/door.h"
    refused 2 "cannot begin the names" export run.int8.h5 --prefix Door -o "$out/x.h"
    refused 1 "mkdir -p '$out/no/where'" export run.int8.h5 -o "$out/no/where/x.h"
}

@test "export hop by hop" {
    run -0 "$SOTTO" export run.int8.h5 --net --hop 2 -o "$out/hop.h"
    [[ "$output" == *hop_macs* && "$output" == *stream_bytes* ]]
    grep -q 'static inline void kws_stream_step(kws_stream \*s' "$out/hop.h"
    rm "$out/hop.h"
    refused 2 "level = max" export run.int8.h5 --hop 2 -o "$out/x.h5"
    [[ "$stderr" == *"--net"* ]]
    refused 2 "a hop of 1000 frames" export run.int8.h5 --hop 1000 -o "$out/x.h5"
    refused 2 "without --hop" export run.int8.h5 --stream window -o "$out/x.h5"
    refused 2 "--stream" export run.int8.h5 --hop 1 --stream no -o "$out/x.h5"
}

@test "models of the wrong kind" {
    refused 3 "an int8 model already" quantize run.int8.h5 --calibrate tones.h5 -o "$out/x.h5"
    refused 3 "is a float model" export run -o "$out/x.h"
    [[ "$stderr" == *"sotto quantize"* ]]
    refused 3 "is a pack" eval tones.h5 tones.h5
    refused 3 "a pack is wanted" eval run run/model.h5
    refused 3 "there is no model" quantize nowhere --calibrate tones.h5 -o "$out/x.h5"
    refused 3 "" quantize run --calibrate nowhere.h5 -o "$out/x.h5"
}

@test "usage" {
    refused 2 "calibrate with are missing" quantize run -o "$out/x.h5"
    refused 2 "-o" quantize run --calibrate tones.h5
    refused 2 "--clips 0" quantize run --calibrate tones.h5 --clips 0 -o "$out/x.h5"
    refused 2 "--percentile 30" quantize run --calibrate tones.h5 --percentile 30 -o "$out/x.h5"
    refused 2 "only --explain" quantize run --calibrate tones.h5
    refused 2 "least" quantize run --calibrate tones.h5 --range least -o "$out/x.h5"
    refused 2 "is no split" eval run tones.h5 --split exam
}

@test "a damaged int8 model is refused, wherever it is cut" {
    size=$(stat -c %s run.int8.h5)
    for part in 0 1 30 60 99; do
        head -c $((size * part / 100)) run.int8.h5 >"$BATS_TEST_TMPDIR/cut.h5"
        refused 3 "cut.h5" export "$BATS_TEST_TMPDIR/cut.h5" -o "$out/x.h"
        refused 3 "cut.h5" eval "$BATS_TEST_TMPDIR/cut.h5" tones.h5
    done
}

@test "a full disk and a folder without permission leave nothing behind" {
    refused 1 "No space left" quantize run --calibrate tones.h5 -o /dev/full
    refused 1 "No space left" export run.int8.h5 -o /dev/full
    refused 1 "cannot write" export run.int8.h5 -o "$out/no/such/x.h"
    run bash -c '"$SOTTO" eval run.int8.h5 tones.h5 >/dev/full'
    [ "$status" -eq 1 ]
    [ "$(id -u)" -ne 0 ] || skip "root may write everywhere"
    mkdir -m 555 "$BATS_TEST_TMPDIR/locked"
    run "$SOTTO" export run.int8.h5 -o "$BATS_TEST_TMPDIR/locked/x.h"
    [ "$status" -eq 1 ]
}

@test "--auto finds a smaller model within the drop, and only there" {
    "$SOTTO" quantize -q run --calibrate tones.h5 --auto --max-drop 100 -o "$out/small.h5" --format json >"$out/small.json"
    "$SOTTO" quantize -q run --calibrate tones.h5 -o "$out/whole.h5" --format json >"$out/whole.json"
    jq -e -n --slurpfile s "$out/small.json" --slurpfile w "$out/whole.json" \
        '$s[0].weight_bytes < 0.6 * $w[0].weight_bytes and ($s[0].bits | length) > 3'
    # What the table says of the last model that was kept is what the file does.
    jq -e '([.bits[] | select(.kept)] | last | .accuracy) as $a |
        [.results[] | select(.split == "validation" and .kind == "int8") | .accuracy] == [$a]' "$out/small.json"
    jq -e '([.bits[] | select(.kept)] | last | .bytes) == .weight_bytes + .table_bytes' "$out/small.json"
    # Every kept model is within the drop of the float model, on validation clips.
    "$SOTTO" quantize -q run --calibrate tones.h5 --auto --max-drop 5 -o "$out/near.h5" --format json >"$out/near.json"
    jq -e '([.results[] | select(.split == "validation" and .kind == "float") | .accuracy][0] - 0.05) as $floor |
        [.bits[] | select(.kept) | .accuracy >= $floor - 1e-9] | all' "$out/near.json"
    run --separate-stderr "$SOTTO" quantize run --calibrate tones.h5 --auto --weights 4 -o "$out/x.h5"
    [ "$status" -eq 2 ]
    [[ "$stderr" == *"--auto chooses bits, and so does --weights"* ]]
    run --separate-stderr "$SOTTO" quantize run --calibrate tones.h5 --auto --max-drop -1 -o "$out/x.h5"
    [ "$status" -eq 2 ]
    run --separate-stderr "$SOTTO" quantize "$out/small.h5" --calibrate tones.h5 --auto --explain
    [ "$status" -eq 2 ]
    [ ! -e "$out/x.h5" ]
}
