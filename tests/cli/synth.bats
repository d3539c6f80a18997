# sotto data synth: a data set of spoken words.
bats_require_minimum_version 1.5.0

setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
    root=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
    : "${SOTTO:=$root/build/sotto}"
}

needs_voices() {
    command -v espeak-ng >/dev/null || command -v flite >/dev/null ||
        skip "neither espeak-ng nor flite is installed"
}

@test "words become a folder that import takes, with every split" {
    needs_voices
    run --separate-stderr "$SOTTO" data synth --words yes,hey_you -o words --speakers 12 --format json
    [ "$status" -eq 0 ]
    command -v jq >/dev/null || skip "jq is not there"
    [ "$(jq .clips <<< "$output")" -eq $((12 * 3)) ]
    [ "$(jq '.speakers_train + .speakers_validation + .speakers_test' <<< "$output")" -eq 12 ]
    [ "$(find words/yes -name '????????_nohash_0.wav' | wc -l)" -eq 12 ]
    [ "$(find words/hey_you -name '????????_nohash_0.wav' | wc -l)" -eq 12 ]
    [ "$(find words/_background_noise_ -name '*.wav' | wc -l)" -eq 5 ]
    run --separate-stderr "$SOTTO" data import words -o words.h5 --format json
    [ "$status" -eq 0 ]
    [ "$(jq .clips <<< "$output")" -eq 36 ]
    [ "$(jq '.validation > 0 and .test > 0' <<< "$output")" = true ]
    [ "$(jq '.unreadable + .empty + .silent' <<< "$output")" -eq 0 ]
}

@test "the seed decides, the number of threads does not" {
    needs_voices
    for n in 1 2; do
        "$SOTTO" data synth -q --words go --unknown-words "" -o t$n --speakers 4 --threads $n --seed 3
    done
    diff -r t1 t2
    "$SOTTO" data synth -q --words go --unknown-words "" -o other --speakers 4 --seed 4
    ! diff -rq t1 other
    [ "$(ls t1 | tr '\n' ' ')" = "_background_noise_ go " ]
}

@test "an empty folder is filled, one with something in it is left alone" {
    needs_voices
    mkdir empty full
    touch full/mine
    run "$SOTTO" data synth --words go -o empty --speakers 3
    [ "$status" -eq 0 ]
    [ -d empty/go ]
    run "$SOTTO" data synth --words go -o full --speakers 3
    [ "$status" -eq 2 ]
    [[ $output == *"full exists and is not empty"* ]]
    [ "$(ls full)" = mine ]
}

@test "without a synthesizer: 1, the packages are named, nothing is left" {
    run env PATH=/nonexistent "$SOTTO" data synth --words go -o deep/words
    [ "$status" -eq 1 ]
    [[ $output == *"neither espeak-ng nor flite"* ]]
    [[ $output == *"apt-get install espeak-ng flite"* ]]
    [ -z "$(ls)" ]
}

@test "with one of the two: it is used, and said" {
    command -v flite >/dev/null || skip "flite is not installed"
    mkdir bin
    ln -s "$(command -v flite)" bin/flite
    run env PATH="$PWD/bin" "$SOTTO" data synth --words go --unknown-words "" -o words --speakers 6
    [ "$status" -eq 0 ]
    [[ $output == *"espeak-ng speaks nothing here"*"apt-get install espeak-ng"* ]]
    [ "$(find words/go -name '*.wav' | wc -l)" -eq 6 ]
}

@test "wrong words and numbers: 2" {
    for words in "" "yes,,no" "yes,yes" "../up" "a b" "cat;ls"; do
        run "$SOTTO" data synth --words "$words" --unknown-words dog -o words
        echo "$words: $output"
        [ "$status" -eq 2 ]
    done
    run "$SOTTO" data synth --words cat --unknown-words dog,cat -o words
    [ "$status" -eq 2 ]
    run "$SOTTO" data synth --speakers 2 -o words
    [ "$status" -eq 2 ]
    run "$SOTTO" data synth --clips 0 -o words
    [ "$status" -eq 2 ]
    run "$SOTTO" data synth
    [ "$status" -eq 2 ]
    [ -z "$(ls)" ]
}

@test "Ctrl-C: 130, nothing is left" {
    needs_voices
    # The shell starts background jobs with SIGINT ignored; env gives it back.
    env --default-signal=INT "$SOTTO" data synth -o deep/words --speakers 3000 2>log 3>&- &
    job=$!
    for _ in $(seq 200); do
        [ -z "$(find deep -name '*.wav' -print -quit 2>/dev/null)" ] || break
        sleep 0.1
    done
    [ -n "$(find deep -name '*.wav' -print -quit)" ]
    kill -INT $job
    status=0
    wait $job || status=$?
    [ "$status" -eq 130 ]
    [ ! -e deep ]
}
