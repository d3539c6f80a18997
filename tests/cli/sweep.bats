# Sweeps: trials asked and told from a shell, and trained by workers of which some are killed.

bats_require_minimum_version 1.5.0

setup_file() {
    cd "$BATS_FILE_TMPDIR"
    : "${SOTTO:?run through tests/run.sh, or set SOTTO to the program}"
    "$BATS_TEST_DIRNAME/../tones.pl" tones
    "$SOTTO" data import -q tones -o tones.h5
}

setup() {
    cd "$BATS_TEST_TMPDIR"
    printf '[sweep]\nmethod = grid\nmaximize = y\nminimize = k\na = 1 2\nb = u v\n' >fake.ini
}

@test "ask and tell drive a shell loop; ls names the best and the front" {
    "$SOTTO" sweep new fake.ini -o s
    n=0
    while t=$("$SOTTO" sweep ask s); do
        set -- $t
        echo "$2 $3" >>asked
        "$SOTTO" sweep tell s "$1" "y=0.$1" k=3
        n=$((n + 1))
    done
    [ "$n" -eq 4 ]
    [ "$(sort -u asked | wc -l)" -eq 4 ]
    grep -qx 'a=2 b=v' asked
    run --separate-stderr "$SOTTO" sweep ls s --format json
    [ "$(echo "$output" | jq .best)" -eq 4 ]
    [ "$(echo "$output" | jq -c '[.trials[] | select(.front) | .trial]')" = '[4]' ]
}

@test "what is wrong is refused" {
    run --separate-stderr "$SOTTO" sweep new fake.ini sweep.x="log 0 1" -o s
    [ "$status" -eq 2 ]
    [[ "$stderr" == *"sweep.x = 'log 0 1'"* ]]
    run --separate-stderr "$SOTTO" sweep new fake.ini sweep.trails=5 -o s
    [ "$status" -eq 2 ]
    [[ "$stderr" == *"trails is no setting of a sweep"*"did you mean trials?"* ]]
    run --separate-stderr "$SOTTO" sweep ls nowhere
    [ "$status" -eq 3 ]
    "$SOTTO" sweep new fake.ini -o s
    run --separate-stderr "$SOTTO" sweep tell s 1 y=1
    [ "$status" -eq 2 ]
    run --separate-stderr "$SOTTO" sweep new fake.ini -o s
    [ "$status" -eq 2 ]
}

@test "a sweep that is killed goes on and trains every trial" {
    "$SOTTO" sweep new ds_cnn data.pack="$BATS_FILE_TMPDIR/tones.h5" data.keywords=low,high \
        train.epochs=3 train.batch=20 train.warmup_epochs=0 sweep.trials=4 \
        sweep.train.lr="log 1e-4 1e-2" sweep.model.width="8 12" -o s
    "$SOTTO" sweep run s -j 2 3>&- &
    sleep 0.3
    kill -9 $! || true
    "$SOTTO" sweep run s -j 2
    "$SOTTO" sweep run s
    run --separate-stderr "$SOTTO" sweep ls s --format json
    [ "$(echo "$output" | jq '[.trials[] | select(.state == "told")] | length')" -eq 4 ]
    [ "$(find s/trials -name DONE | wc -l)" -eq 4 ]
}
