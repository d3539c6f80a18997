# sotto init: a config that says what a keyword product needs, asked for or by options.

bats_require_minimum_version 1.5.0

load out

setup_file() { : "${SOTTO:?run through tests/run.sh, or set SOTTO to the program}"; }

@test "what it writes reads back, and trains as the recipe does" {
    cd "$out"
    for name in ds_cnn murmur; do
        run --separate-stderr "$SOTTO" init "$name.ini" --model $name --format json \
            --task "commands to a lamp" --business "support calls avoided" --flash-kb 48.5 \
            --keywords yes,no --current-ma none 'gates.recall.yes >= 0.9' train.epochs=7
        [ "$status" -eq 0 ]
        echo "$output" | jq -e '.gates == 6 and .board == "nucleo-l4r5zi" and .keywords == "yes,no"'
        [[ "$stderr" == *"left empty in [problem]: retraining"* ]]
        "$SOTTO" train $name.ini --print-config >mine
        "$SOTTO" train $name data.keywords=yes,no train.epochs=7 --print-config >recipe
        grep -qx 'flash_kb <= 48.5' mine
        grep -qx 'recall.yes >= 0.9' mine
        grep -qx 'task = commands to a lamp' mine
        ! grep -q current_ma mine
        for f in mine recipe; do
            awk '/^\[/ { skip = /problem|target|gates/ } !skip' $f >$f.rest
        done
        cmp mine.rest recipe.rest
    done
}

@test "a file that is there stays as it is without --force" {
    cd "$out"
    echo precious >kws.ini
    run --separate-stderr "$SOTTO" init
    [ "$status" -eq 2 ]
    [[ "$stderr" == *"'kws.ini' is there already"*"--force"* ]]
    [ "$(cat kws.ini)" = precious ]
    "$SOTTO" init -q --force
    grep -qx 'accuracy >= 0.93' kws.ini
    [ "$(ls -A)" = kws.ini ]
}

@test "what it refuses leaves no file" {
    refused 2 "--board: unknown board 'nucleo-l4r5z'" init "$out/a.ini" --board nucleo-l4r5z
    refused 2 "gates.accuracy >= '93'" init "$out/a.ini" --accuracy 93
    refused 2 "there is no such gate" init "$out/a.ini" 'gates.acuracy>=0.9'
    refused 2 "--model" init "$out/a.ini" --model
    refused 2 "ds_cn" init "$out/a.ini" --model ds_cn
    refused 2 "--keywords" init "$out/a.ini" --keywords a/b
    refused 2 "unknown key 'train.lrr'" init "$out/a.ini" train.lrr=1
    refused 2 "one file" init "$out/a.ini" -o "$out/b.ini"
    refused 1 "$out/none/a.ini" init "$out/none/a.ini"
    run bash -c "ulimit -f 1; trap '' XFSZ; exec '$SOTTO' init -q '$out/a.ini'"
    [ "$status" -eq 1 ]
    [ -z "$(ls -A "$out")" ]
}

@test "on a terminal it asks, and asks again after a wrong answer" {
    command -v script >/dev/null || skip "script (util-linux) is not installed"
    script -qec true /dev/null </dev/null >/dev/null 2>&1 || skip "no pseudo-terminal can be had here"
    cd "$out"
    { # task keywords business proxy before after retraining board rate accuracy(2) flash ...
        printf 'to a lamp\n\ncalls\n\n\nreturns\nmonthly\nbluepil\nbluepill\n20\n'
        printf '95\n0.95\n32\nnone\n\n2\n1.5\n\n'
    } >answers
    script -qec "'$SOTTO' init kws.ini" /dev/null <answers >talk
    grep -q "did you mean bluepill" talk
    grep -q "0.93 stands for 93 %" talk
    for line in 'task = to a lamp' 'after_deployment = returns' 'retraining = monthly' \
        'board = bluepill' 'inferences_per_second = 20' 'accuracy >= 0.95' 'flash_kb <= 32' \
        'latency_ms <= 50' 'fa_per_hour <= 2' 'current_ma <= 1.5' \
        'keywords = yes,no,up,down,left,right,go,stop'; do
        grep -qx "$line" kws.ini || { echo "no '$line'"; cat kws.ini; false; }
    done
    ! grep -q ram_kb kws.ini
    # The end of the answers in the middle: nothing is written.
    printf 'to a lamp\n\004' | script -qec "'$SOTTO' init other.ini" /dev/null >talk || true
    grep -q "nothing was written" talk
    [ ! -e other.ini ]
}
