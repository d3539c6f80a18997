# sotto runs: comparing, showing, removing and exporting what has been trained. Words are tones.

bats_require_minimum_version 1.5.0

setup_file() {
    cd "$BATS_FILE_TMPDIR"
    : "${SOTTO:?run through tests/run.sh, or set SOTTO to the program}"
    "$BATS_TEST_DIRNAME/../tones.pl" tones
    "$SOTTO" data import -q tones -o tones.h5
    small=(data.pack=tones.h5 data.keywords=low,high model.width=8 train.batch=20
        train.warmup_epochs=0)
    "$SOTTO" train -q ds_cnn "${small[@]}" train.epochs=40 -o good
    "$SOTTO" train -q ds_cnn "${small[@]}" train.epochs=1 train.final_lr=0 train.lr=1e-8 \
        --seed 3 -o bad
    "$SOTTO" quantize -q good --calibrate tones.h5 -o good.int8.h5
}

setup() {
    cd "$BATS_FILE_TMPDIR"
}

refused() { # STATUS TEXT ARGUMENTS...
    want=$1 text=$2
    shift 2
    run --separate-stderr "$SOTTO" runs "$@" </dev/null
    echo "status $status: $stderr"
    [ "$status" -eq "$want" ]
    [[ "$stderr" == *"$text"* ]]
    [ -z "$output" ]
}

@test "compare: a trained run is better than an untrained one, and not than itself" {
    "$SOTTO" runs compare bad good good.int8.h5 --pack tones.h5 --format json >"$BATS_TEST_TMPDIR/c"
    cd "$BATS_TEST_TMPDIR"
    [ "$(jq -c '[.models[].kind]' c)" = '["float","float","int8"]' ]
    for k in 0 1 2; do
        model=$(jq -r ".models[$k].model" c)
        (cd "$BATS_FILE_TMPDIR" && "$SOTTO" eval "$model" tones.h5 --format json) |
            jq '[.correct, .accuracy, .accuracy_lo, .accuracy_hi]' >eval
        jq ".models[$k] | [.correct, .accuracy, .accuracy_lo, .accuracy_hi]" c | diff - eval
    done
    jq -e '.pairs | length == 3' c
    jq -e '.pairs[0] | .model == "good" and .against == "bad" and .verdict == "better"' c
    jq -e '[.models[].correct] as $k | .pairs[0] | .only_model - .only_against == $k[1] - $k[0]' c
    jq -e '.pairs[] | .p <= .p_holm and .difference_lo <= .difference and
        .difference <= .difference_hi' c
    cd "$BATS_FILE_TMPDIR"
    "$SOTTO" runs compare good good --pack tones.h5 --split validation --format json |
        jq -e '.pairs[0] | .verdict == "noise" and .p == 1 and .difference == 0'
}

@test "compare refuses what cannot be compared" {
    refused 2 "--pack is missing" compare good bad
    refused 2 "" compare good --pack tones.h5
    refused 3 "nowhere" compare good nowhere --pack tones.h5
    refused 2 "split" compare good bad --pack tones.h5 --split tset
    "$SOTTO" train -q ds_cnn data.pack=tones.h5 data.keywords=high,low model.width=8 \
        train.epochs=1 train.batch=20 train.warmup_epochs=0 -o turned
    refused 3 "'turned' has other classes than 'good'" compare good turned --pack tones.h5
}
