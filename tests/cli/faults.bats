# Runs among faults: kill -9 at random moments, a full disk, a folder that cannot be written, a
# damaged index, a clock that was set back. Nothing is lost, nothing stays wedged, what is damaged is
# named. Two promotions at once, and a registry killed, are in registry.bats; a sweep in sweep.bats.
#
# SOTTO_FAULTS=N: how many runs are killed (each up to four times), 3 by default, and SOTTO_EPOCHS
# their length: from 5 s on they leave checkpoints by themselves.

bats_require_minimum_version 1.5.0

setup_file() {
    cd "$BATS_FILE_TMPDIR"
    : "${SOTTO:?run through tests/run.sh, or set SOTTO to the program}"
    "$BATS_TEST_DIRNAME/../tones.pl" tones
    "$SOTTO" data import -q tones -o tones.h5
    export SMALL="data.pack=$PWD/tones.h5 data.keywords=low,high model.width=8 train.batch=20
        train.warmup_epochs=0 train.ema=0.9 train.keep=best train.epochs=${SOTTO_EPOCHS:-12}"
    date +%s%N >begun
    "$SOTTO" train -q ds_cnn $SMALL -o whole
    echo $((($(date +%s%N) - $(cat begun)) / 1000000)) >milliseconds
}

setup() {
    cd "$BATS_FILE_TMPDIR"
}

state() { "$SOTTO" runs ls "$1" --format json | jq -r '.runs[0].state'; }

# The run is that which nothing disturbed: weights to the last bit, every epoch once, in the curve
# and in the events.
whole_run() { # RUN
    [ "$(state "$1")" = done ]
    h5diff whole/model.h5 "$1/model.h5" /weights
    h5diff whole/best.h5 "$1/best.h5" /weights
    strip='del(.seconds, .clips_per_s, .time)'
    diff <(jq -c "$strip" whole/metrics.jsonl) <(jq -c "$strip" "$1/metrics.jsonl")
    diff whole/confusion.json "$1/confusion.json"
    set -- "$1"/events.out.tfevents.*
    [ $# -eq 1 ]
    "$BATS_TEST_DIRNAME/../events.pl" "$1" | grep -v clips_per_s >events
    "$BATS_TEST_DIRNAME/../events.pl" whole/events.out.* | grep -v clips_per_s | diff - events
}

# Goes on until the run is done; at most 20 ms too late when killed after its end.
resume() { # RUN
    status=0
    "$SOTTO" train -q --resume "$1" >/dev/null 2>err || status=$?
    [ $status -ne 0 ] || return 0
    cat err
    [ $status -eq 3 ] # killed before it had a config: it says so, and begins again
    [ ! -e "$1" ] || [ "$(state "$1")" = damaged ]
    "$SOTTO" train -q ds_cnn $SMALL -o "$1" >/dev/null
}

# Kill what trains in `run`, and count under what state it left there.
kill_training() { # PID
    local code=0 left
    kill -9 "$1" 2>/dev/null || true
    wait "$1" || code=$?
    left=$([ ! -e run ] && echo nothing || state run)
    echo "$code $left" >>kills
    grep -qx 'nothing\|damaged\|interrupted\|done' <<<"$left"
}

killed() { # STATE: how many left that
    grep -c "^137 $1$" kills || true
}

@test "kill -9 at random moments of runs and of their resumption" {
    RANDOM=7
    ms=$(cat milliseconds)
    rm -f kills
    for k in $(seq "${SOTTO_FAULTS:-3}"); do
        rm -rf run
        "$SOTTO" train -q ds_cnn $SMALL -o run >/dev/null 2>&1 &
        for kill in $(seq $((1 + RANDOM % 4))); do
            pid=$! after=$((RANDOM * ms / 32768))
            [ $((RANDOM % 3)) -ne 0 ] || after=$((after / 50)) # as it is born
            sleep "$(printf '%d.%03d' $((after / 1000)) $((after % 1000)))"
            if [ $((RANDOM % 3)) -eq 0 ]; then
                kill -INT $pid 2>/dev/null || true # leaves a checkpoint inside of an epoch
                sleep "0.0$((RANDOM % 10))"
            fi
            kill_training $pid
            "$SOTTO" train -q --resume run >/dev/null 2>&1 &
        done
        kill_training $!
        resume run
        whole_run run
    done
    echo "# of $(wc -l <kills) kills $(killed '.*') hit, in $k runs. They left $(killed interrupted)" \
        "interrupted, $(killed done) done, $(killed damaged) damaged (no config yet)," \
        "$(killed nothing) with nothing. All runs went on to the same weights and curve." >&3
    [ "$(killed '.*')" -gt 0 ]
}

@test "a disk that fills at some moment: said, named, and the run goes on when there is room" {
    mkdir -p disk
    mount -t tmpfs -o size=8k tmpfs disk 2>/dev/null || skip "no file system can be mounted"
    full=0
    for size in 8 24 48 72 100 140 180; do
        mount -o remount,size=${size}k disk
        status=0
        "$SOTTO" train -q ds_cnn $SMALL -o disk/run >/dev/null 2>err || status=$?
        if [ $status -ne 0 ]; then
            full=$((full + 1))
            cat err
            [ $status -eq 1 ]
            grep -q "disk/run.*No space left" err
            if [ -e disk/run ]; then
                echo "$size KiB: $(state disk/run)"
                state disk/run | grep -qx 'failed\|interrupted\|damaged'
            fi
        fi
        mount -o remount,size=20m disk
        [ -e disk/run/DONE ] || resume disk/run
        whole_run disk/run
        rm -r disk/run
        [ -z "$(ls -A disk)" ]
    done
    umount disk
    [ $full -ge 3 ]
}

teardown_file() {
    umount "$BATS_FILE_TMPDIR/disk" 2>/dev/null || true
}

many() { # 70 runs
    rm -rf many
    for i in $(seq 70); do
        mkdir -p many/r$i
        cp whole/config.ini whole/manifest.json whole/metrics.jsonl many/r$i
    done
    touch many/r7/DONE # without a model: damaged
    sleep 1.1
}

@test "an index that is deleted or damaged changes nothing" {
    many
    "$SOTTO" runs ls many >want
    [ "$(wc -l <want)" -eq 71 ]
    grep "many/r7	.*damaged" want
    [ -s many/.index.sqlite ]
    index=many/.index.sqlite
    size=$(stat -c %s $index)
    for damage in "rm $index" "truncate -s 0 $index" "truncate -s 1000 $index" \
        "dd if=/dev/urandom of=$index bs=1 count=50 seek=0 conv=notrunc" \
        "dd if=/dev/urandom of=$index bs=1 count=99 seek=$((size / 2)) conv=notrunc" \
        "dd if=/dev/zero of=$index bs=1k count=8 seek=4 conv=notrunc" \
        "cp whole/model.h5 $index"; do
        $damage 2>/dev/null
        "$SOTTO" runs ls many | diff want -
        [ "$(sqlite3 $index 'select count(*) from runs' 2>/dev/null || echo 70)" = 70 ]
    done
    for k in 1 2 3 4; do # at once, while runs change
        (for j in 1 2 3; do "$SOTTO" runs ls many | wc -l; done >count.$k) &
        touch many/r$k/manifest.json
    done
    wait
    [ "$(cat count.* | sort | uniq -c | awk '{print $1 "x" $2}')" = 12x71 ]
}

@test "a folder that cannot be written is listed, and no run begins in it" {
    [ "$(id -u)" = 0 ] || skip "only root can become somebody else"
    command -v setpriv >/dev/null || skip "setpriv is absent"
    many
    "$SOTTO" runs ls many >want
    rm many/.index.sqlite
    as() { setpriv --reuid 65534 --regid 65534 --clear-groups "$@"; }
    cp "$SOTTO" sotto
    chmod -R a+rX . "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR"
    as ls many >/dev/null || skip "the folder of tests is closed to others"
    as ./sotto runs ls many | diff want -
    [ ! -e many/.index.sqlite ]
    run --separate-stderr as ./sotto train -q ds_cnn $SMALL -o many/new
    [ "$status" -eq 1 ]
    [[ "$stderr" == *many/new* ]]
    run --separate-stderr as ./sotto train -q --resume many/r1
    [ "$status" -eq 1 ]
    [[ "$stderr" == *many/r1* ]]
    ./sotto runs ls many | diff want -
}

@test "a clock that was set back: files from the future, and a run resumed in its past" {
    many
    find many -exec touch -d 2100-01-01 {} +
    sleep 1.1
    "$SOTTO" runs ls many >before
    echo "{\"epoch\":99,\"loss\":1}" >>many/r3/metrics.jsonl
    touch many/r4/DONE
    "$SOTTO" runs ls many >after
    [ "$(diff before after | grep -c '^>')" -eq 2 ]
    grep "many/r3	.*	99	" after
    grep "many/r4	.*damaged" after
    rm -rf run
    "$SOTTO" train -q ds_cnn $SMALL -o run >/dev/null 2>&1 &
    while [ ! -s run/metrics.jsonl ]; do sleep 0.05; done
    kill -INT $!
    wait $! || true
    find run -exec touch -d 2100-01-01 {} +
    sed -i 's/"started": "2/"started": "3/' run/manifest.json
    resume run
    whole_run run
}
