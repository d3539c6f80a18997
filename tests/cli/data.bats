# sotto data import, sotto data ls: folders become packs; what cannot be used is named.
bats_require_minimum_version 1.5.0

setup_file() {
    if command -v perl >/dev/null; then
        perl "$BATS_TEST_DIRNAME/../tones.pl" "$BATS_FILE_TMPDIR/words"
    fi
}

setup() {
    mkdir "$BATS_TEST_TMPDIR/here" && cd "$BATS_TEST_TMPDIR/here" || return 1 # bats keeps files beside
    root=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
    : "${SOTTO:=$root/build/sotto}"
    : "${SOTTO_SPEECH_COMMANDS:=$root/../shared/speech_commands}"
}

tones() {
    [ -d "$BATS_FILE_TMPDIR/words" ] || skip "perl is not there"
    cp -r "$BATS_FILE_TMPDIR/words" words
}

value() { # of that name in $output: name and value with a tab between them
    awk -F '\t' -v want="$1" '$1 == want { print $2 }' <<< "$output"
}

@test "a folder becomes a pack that ls counts by word and split" {
    tones
    run --separate-stderr "$SOTTO" data import words -o words.h5
    [ "$status" -eq 0 ]
    clips=$(find words -name '*_nohash_*.wav' | wc -l)
    [ "$(value clips)" -eq "$clips" ]
    [ "$(value words)" -eq 3 ]
    [ "$(value noise_recordings)" -eq 2 ]
    [ $(($(value train) + $(value validation) + $(value test))) -eq "$clips" ]
    [[ "$stderr" == *"a second"* ]]
    [[ "$stderr" != *skipped* ]]
    run --separate-stderr "$SOTTO" data ls words.h5
    [ "$status" -eq 0 ]
    [ "$(awk -F '\t' '$1 == "low" { print $2 + $3 + $4 }' <<< "$output")" -eq \
      "$(find words/low -name '*.wav' | wc -l)" ]
    run --separate-stderr "$SOTTO" data ls words.h5 --format json
    [ "$status" -eq 0 ]
    if command -v jq >/dev/null; then
        [ "$(jq '[.words[] | .train + .validation + .test] | add' <<< "$output")" -eq "$clips" ]
        [ "$(jq '.noise | length' <<< "$output")" -eq 2 ]
    fi
    run "$SOTTO" data ls words.h5 -v
    [[ "$output" == *"folder: words"* ]]
}

@test "what cannot be used is skipped and named" {
    tones
    echo "no sound at all" > words/low/text.wav
    : > words/low/nothing.wav
    cp words/high/"$(ls words/high | head -n 1)" words/low/cut.wav
    truncate -s 5000 words/low/cut.wav
    cp words/_background_noise_/"$(ls words/_background_noise_ | head -n 1)" words/low/endless.wav
    run --separate-stderr "$SOTTO" data import words -o words.h5 --max-seconds 1.5
    [ "$status" -eq 0 ]
    [ "$(value unreadable)" -eq 2 ]
    [ "$(value empty)" -eq 1 ]
    [ "$(value overlong)" -eq 1 ]
    for name in text.wav nothing.wav cut.wav endless.wav; do [[ "$stderr" == *"low/$name"* ]]; done
    run --separate-stderr "$SOTTO" data ls words.h5 --skipped
    [ "$status" -eq 0 ]
    [ "$(grep -c '\.wav' <<< "$output")" -eq 4 ]
}

@test "a pipe among the clips does not stop the import" {
    tones
    mkfifo words/low/pipe.wav
    run --separate-stderr timeout 20 "$SOTTO" data import words -o words.h5
    [ "$status" -eq 0 ]
    [ "$(value unreadable)" -eq 0 ]
}

@test "many skipped files are counted, and all named with -v" {
    tones
    for i in $(seq 30); do echo "text $i" > "words/low/text$i.wav"; done
    run --separate-stderr "$SOTTO" data import words -o words.h5
    [ "$status" -eq 0 ]
    [[ "$stderr" == *"30 unreadable"* ]]
    [ "$(grep -c 'low/text' <<< "$stderr")" -lt 10 ]
    [[ "$stderr" == *more* ]]
    run --separate-stderr "$SOTTO" data import words -o words.h5 -v
    [ "$(grep -c 'low/text' <<< "$stderr")" -eq 30 ]
}

@test "a folder that is missing, without words, or without one usable clip is bad data" {
    run --separate-stderr "$SOTTO" data import nowhere -o a.h5
    [ "$status" -eq 3 ]
    [[ "$stderr" == *"nowhere"*"No such file"*"hint: "* ]]
    mkdir empty
    run --separate-stderr "$SOTTO" data import empty -o a.h5
    [ "$status" -eq 3 ]
    [[ "$stderr" == *"holds no word"* ]]
    mkdir -p useless/yes
    echo text > useless/yes/a.wav
    run --separate-stderr "$SOTTO" data import useless -o a.h5
    [ "$status" -eq 3 ]
    [[ "$stderr" == *"no usable word"*"useless/yes/a.wav"* ]]
    [ "$(ls -A)" = "$(printf 'empty\nuseless')" ]
}

@test "a target that cannot be written fails and leaves what was there" {
    tones
    run --separate-stderr "$SOTTO" data import words -o /dev/full
    [ "$status" -eq 1 ]
    [[ "$stderr" == *"No space left on device"* ]]
    run --separate-stderr "$SOTTO" data import words -o no/such/folder/a.h5
    [ "$status" -eq 1 ]
    [[ "$stderr" == *"hint: "* ]]
    "$SOTTO" data import -q words -o a.h5 >/dev/null
    before=$(sha256sum a.h5)
    # A process may write 200 KB to a file: less than the samples of the folder need.
    run --separate-stderr bash -c 'trap "" XFSZ; ulimit -f 200; exec "$0" data import words -o a.h5' "$SOTTO"
    [ "$status" -eq 1 ]
    [[ "$stderr" == *"a.h5"* ]]
    [ "$(sha256sum a.h5)" = "$before" ]
    [ "$(ls -A)" = "$(printf 'a.h5\nwords')" ]
}

@test "usage: the output, the folder and the values are checked" {
    run --separate-stderr "$SOTTO" data import words
    [ "$status" -eq 2 ]
    run --separate-stderr "$SOTTO" data import -o a.h5
    [ "$status" -eq 2 ]
    run --separate-stderr "$SOTTO" data import words -o a.h5 --max-seconds 0
    [ "$status" -eq 2 ]
    [[ "$stderr" == *"--max-seconds"* ]]
}

@test "ls refuses what is no pack, or no longer a whole one" {
    tones
    run --separate-stderr "$SOTTO" data ls nowhere.h5
    [ "$status" -eq 3 ]
    [[ "$stderr" == *"nowhere.h5"*"sotto data import"* ]]
    echo text > text.h5
    run --separate-stderr "$SOTTO" data ls text.h5
    [ "$status" -eq 3 ]
    [[ "$stderr" == *"not an HDF5 file"* ]]
    "$SOTTO" data import -q words -o words.h5 >/dev/null
    truncate -s 90000 words.h5
    run --separate-stderr "$SOTTO" data ls words.h5
    [ "$status" -eq 3 ]
    [[ "$stderr" == *truncated* ]]
}

@test "an interrupt leaves nothing and says 130" {
    tones
    # So many words that the interrupt comes before the end.
    for i in $(seq 40); do
        for w in high low other; do ln -s $w "words/$w$i"; done
    done
    "$SOTTO" data import words -o words.h5 >/dev/null 2>stderr &
    pid=$!
    for _ in $(seq 100); do
        ls -A | grep -q '^\.words' && break
        sleep 0.01
    done
    kill -TERM $pid
    status=0
    wait $pid || status=$?
    [ "$status" -eq 130 ]
    [ "$(ls -A)" = "$(printf 'stderr\nwords')" ]
}

@test "real clips: flac is read, list files and hash agree" {
    [ -d "$SOTTO_SPEECH_COMMANDS/yes" ] ||
        skip "no Speech Commands at $SOTTO_SPEECH_COMMANDS"
    for w in yes no; do
        mkdir -p some/$w
        for f in $(ls "$SOTTO_SPEECH_COMMANDS/$w" | head -n 200); do
            ln -s "$SOTTO_SPEECH_COMMANDS/$w/$f" "some/$w/$f"
        done
    done
    run --separate-stderr "$SOTTO" data import some -o hash.h5
    [ "$status" -eq 0 ]
    [ "$(value clips)" -eq 400 ]
    by_hash="$(value train) $(value validation) $(value test)"
    cp "$SOTTO_SPEECH_COMMANDS"/*_list.txt some/
    run --separate-stderr "$SOTTO" data import some -o lists.h5
    [ "$by_hash" = "$(value train) $(value validation) $(value test)" ]
}
