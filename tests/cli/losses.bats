# What a training makes small: losses, class weights, teachers. Words are tones here (tests/tones.pl).

bats_require_minimum_version 1.5.0

setup_file() {
    cd "$BATS_FILE_TMPDIR"
    : "${SOTTO:?run through tests/run.sh, or set SOTTO to the program}"
    "$BATS_TEST_DIRNAME/../tones.pl" tones
    "$SOTTO" data import -q tones -o tones.h5
    # What is linear: all features and a dense layer.
    printf 'x = input 49x10x1\nf = flatten(x)\ny = dense(f) out=4\n' >linear.net
    # Somebody who knows: a small DS-CNN that has learnt the tones.
    "$SOTTO" train -q ds_cnn data.pack=tones.h5 data.keywords=low,high model.width=8 \
        train.epochs=25 train.batch=20 train.lr=0.01 train.warmup_epochs=0 \
        train.label_smoothing=0 -o teacher
}

setup() {
    cd "$BATS_TEST_TMPDIR"
    pack="$BATS_FILE_TMPDIR/tones.h5"
    teacher="$BATS_FILE_TMPDIR/teacher"
    small=(data.pack="$pack" data.keywords=low,high model.width=8 train.epochs=2 train.batch=20
        train.warmup_epochs=0 train.label_smoothing=0)
    linear=("${small[@]}" model.file="$BATS_FILE_TMPDIR/linear.net" features.normalize=feature
        train.epochs=30 train.lr=0.003 train.weight_decay=0.001)
}

@test "a linear support vector machine tells tones apart, and so does every other loss" {
    for loss in hinge squared_hinge binary_cross_entropy mean_squared_error cross_entropy; do
        run --separate-stderr "$SOTTO" train -q "${linear[@]}" train.loss=$loss -o $loss --format json
        echo "$loss: $output"
        [ "$status" -eq 0 ]
        # 4 classes: chance is under 0.4
        [ "$(jq '.val_accuracy > 0.7' <<<"$output")" = true ]
        [ "$(jq -s '.[-1].loss < 0.5 * .[0].loss' $loss/metrics.jsonl)" = true ]
    done
    ! h5diff -q hinge/model.h5 squared_hinge/model.h5 /weights
    ! h5diff -q hinge/model.h5 cross_entropy/model.h5 /weights
}

@test "balanced class weights answer with rare classes more often than plain training" {
    rare=("${linear[@]}" data.unknown_share=0.04 data.silence_share=0.04 train.epochs=4)
    "$SOTTO" train -q "${rare[@]}" -o plain
    "$SOTTO" train -q "${rare[@]}" train.class_weights=balanced -o balanced
    for run in plain balanced; do
        "$SOTTO" eval $run "$pack" --split train --format json >$run.json
        jq -c .confusion $run.json
    done
    said() { jq '[.confusion[] | ._unknown_, ._silence_] | add' "$1.json"; }
    [ "$(said balanced)" -gt "$(said plain)" ]
}

@test "keys of one loss are refused with another" {
    refuse() { # fragment, arguments
        local fragment=$1
        shift
        run --separate-stderr "$SOTTO" train ds_cnn "${small[@]}" "$@" -o run
        [ "$status" -eq 2 ]
        [[ "$stderr" == *"$fragment"* ]]
        [ ! -e run ]
    }
    refuse "did you mean 'hinge'" train.loss=hing
    refuse "class_weights works with loss = cross_entropy, not with hinge" train.loss=hinge \
        train.class_weights=balanced
    refuse "label_smoothing works with" train.loss=squared_hinge train.label_smoothing=0.1
    refuse "teacher works with" train.loss=mean_squared_error train.teacher="$teacher"
    refuse "does not go with a teacher" train.class_weights=balanced train.teacher="$teacher"
    refuse "distill_alpha" train.teacher="$teacher" train.distill_alpha=1.5
    refuse "distill_temperature" train.teacher="$teacher" train.distill_temperature=0
}

# ---- teachers ----

@test "a student that hears nothing but its teacher comes to answer like it" {
    "$SOTTO" train -q dnn "${small[@]}" train.epochs=15 train.lr=0.003 train.teacher="$teacher" \
        train.distill_alpha=1 train.distill_temperature=2 -o student
    cat student/metrics.jsonl
    # The loss is T^2 KL(teacher || student) and nothing else.
    [ "$(jq -s '.[-1].loss < 0.6 * .[0].loss' student/metrics.jsonl)" = true ]
    [ "$(jq -s '.[-1].val_accuracy > 0.7' student/metrics.jsonl)" = true ]
    "$SOTTO" train -q dnn "${small[@]}" -o alone
    ! h5diff -q student/model.h5 alone/model.h5 /weights
    h5dump -d /provenance student/model.h5 | grep -q "teacher = $teacher/model.h5"
    h5dump -d /provenance student/model.h5 |
        grep -q "teacher_sha256 = $(sha256sum "$teacher/model.h5" | cut -d' ' -f1)"
    [ "$(jq -r .teacher.path student/manifest.json)" = "$teacher/model.h5" ]
    [ "$(jq -r .teacher student/manifest.json)" != null ]
    [ "$(jq -r .teacher alone/manifest.json)" = null ]
}

@test "a teacher with features of its own hears the same clips through them" {
    other=(features.normalize=feature features.mfcc=13)
    "$SOTTO" train -q dnn "${small[@]}" "${other[@]}" train.epochs=15 train.lr=0.003 \
        train.teacher="$teacher/model.h5" train.distill_alpha=1 -o student
    cat student/metrics.jsonl
    [ "$(jq -s '.[-1].loss < 0.6 * .[0].loss' student/metrics.jsonl)" = true ]
    [ "$(jq -s '.[-1].val_accuracy > 0.7' student/metrics.jsonl)" = true ]
}

@test "a student killed and resumed from elsewhere, on other threads, ends at the same weights" {
    taught=("${small[@]}" train.epochs=12 train.teacher=known features.normalize=feature
        augment.mixup_alpha=0.3)
    ln -s "$teacher" known
    "$SOTTO" train -q ds_cnn "${taught[@]}" --threads 1 -o whole
    "$SOTTO" train -q ds_cnn "${taught[@]}" --threads 2 -o cut &
    pid=$!
    while [ ! -s cut/metrics.jsonl ]; do sleep 0.1; done
    kill -9 $pid
    wait $pid || true
    [ ! -e cut/model.h5 ]
    mkdir elsewhere
    cd elsewhere
    "$SOTTO" train -q --resume ../cut --threads 3
    h5diff ../whole/model.h5 ../cut/model.h5 /weights
}

@test "teachers that do not fit are refused before anything is written" {
    refuse() { # status, fragment, arguments
        local want=$1 fragment=$2
        shift 2
        run --separate-stderr "$SOTTO" train dnn "${small[@]}" "$@" -o run
        echo "$stderr"
        [ "$status" -eq "$want" ]
        [[ "$stderr" == *"$fragment"* ]]
        [ ! -e run ]
    }
    refuse 2 "the teacher knows low, high, _unknown_, _silence_; the classes here are high, low, _unknown_, _silence_" \
        train.teacher="$teacher" data.keywords=high,low
    refuse 2 "the classes here are low, high, _unknown_" train.teacher="$teacher" data.silence_share=0
    refuse 2 "16000 samples" train.teacher="$teacher" features.samples=12000
    refuse 3 "there is no model at 'nobody'" train.teacher=nobody
    mkdir unfinished
    refuse 3 "no finished run" train.teacher=unfinished
    echo text >text.h5
    refuse 3 "text.h5" train.teacher=text.h5
    refuse 3 "tones.h5" train.teacher="$pack"
}

@test "a run does not go on with another teacher or another pack" {
    cp -r "$teacher" other
    "$SOTTO" train -q dnn "${small[@]}" train.epochs=2 train.warmup_epochs=0 train.teacher=other -o student
    "$SOTTO" train -q --resume student
    "$SOTTO" train -q dnn "${small[@]}" train.epochs=2 train.warmup_epochs=0 --seed 9 -o third
    cp third/model.h5 other/model.h5
    run "$SOTTO" train -q --resume student
    [ "$status" = 3 ]
    [[ $output == *"teacher"*"SHA-256"* ]]
    pack=$(sed -n 's/^pack = //p' third/config.ini)
    cp "$pack" tones.h5
    "$SOTTO" train -q dnn "${small[@]}" data.pack=tones.h5 train.epochs=2 train.warmup_epochs=0 -o fourth
    sed -i 's/"training": [0-9]*/"training": 7/' fourth/manifest.json
    run "$SOTTO" train -q --resume fourth
    [ "$status" = 3 ]
    [[ $output == *"training clips, the run was begun with 7"* ]]
}

# ---- weights to start from ----

@test "training starts from the weights and feature statistics of another run" {
    some=("${small[@]}" features.normalize=feature train.lr=0.003)
    "$SOTTO" train -q dnn "${some[@]}" train.epochs=8 -o base
    # With next to no learning rate and other clips of the same words nothing moves.
    "$SOTTO" train -q dnn "${some[@]}" train.epochs=1 train.optimizer=sgd train.lr=1e-8 train.final_lr=0 \
        train.seed=5 train.init=base -o fine
    h5diff -d 1e-5 base/model.h5 fine/model.h5 /weights
    h5diff base/model.h5 fine/model.h5 /features
    "$SOTTO" train -q dnn "${some[@]}" train.epochs=1 -o scratch
    ! h5diff -q -d 1e-5 base/model.h5 scratch/model.h5 /weights
    [ "$(jq -r .init.path fine/manifest.json)" = "$PWD/base/model.h5" ]
    h5dump -d /provenance fine/model.h5 |
        grep -q "init_sha256 = $(sha256sum base/model.h5 | cut -d' ' -f1)"
}

@test "what does not fit starts anew, and little that fits is an error" {
    printf 'x = input 49x10x1\nf = flatten(x)\nz = dense(f) out=4\n' >other.net
    "$SOTTO" train -q dnn "${small[@]}" -o base
    run --separate-stderr "$SOTTO" train dnn "${small[@]}" data.keywords=low train.init=base -o less
    echo "$stderr"
    [ "$status" -eq 0 ]
    [[ "$stderr" == *"6 of 8 tensors start as those of $PWD/base/model.h5"* ]]
    run --separate-stderr "$SOTTO" train "${small[@]}" model.file=other.net train.init=base -o none
    echo "$stderr"
    [ "$status" -eq 2 ]
    [[ "$stderr" == *"0 of this model's 2 tensors have the name and shape of one of '$PWD/base/model.h5'"* ]]
    [ ! -e none ]
    # the bias of the last layer alone
    run --separate-stderr "$SOTTO" train cnn "${small[@]}" model.width=0 train.init=base -o none
    [ "$status" -eq 2 ]
    [[ "$stderr" == *"train.init: 1 of this model's 19 tensors"* ]]
    run "$SOTTO" train dnn "${small[@]}" train.init=nobody -o none
    [ "$status" -eq 3 ]
    [ ! -e none ]
}
