# Training with simulated int8: from a float run to an int8 model with the ranges it was trained with.
# Words are tones (tests/tones.pl).

bats_require_minimum_version 1.5.0

setup_file() {
    cd "$BATS_FILE_TMPDIR"
    : "${SOTTO:?run through tests/run.sh, or set SOTTO to the program}"
    "$BATS_TEST_DIRNAME/../tones.pl" tones
    "$SOTTO" data import -q tones -o tones.h5
    "$SOTTO" train -q ds_cnn data.pack=tones.h5 data.keywords=low,high model.width=8 \
        train.epochs=20 train.batch=20 train.warmup_epochs=0 -o base
}

setup() {
    cd "$BATS_TEST_TMPDIR"
    base="$BATS_FILE_TMPDIR/base"
    pack="$BATS_FILE_TMPDIR/tones.h5"
    fine=(ds_cnn data.pack="$pack" data.keywords=low,high model.width=8 train.batch=20
        train.warmup_epochs=0 train.qat=yes)
}

@test "a run that simulates int8 starts folded and ends in its own ranges" {
    "$SOTTO" train -q "${fine[@]}" train.init="$base" quantize.epochs=3 -o fine
    h5dump -d /graph fine/model.h5 >graph
    ! grep -qE 'bias=no|batchnorm' graph
    [ "$(h5dump -d /quant/scale fine/model.h5 | grep -c '(.*):')" -gt 0 ]
    # What quantize calibrates with does not matter any more.
    "$SOTTO" quantize -q fine --calibrate "$pack" --clips 4 --range minmax -o a.h5 --format json >a.json
    "$SOTTO" quantize -q fine --calibrate "$pack" --clips 64 --range mse -o b.h5 --format json >b.json
    h5diff a.h5 b.h5 /q8/layers
    jq -e '(.results[] | select(.split == "test" and .kind == "int8") | .accuracy) > 0.8' a.json
    # Going on from such a run keeps its ranges.
    "$SOTTO" train -q "${fine[@]}" train.init=fine quantize.epochs=1 -o finer
    h5diff fine/model.h5 finer/model.h5 /quant
    ! h5diff -q fine/model.h5 finer/model.h5 /weights
}

@test "what training measures is what the int8 model does" {
    "$SOTTO" train -q "${fine[@]}" train.init="$base" quantize.epochs=4 train.keep=last \
        data.unknown_share=0.1 -o same
    "$SOTTO" quantize -q same --calibrate "$pack" -o same.h5 --format json >same.json
    trained=$(jq -s '.[-1].val_accuracy' same/metrics.jsonl)
    jq -e --argjson trained "$trained" '[.results[] | select(.split == "validation")] |
        map({(.kind): .accuracy}) | add | .int8 == $trained' same.json
    # Ranges have followed the weights.
    "$SOTTO" train -q "${fine[@]}" train.init="$base" quantize.epochs=1 -o first
    ! h5diff -q first/model.h5 same/model.h5 /quant/scale
}

@test "threads, a kill and a resume do not change a bit of it" {
    "$SOTTO" train -q "${fine[@]}" train.init="$base" quantize.epochs=12 --threads 1 -o whole
    "$SOTTO" train -q "${fine[@]}" train.init="$base" quantize.epochs=12 --threads 2 -o cut &
    pid=$!
    while [ ! -s cut/metrics.jsonl ]; do sleep 0.1; done
    kill -9 $pid
    wait $pid || true
    [ ! -e cut/model.h5 ]
    "$SOTTO" train -q --resume cut --threads 3
    h5diff whole/model.h5 cut/model.h5 /weights
    h5diff whole/model.h5 cut/model.h5 /quant
}

@test "from scratch: float epochs, then int8, killed in either and resumed" {
    both=("${fine[@]}" train.lr=0.005 train.epochs=30 quantize.epochs=20)
    "$SOTTO" train -q "${both[@]}" --threads 1 -o whole
    [ "$(wc -l <whole/metrics.jsonl)" -eq 50 ]
    h5dump -d /graph whole/float.h5 | grep -q batchnorm
    ! h5dump -d /graph whole/model.h5 | grep -q batchnorm
    [ "$(h5dump -d /quant/scale whole/model.h5 | grep -c '(.*):')" -gt 0 ]
    "$SOTTO" quantize -q whole --calibrate "$pack" -o whole.h5 --format json >whole.json
    jq -e '(.results[] | select(.split == "test" and .kind == "int8") | .accuracy) > 0.8' whole.json
    "$SOTTO" train -q "${both[@]}" --threads 2 -o cut &
    for lines in 3 33; do
        pid=$!
        while [ "$(cat cut/metrics.jsonl 2>/dev/null | wc -l)" -lt $lines ]; do sleep 0.02; done
        kill -9 $pid
        wait $pid || true
        [ ! -e cut/model.h5 ]
        "$SOTTO" train -q --resume cut --threads 3 &
    done
    wait $!
    [ "$(wc -l <cut/metrics.jsonl)" -eq 50 ]
    h5diff whole/float.h5 cut/float.h5 /weights
    h5diff whole/model.h5 cut/model.h5 /weights
    h5diff whole/model.h5 cut/model.h5 /quant
}

@test "what it cannot start from is refused before anything is written" {
    refuse() { # status, fragment, arguments
        local want=$1 fragment=$2
        shift 2
        run --separate-stderr "$SOTTO" train "${fine[@]}" "$@" -o run
        echo "$status: $stderr"
        [ "$status" -eq "$want" ]
        [[ "$stderr" == *"$fragment"* ]]
        [ ! -e run ]
    }
    refuse 3 "there is no model at" train.init=nobody
    # Without init too: not after the float epochs.
    refuse 2 "there is no node 'conv9' here" quantize.weights=conv9=4
    refuse 2 "has other features than this run" train.init="$base" features.mels=30
    refuse 2 "has other classes than this run" train.init="$base" data.keywords=low
    "$SOTTO" quantize -q "$base" --calibrate "$pack" -o int8.h5 >/dev/null
    refuse 3 "is an int8 model already" train.init=int8.h5
}

@test "4-bit weights and single rounding are trained, measured and kept" {
    "$SOTTO" train -q "${fine[@]}" train.init="$base" quantize.epochs=3 train.keep=last \
        data.unknown_share=0.1 quantize.weights=conv1=8,4 quantize.rounding=single -o packed
    "$SOTTO" quantize -q packed --calibrate "$pack" -o packed.h5 --format json >packed.json
    trained=$(jq -s '.[-1].val_accuracy' packed/metrics.jsonl)
    jq -e --argjson trained "$trained" '.rounding == "single" and
        ([.results[] | select(.split == "validation" and .kind == "int8") | .accuracy] == [$trained])' packed.json
    h5dump -H packed.h5 >layers
    grep -q '"conv1"' layers
    "$SOTTO" quantize -q packed --calibrate "$pack" --explain --format json >explained.json
    jq -e '[.explanation[] | select(.weight_bits == 4)] | length >= 3' explained.json
    jq -e '[.explanation[] | select(.layer == "conv1")][0].weight_bits == 8' explained.json
    # A run that goes on from it has the bits and the rounding that its own config says.
    "$SOTTO" train -q "${fine[@]}" train.init=packed quantize.epochs=1 quantize.weights=pw2=8,4 -o more
    "$SOTTO" quantize -q more --calibrate "$pack" --explain --format json >more.json
    jq -e '.rounding == "tflm" and ([.explanation[] | select(.weight_bits == 4) | .layer] |
        (contains(["conv1"]) and (contains(["pw2"]) | not)))' more.json
    run --separate-stderr "$SOTTO" quantize more --calibrate "$pack" --rounding single -o wrong.h5
    [ "$status" -eq 2 ]
    [[ "$stderr" == *"was trained to be rounded as tflm, not single"*"quantize.rounding=single"* ]]
    [ ! -e wrong.h5 ]
    run --separate-stderr "$SOTTO" train "${fine[@]}" train.init="$base" quantize.weights=conv9=4 -o wrong
    [ "$status" -eq 2 ]
    [[ "$stderr" == *"there is no node 'conv9' here"* ]]
    [ ! -e wrong ]
}
