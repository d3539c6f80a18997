# Classifiers without descent (train.fit), on tones: they tell them apart, are runs like any other,
# and become C like any model.

bats_require_minimum_version 1.5.0

setup_file() {
    cd "$BATS_FILE_TMPDIR"
    : "${SOTTO:?run through tests/run.sh, or set SOTTO to the program}"
    "$BATS_TEST_DIRNAME/../tones.pl" tones
    "$SOTTO" data import -q tones -o tones.h5
}

setup() {
    cd "$BATS_TEST_TMPDIR"
    pack="$BATS_FILE_TMPDIR/tones.h5"
    small=(data.pack="$pack" data.keywords=low,high train.batch=20)
}

@test "every kind tells tones apart, in float and in int8" {
    for fit in centroid lda logistic svm gmm forest dtw; do
        arch=linear
        width=1
        case $fit in gmm | forest) arch=$fit ;; dtw) arch=dtw width=10 ;; esac
        "$SOTTO" train -q $arch "${small[@]}" train.fit=$fit model.width=$width -o $fit
        "$SOTTO" quantize -q $fit --calibrate "$pack" -o $fit.h5
        for model in $fit $fit.h5; do
            "$SOTTO" eval $model "$pack" --split test --min-accuracy 0.8
        done
        [ "$("$SOTTO" runs ls $fit --format json | jq -r .runs[0].state)" = done ]
        [ "$(wc -l <$fit/metrics.jsonl)" -eq 1 ]
        jq -e '.val_accuracy > 0.8 and .accuracy > 0.8 and (has("lr") | not)' $fit/metrics.jsonl
    done
    jq -e '.l2 > 0' svm/metrics.jsonl
    "$SOTTO" estimate lda.h5 --target nucleo-l4r5zi
}

@test "the same weights for one thread and three" {
    for fit in logistic svm; do
        for n in 1 3; do
            "$SOTTO" train -q linear "${small[@]}" train.fit=$fit train.l2=0.01 --threads $n -o $fit$n
        done
        h5diff ${fit}1/model.h5 ${fit}3/model.h5 /weights
    done
}

@test "as C, samples in, words out: the header passes its self-test" {
    "$SOTTO" train -q gmm "${small[@]}" model.blocks=2 features.level=none -o run
    "$SOTTO" quantize -q run --calibrate "$pack" -o run.h5
    "$SOTTO" export -q run.h5 -o kws_model.h
    printf '#include "kws_model.h"\nstatic kws_t s;\nint main(void)\n{\n    return kws_selftest(&s);\n}\n' >main.c
    cc -std=c99 -Wall -Wextra -Werror main.c -o main
    ./main
}

# Boosting, or what is said where XGBoost is not there.
boost() {
    run --separate-stderr "$SOTTO" train -q boosting "${small[@]}" model.blocks=4 model.leaves=4 "$@"
    [ "$status" -ne 0 ] || return 0
    [ "$status" -eq 1 ]
    [[ "$stderr" == *"boosting needs XGBoost, which is not there"*libxgboost-dev* ]]
    skip "XGBoost is not there"
}

@test "boosted trees, in float, in int8 and as C" {
    boost -o run features.level=none
    "$SOTTO" quantize -q run --calibrate "$pack" -o run.h5
    for model in run run.h5; do "$SOTTO" eval $model "$pack" --split test --min-accuracy 0.8; done
    "$SOTTO" estimate run.h5 --target nucleo-l4r5zi --layers --format json |
        jq -e '[.layers[] | select(.kernel == "trees" and .instructions > 100)] | length == 1'
    "$SOTTO" export -q run.h5 -o kws_model.h
    printf '#include "kws_model.h"\nstatic kws_t s;\nint main(void)\n{\n    return kws_selftest(&s);\n}\n' >main.c
    cc -std=c99 -Wall -Wextra -Werror -fsanitize=address,undefined main.c -o main
    ./main
}

@test "a forest: the same for one thread and three, training on leaves its trees as they are" {
    for n in 1 3; do
        "$SOTTO" train -q forest "${small[@]}" model.blocks=7 model.leaves=6 --threads $n -o forest$n
    done
    h5diff forest1/model.h5 forest3/model.h5 /weights
    "$SOTTO" train -q forest "${small[@]}" model.blocks=7 model.leaves=6 train.fit=no \
        train.init=forest1 train.epochs=2 train.warmup_epochs=0 train.weight_decay=0.1 -o on
    for k in feature threshold left; do h5diff forest1/model.h5 on/model.h5 /weights/y/$k; done
    run h5diff forest1/model.h5 on/model.h5 /weights/y/leaf
    [ "$status" -eq 1 ]
    "$SOTTO" quantize -q forest1 --calibrate "$pack" -o f.h5
    run --separate-stderr "$SOTTO" export f.h5 -o f.tflite
    [ "$status" -eq 2 ]
    [[ "$stderr" == *trees* ]]
}

@test "templates: so many clips of a class are training clips, in C as on the host" {
    "$SOTTO" train -q dtw "${small[@]}" model.blocks=2 model.width=10 train.per_class=2 \
        features.level=none -o run
    "$SOTTO" quantize -q run --calibrate "$pack" -o run.h5
    "$SOTTO" export -q run.h5 -o kws_model.h
    printf '#include "kws_model.h"\nstatic kws_t s;\nint main(void)\n{\n    return kws_selftest(&s);\n}\n' >main.c
    cc -std=c99 -Wall -Wextra -Werror -fsanitize=address,undefined main.c -o main
    ./main
    # two clips a class, each of which is its own template
    jq -e '.accuracy == 1' run/metrics.jsonl
}

@test "the nearest of several templates: the mean of so many, in C as on the host" {
    templates=(model.blocks=5 model.width=10 train.per_class=5 features.level=none)
    "$SOTTO" train -q dtw "${small[@]}" "${templates[@]}" -o one
    "$SOTTO" train -q dtw "${small[@]}" "${templates[@]}" model.nearest=1 -o same
    "$SOTTO" train -q dtw "${small[@]}" "${templates[@]}" model.nearest=3 -o run
    h5diff one/model.h5 same/model.h5
    h5diff one/model.h5 run/model.h5 /weights/y/value
    "$SOTTO" model show dtw model.nearest=3 | grep "^y = dtw(.* nearest=3"
    # a template is no longer all that a training clip of its own is compared with
    [ "$(jq .loss one/metrics.jsonl)" != "$(jq .loss run/metrics.jsonl)" ]
    "$SOTTO" quantize -q run --calibrate "$pack" -o run.h5
    for model in run run.h5; do "$SOTTO" eval $model "$pack" --split test --min-accuracy 0.8; done
    "$SOTTO" export -q run.h5 -o kws_model.h
    printf '#include "kws_model.h"\nstatic kws_t s;\nint main(void)\n{\n    return kws_selftest(&s);\n}\n' >main.c
    cc -std=c99 -Wall -Wextra -Werror -fsanitize=address,undefined main.c -o main
    ./main
}

@test "new words on the body of a trained run, and int8 in the loop afterwards" {
    "$SOTTO" train -q ds_cnn "${small[@]}" model.width=8 train.epochs=3 train.warmup_epochs=0 -o body
    "$SOTTO" train -q ds_cnn "${small[@]}" model.width=8 data.keywords=other,low train.init=body \
        train.fit=centroid train.epochs=1 -o head
    h5diff body/model.h5 head/model.h5 /weights/conv1
    "$SOTTO" eval head "$pack" --split test --min-accuracy 0.6
    "$SOTTO" train -q linear "${small[@]}" train.fit=lda train.qat=yes quantize.epochs=1 -o qat
    [ "$(wc -l <qat/metrics.jsonl)" -eq 2 ]
}

@test "what does not fit is refused by its key" {
    run --separate-stderr "$SOTTO" train dnn "${small[@]}" train.fit=gmm -o run
    [ "$status" -eq 2 ]
    [[ "$stderr" == *"output 'y' is no mixture of Gaussians"*model.arch=gmm* ]]
    run --separate-stderr "$SOTTO" train dnn "${small[@]}" train.fit=forest -o run
    [ "$status" -eq 2 ]
    [[ "$stderr" == *"output 'y' is no trees with shared=yes"*model.arch=forest* ]]
    run --separate-stderr "$SOTTO" train linear "${small[@]}" train.fit=dtw -o run
    [ "$status" -eq 2 ]
    [[ "$stderr" == *"output 'y' is no layer of templates"*model.arch=dtw* ]]
    run --separate-stderr "$SOTTO" train ds_cnn "${small[@]}" model.leaves=3 -o run
    [ "$status" -eq 2 ]
    [[ "$stderr" == *"model.leaves = 3: ds_cnn has no trees"* ]]
    for net in "ds_cnn model.nearest=3" "dtw model.blocks=3 model.nearest=4" "dtw model.nearest=-1"; do
        run --separate-stderr "$SOTTO" train $net "${small[@]}" -o run
        [ "$status" -eq 2 ]
        [[ "$stderr" == *"model.nearest = "*[34-]* ]]
        [ ! -e run ]
    done
    run --separate-stderr "$SOTTO" train linear "${small[@]}" augment.mixup_alpha=0.2 -o run
    [ "$status" -eq 2 ]
    [[ "$stderr" == *mixup_alpha* ]]
    run --separate-stderr "$SOTTO" train linear "${small[@]}" train.ema=0.9 -o run
    [ "$status" -eq 2 ]
    [[ "$stderr" == *"fit = logistic goes without ema"* ]]
    run --separate-stderr "$SOTTO" train gmm "${small[@]}" train.epochs=1 model.blocks=60 -o run
    [ "$status" -eq 3 ]
    [[ "$stderr" == *"training clips, train.fit wants 60"*model.blocks* ]]
}
