# Training: runs from a config, what they leave behind, stopping and resuming, and that a short
# training on real clips learns something. Words are tones here: a corpus of 4 words made in a
# second, so that nothing but the program is needed.

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
    small=(data.pack="$pack" data.keywords=low,high model.width=8 train.epochs=2 train.batch=20
        train.warmup_epochs=0)
}

@test "a run directory holds config, manifest, metrics, checkpoints, model and DONE" {
    run --separate-stderr "$SOTTO" train ds_cnn "${small[@]}" -o run --format json
    [ "$status" -eq 0 ]
    for f in config.ini manifest.json metrics.jsonl checkpoint.h5 best.h5 model.h5 DONE; do
        [ -s "run/$f" ]
    done
    [ "$(wc -l <run/metrics.jsonl)" -eq 2 ]
    [ "$(echo "$output" | jq .epochs)" -eq 2 ]
    [ "$(jq -r .data.labels[0] run/manifest.json)" = low ]
    [ "$(find run -name '.*' -type f | wc -l)" -eq 0 ]
    run "$SOTTO" train run/config.ini --print-config
    [ "$output" = "$(cat run/config.ini)" ]
}

@test "the same seed gives the same weights for one thread and three, another seed others" {
    "$SOTTO" train -q ds_cnn "${small[@]}" --threads 1 -o one
    "$SOTTO" train -q ds_cnn "${small[@]}" --threads 3 -o three
    "$SOTTO" train -q ds_cnn "${small[@]}" --threads 2 --seed 7 -o other
    h5diff one/model.h5 three/model.h5 /weights
    ! h5diff -q one/model.h5 other/model.h5 /weights
}

@test "killed at any moment, listed as interrupted, resumed to the same weights" {
    long=("${small[@]}" train.epochs=12)
    "$SOTTO" train -q ds_cnn "${long[@]}" -o whole
    "$SOTTO" train -q ds_cnn "${long[@]}" -o cut &
    pid=$!
    while [ ! -s cut/metrics.jsonl ]; do sleep 0.1; done
    kill -9 $pid
    wait $pid || true
    run "$SOTTO" runs ls cut --format tsv
    [[ "$output" == *interrupted* ]]
    run --separate-stderr "$SOTTO" train --resume cut
    [ "$status" -eq 0 ]
    h5diff whole/model.h5 cut/model.h5 /weights
    [ "$(wc -l <cut/metrics.jsonl)" -eq 12 ]
    [ "$("$SOTTO" runs ls cut --format json | jq -r .runs[0].state)" = done ]
}

@test "Ctrl-C leaves a checkpoint and exits 130; resuming ends at the same weights" {
    long=("${small[@]}" train.epochs=12)
    "$SOTTO" train -q ds_cnn "${long[@]}" -o whole
    "$SOTTO" train -q ds_cnn "${long[@]}" -o cut 2>talk &
    pid=$!
    while [ ! -s cut/metrics.jsonl ]; do sleep 0.1; done
    kill -INT $pid
    status=0
    wait $pid || status=$?
    [ "$status" -eq 130 ]
    grep -q 'sotto train --resume cut' talk
    [ -s cut/INTERRUPTED ]
    [ ! -e cut/model.h5 ]
    "$SOTTO" train -q --resume cut
    h5diff whole/model.h5 cut/model.h5 /weights
    [ ! -e cut/INTERRUPTED ]
}

# The lines of metrics.jsonl without what differs from run to run.
metrics() { jq -c 'del(.seconds, .clips_per_s, .time)' "$1/metrics.jsonl"; }
lines() { { wc -l <"$1/metrics.jsonl"; } 2>/dev/null || echo 0; }

@test "whatever optimizers, averages and schedules remember survives Ctrl-C and kill -9" {
    more=(train.lr=0.02 train.epochs=7 train.clip_norm=0.4 train.ema=0.99)
    first=(train.optimizer=sgd train.nesterov=yes train.schedule=plateau train.plateau_patience=2
        train.plateau_delta=100 "train.decay_groups=*=1" train.weight_decay=0.01)
    second=(train.optimizer=rmsprop train.schedule=poly train.hold_epochs=3)
    third=(train.optimizer=novograd train.beta2=0.6 train.weight_decay=0.01 train.keep=last)
    for set in first second third; do
        declare -n settings=$set
        "$SOTTO" train -q ds_cnn "${small[@]}" "${more[@]}" "${settings[@]}" -o whole_$set
        "$SOTTO" train -q ds_cnn "${small[@]}" "${more[@]}" "${settings[@]}" -o cut_$set &
        pid=$!
        while [ "$(lines cut_$set)" -lt 2 ]; do sleep 0.05; done
        kill -INT $pid
        wait $pid || [ $? -eq 130 ]
        [ -s cut_$set/INTERRUPTED ]
        done=$(lines cut_$set)
        "$SOTTO" train -q --resume cut_$set &
        pid=$!
        while [ "$(lines cut_$set)" -le "$done" ]; do sleep 0.05; done
        kill -9 $pid
        wait $pid || true
        "$SOTTO" train -q --resume cut_$set
        h5diff whole_$set/model.h5 cut_$set/model.h5 /weights
        diff <(metrics whole_$set) <(metrics cut_$set)
    done
    [ "$(jq .lr whole_first/metrics.jsonl | sort -u | wc -l)" -eq 3 ]
    jq -e '.grad_norm > 0' whole_first/metrics.jsonl
}

@test "with train.ema the model is made of averaged weights" {
    "$SOTTO" train -q ds_cnn "${small[@]}" train.ema=0.9 train.keep=last -o run
    first() { h5dump -y -d "$2" "$1" | sed '1,/DATA {/d' | grep -o '[-0-9.e]*,' | head -n 7; }
    model=$(first run/model.h5 /weights/conv1/weight)
    ema=$(first run/checkpoint.h5 /ema)
    weights=$(first run/checkpoint.h5 /weights)
    [ "$(echo "$model" | wc -l)" -eq 7 ]
    [ "$model" = "$ema" ]
    [ "$model" != "$weights" ]
}

@test "a plateau schedule without validation clips is refused" {
    cp -r "$BATS_FILE_TMPDIR/tones" .
    cd tones # names without _nohash_ are of training unless listed
    for f in */*_nohash_*; do mv "$f" "${f/_nohash_/}"; done
    ls other/* | head -n 1 >testing_list.txt
    cd ..
    "$SOTTO" data import -q tones -o none.h5
    run --separate-stderr "$SOTTO" train ds_cnn "${small[@]}" data.pack=none.h5 \
        train.schedule=plateau -o run
    [ "$status" -eq 2 ]
    [[ "$stderr" == *"schedule = plateau"*"train.schedule=cosine"* ]]
    [ ! -e run ]
}

@test "bad settings and data are refused before anything is written" {
    refuse() { # status, fragment, arguments
        local want=$1 fragment=$2
        shift 2
        run --separate-stderr "$SOTTO" train "$@" -o run
        [ "$status" -eq "$want" ]
        [[ "$stderr" == *"$fragment"* ]]
        [ ! -e run ]
    }
    refuse 2 "train.lrr" ds_cnn "${small[@]}" train.lrr=1
    refuse 2 "train.lr" ds_cnn "${small[@]}" train.lr=-0.1
    refuse 2 "train.beta2" ds_cnn "${small[@]}" train.beta2=1
    refuse 2 "train.ema" ds_cnn "${small[@]}" train.ema=1
    refuse 2 "train.clip_norm" ds_cnn "${small[@]}" train.clip_norm=-1
    refuse 2 "train.plateau_patience" ds_cnn "${small[@]}" train.plateau_patience=0
    refuse 2 "train.optimizer=sgd" ds_cnn "${small[@]}" train.nesterov=yes
    refuse 2 "'*.gamma:1' is not pattern=factor" ds_cnn "${small[@]}" "train.decay_groups=*.gamma:1"
    refuse 2 "'*.gama' matches no parameter" ds_cnn "${small[@]}" "train.decay_groups=*=1 *.gama=1"
    refuse 2 "hold_epochs = 2" ds_cnn "${small[@]}" train.schedule=poly train.hold_epochs=2
    refuse 2 "final_lr = 0.5" ds_cnn "${small[@]}" train.schedule=plateau train.final_lr=0.5
    refuse 2 "did you mean" ds_cnn "${small[@]}" model.arch=ds_cn
    refuse 2 "data.pack" ds_cnn
    refuse 3 "nothing.h5" ds_cnn "${small[@]}" data.pack=nothing.h5
    refuse 3 "hihg" ds_cnn "${small[@]}" data.keywords=low,hihg
    printf 'x = input 49x10x1\nc = conv2d(x) out=4 kernel=60x4\n' >big.net
    refuse 2 "big.net:2: conv2d 'c': kernel 60" ds_cnn "${small[@]}" model.file=big.net
    printf 'x = input 40x10x1\nf = flatten(x)\ny = dense(f) out=4\n' >other.net
    refuse 2 "40x10x1" ds_cnn "${small[@]}" model.file=other.net
    printf '[train]\nepochs = 2\nlearning_rate = 1\n' >bad.ini
    refuse 2 "bad.ini:3" bad.ini "${small[@]}"
}

@test "rooms, gain, noise at an SNR, masks and mixup: trained alike by one thread and three" {
    rich=("${small[@]}" augment.speed_lo=90 augment.rir_prob=0.5 augment.rir_rt60_hi=0.2
        augment.gain_lo_db=-6 augment.noise_level=snr augment.snr_lo=0 augment.time_masks=1
        augment.time_width=10 augment.mask_value=mean augment.mixup_alpha=0.3)
    "$SOTTO" train -q ds_cnn "${rich[@]}" --threads 1 -o one
    "$SOTTO" train -q ds_cnn "${rich[@]}" --threads 3 -o three
    "$SOTTO" train -q ds_cnn "${rich[@]}" augment.mixup_alpha=0 -o unmixed
    h5diff one/model.h5 three/model.h5 /weights
    ! h5diff -q one/model.h5 unmixed/model.h5 /weights
    grep -qx 'noise_level = snr' one/config.ini
    run --separate-stderr "$SOTTO" train ds_cnn "${rich[@]}" augment.rir_file=nowhere -o none
    [ "$status" -eq 3 ]
    [[ "$stderr" == *nowhere*augment.rir_file* ]]
    [ ! -e none ]
    run --separate-stderr "$SOTTO" train ds_cnn "${rich[@]}" augment.noise_level=loud -o none
    [ "$status" -eq 2 ]
    [[ "$stderr" == *"augment.noise_level = 'loud': expected gain|snr"* ]]
}

@test "a run is resumed from anywhere, or where it was begun if its path is too long for a config" {
    mkdir rooms elsewhere
    cp "$(find "$BATS_FILE_TMPDIR/tones/low" -name '*.wav' | sort | head -n 1)" rooms/a.wav
    "$SOTTO" train -q ds_cnn "${small[@]}" augment.rir_prob=0.5 augment.rir_file=rooms -o run
    (cd elsewhere && "$SOTTO" train -q --resume ../run)
    deep=$(printf 'deep%.0s' {1..50})
    mkdir "$deep"
    cp "$pack" "$deep/here.h5"
    cd "$deep"
    "$SOTTO" train -q dnn "${small[@]}" data.pack=here.h5 -o run
    "$SOTTO" train -q --resume run
}

@test "a run directory is not trained into twice" {
    "$SOTTO" train -q ds_cnn "${small[@]}" -o run
    run --separate-stderr "$SOTTO" train ds_cnn "${small[@]}" -o run
    [ "$status" -eq 2 ]
    [[ "$stderr" == *"already holds a run"* ]]
    run --separate-stderr "$SOTTO" train --resume nowhere
    [ "$status" -eq 3 ]
    run --separate-stderr "$SOTTO" train --resume run train.lr=1
    [ "$status" -eq 2 ]
}

@test "a loss that is not finite stops the run as failed" {
    run --separate-stderr "$SOTTO" train dnn "${small[@]}" train.optimizer=sgd train.lr=10 \
        train.final_lr=10 train.epochs=20 train.momentum=0.99 -o run
    [ "$status" -eq 6 ]
    [[ "$stderr" == *"lower train.lr"* ]]
    [ -s run/FAILED ]
    [ "$("$SOTTO" runs ls run --format json | jq -r .runs[0].state)" = failed ]
}

@test "a model can be defined in a .net file alone" {
    "$SOTTO" model show ds_cnn model.width=8 data.keywords=low,high -o my.net
    run --separate-stderr "$SOTTO" train "${small[@]}" model.file=my.net -o run
    [ "$status" -eq 0 ]
    [[ "$(h5dump -d /graph run/model.h5)" == *dwconv2d* ]]
}

@test "real clips: four epochs of DS-CNN beat 78 % on speakers never heard" {
    : "${SOTTO_SPEECH_COMMANDS:=$BATS_TEST_DIRNAME/../../../shared/speech_commands}"
    [ -d "$SOTTO_SPEECH_COMMANDS/yes" ] || skip "no clips in $SOTTO_SPEECH_COMMANDS"
    release="$BATS_TEST_DIRNAME/../../build/sotto"
    test_set=()
    [ ! -d "${SOTTO_SPEECH_COMMANDS}_test" ] || test_set=(--test "${SOTTO_SPEECH_COMMANDS}_test")
    "$release" data import -q "$SOTTO_SPEECH_COMMANDS" "${test_set[@]}" -o sc.h5
    "$release" train -q ds_cnn data.pack=sc.h5 train.epochs=4 train.warmup_epochs=1 -o run
    run --separate-stderr "$release" eval run sc.h5 --split validation --min-accuracy 0.78
    echo "$output"
    [ "$status" -eq 0 ]
}
