# sotto data lint: what is wrong with recordings, and lists of clips to leave out.
bats_require_minimum_version 1.5.0

setup_file() {
    if command -v perl >/dev/null; then
        perl "$BATS_TEST_DIRNAME/../tones.pl" "$BATS_FILE_TMPDIR/words"
    fi
}

setup() {
    mkdir "$BATS_TEST_TMPDIR/here" && cd "$BATS_TEST_TMPDIR/here" || return 1
    root=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
    : "${SOTTO:=$root/build/sotto}"
    [ -d "$BATS_FILE_TMPDIR/words" ] || skip "perl is not there"
    cp -r "$BATS_FILE_TMPDIR/words" words
    first=$(ls words/low | head -n 1)
    cp "words/low/$first" words/low/twin_nohash_0.wav
    head -c 44 "words/low/$first" > words/low/still_nohash_0.wav
    head -c 32000 /dev/zero >> words/low/still_nohash_0.wav
    echo text > words/low/text.wav
}

findings() { # of a problem: clip and the other clip
    awk -F '\t' -v want="$1" '$1 == want && NF == 6 { print $2, $6 }' <<< "$output"
}

@test "a folder's faults are named, and the list leaves them out" {
    run --separate-stderr "$SOTTO" data lint words -o list.txt
    [ "$status" -eq 0 ]
    [ "$(findings unreadable)" = "low/text.wav " ]
    [ "$(findings silent)" = "low/still_nohash_0.wav " ]
    [[ "$(findings duplicate)" == "low/"*" low/"* ]]
    [ "$(grep -c '^[^#].*# duplicate' list.txt)" -eq 1 ]
    run --separate-stderr "$SOTTO" data import words --exclude list.txt -o clean.h5
    [ "$status" -eq 0 ]
    [ "$(awk '$1 == "excluded" { print $2 }' <<< "$output")" -eq 3 ]
    [ "$(awk '$1 == "twins_across_splits" { print $2 }' <<< "$output")" -eq 0 ]
    # What was left out when the pack was made may be named again in training.
    run --separate-stderr "$SOTTO" train ds_cnn data.pack=clean.h5 data.keywords=low,high \
        data.exclude=list.txt train.epochs=1 train.warmup_epochs=0 -o run
    [ "$status" -eq 0 ]
    run --separate-stderr "$SOTTO" data lint clean.h5 --kinds silent,duplicate,unreadable \
        --fail silent,duplicate
    [ "$status" -eq 0 ]
}

@test "a run ranks clips in which it hears another word" {
    "$SOTTO" data import -q words -o words.h5 >/dev/null
    "$SOTTO" train -q tc_resnet8 data.pack=words.h5 data.keywords=low,high train.epochs=12 \
        train.warmup_epochs=1 -o run \
        >/dev/null
    rm words/low/text.wav
    wrong=$(ls words/low | sed -n 7p)
    mv "words/low/$wrong" "words/high/wrong_nohash_0.wav"
    run --separate-stderr "$SOTTO" data lint words --run run --kinds suspect -o list.txt
    [ "$status" -eq 0 ]
    grep -q "high/wrong_nohash_0.wav.*heard as low" list.txt
}

@test "names that match nothing are told" {
    rm words/low/text.wav
    echo "low/nobody.wav # no such clip" > list.txt
    run --separate-stderr "$SOTTO" data import words --exclude list.txt -o words.h5
    [ "$status" -eq 0 ]
    [[ "$stderr" == *"warning: list.txt: 'low/nobody' names nothing here"* ]]
    run --separate-stderr "$SOTTO" train ds_cnn data.pack=words.h5 data.keywords=low,high \
        data.exclude=list.txt train.epochs=1 train.warmup_epochs=0 -o run
    [ "$status" -eq 3 ]
    [[ "$stderr" == *"data.exclude = 'list.txt': 'low/nobody' is no clip of '"*"words.h5'"* ]]
    [ ! -e run ]
    echo "nobody" > list.txt
    run --separate-stderr "$SOTTO" data import words --exclude list.txt -o words.h5
    [ "$status" -eq 3 ]
    [[ "$stderr" == *"list.txt:1: 'nobody' names no clip"* ]]
}

@test "a gate, and what is asked wrongly" {
    run --separate-stderr "$SOTTO" data lint words --fail duplicate
    [ "$status" -eq 4 ]
    [[ "$output" == *duplicate* ]]
    run --separate-stderr "$SOTTO" data lint words --kinds duplicates
    [ "$status" -eq 2 ]
    [[ "$stderr" == *"'duplicates' is no problem"*"did you mean duplicate?"* ]]
    run --separate-stderr "$SOTTO" data lint words --kinds suspect
    [ "$status" -eq 2 ]
    [[ "$stderr" == *"--run RUN"* ]]
    run --separate-stderr "$SOTTO" data lint nowhere.h5
    [ "$status" -eq 3 ]
    run --separate-stderr "$SOTTO" data lint words --words low,hihg
    [ "$status" -eq 2 ]
}
