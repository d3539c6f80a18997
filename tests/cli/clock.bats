# A clock that is set back or forward, between commands and while they are at work: runs, sweeps,
# lists of runs, the registry. When a pipeline is due is in pipeline.bats.

bats_require_minimum_version 1.5.0

load clock

setup_file() {
    cd "$BATS_FILE_TMPDIR"
    : "${SOTTO:?run through tests/run.sh, or set SOTTO to the program}"
    "$BATS_TEST_DIRNAME/../tones.pl" tones
    "$SOTTO" data import -q tones -o tones.h5
    export SMALL="data.pack=$PWD/tones.h5 data.keywords=low,high model.width=8 train.batch=20
        train.warmup_epochs=0"
}

setup() {
    need_clock
    cd "$BATS_TEST_TMPDIR"
}

DAY=86400

# Waits until RUN has N epochs.
epochs() { # RUN N
    while [ "$(cat "$1/metrics.jsonl" 2>/dev/null | wc -l)" -lt "$2" ]; do sleep 0.02; done
}

@test "a run while the clock is set back a day, resumed a day before that" {
    "$SOTTO" train -q ds_cnn $SMALL train.epochs=40 -o whole >/dev/null
    echo +0d >now
    env $(clock @now) "$SOTTO" train -q ds_cnn $SMALL train.epochs=40 -o run >/dev/null 3>&- &
    epochs run 2
    echo -1d >now
    epochs run 8
    kill -INT $!
    wait $! || [ $? -eq 130 ]
    env $(clock -2d) "$SOTTO" runs ls run --format json | jq -e '.runs[0].state == "interrupted"'
    env $(clock -2d) "$SOTTO" train -q --resume run --format json >result.json
    h5diff whole/model.h5 run/model.h5 /weights
    same='del(.seconds, .clips_per_s, .time)'
    diff <(jq -c "$same" whole/metrics.jsonl) <(jq -c "$same" run/metrics.jsonl)
    # The clock was as it was, and what took how long is not of it.
    jq -s -e --argjson day $DAY '.[0].time - .[6].time > 0.9 * $day
        and .[6].time - .[39].time > 0.9 * $day
        and all(.[]; .seconds > 0 and .seconds < $day / 2)' run/metrics.jsonl
    jq -e --argjson day $DAY '.seconds > 0 and .seconds < $day / 2' result.json
    [ "$(ls run/events.out.tfevents.* | wc -l)" -eq 1 ]
    "$SOTTO" runs export run --format optuna -o study
    jq -s -e '.[1] | .datetime_complete >= .datetime_start' study
}

@test "a sweep of two workers a day apart, and a third from tomorrow that was killed" {
    "$SOTTO" sweep new ds_cnn $SMALL train.epochs=8 sweep.trials=8 sweep.stopping=asha \
        sweep.min_epochs=2 sweep.reduction=2 sweep.train.lr="log 1e-5 1e-2" -o s
    worker() { # CLOCK
        env $(clock "$1") setsid "$SOTTO" sweep run s -q --threads 1 >/dev/null 3>&- &
    }
    ASAN_OPTIONS="${ASAN_OPTIONS:-}:detect_leaks=0" # else a child that searches may wait for ever
    worker +1d
    until grep -q '"ask"' s/journal.jsonl; do sleep 0.01; done # long before its two epochs
    kill -9 -- "-$!"
    wait $! || true
    find s -exec touch -d tomorrow {} +
    worker +0d
    one=$!
    worker -1d
    wait $one
    wait $!
    "$SOTTO" sweep ls s --format json >ls.json
    [ "$(jq -c '[.told + .paused, .failed, .asked]' ls.json)" = '[8,0,0]' ]
    jq -s -e 'any(.[]; .event == "take" and .id == 1)' s/journal.jsonl
    [ "$(jq -r 'select(.event == "ask") | .worker' s/journal.jsonl | sort -u | wc -l)" -eq 3 ]
    # once at every rung, and trained no further than told
    [ -z "$(jq -r 'select(.event == "tell" or .event == "report") | "\(.id) \(.epochs)"' \
        s/journal.jsonl | sort | uniq -d)" ]
    for t in $(seq 8); do
        [ "$(wc -l <"s/trials/$t/metrics.jsonl")" -eq "$(jq ".trials[$((t - 1))].epochs" ls.json)" ]
    done
}

@test "runs that are new or changed after the clock was set back are seen" {
    "$SOTTO" train -q ds_cnn $SMALL train.epochs=2 -o whole >/dev/null
    for i in $(seq 70); do
        mkdir -p many/r$i
        cp whole/config.ini whole/manifest.json whole/metrics.jsonl many/r$i
    done
    find many -exec touch -d tomorrow {} +
    sleep 1.1 # what has just changed is not in the index
    env $(clock +1d) "$SOTTO" runs ls many >before
    [ "$(sqlite3 many/.index.sqlite 'select count(*) from runs' 2>/dev/null || echo 70)" -eq 70 ]
    echo '{"epoch":99,"loss":1}' >>many/r3/metrics.jsonl
    touch many/r4/DONE # without a model
    cp -r many/r5 many/new
    for when in -1d +0d +1d; do
        env $(clock $when) "$SOTTO" runs ls many >after
        [ "$(diff before after | grep -c '^>')" -eq 3 ]
        grep "many/r3	.*	99	" after
        grep "many/r4	.*damaged" after
        grep "many/new	.*interrupted" after
    done
}

@test "promotions by clocks that disagree: what was in production is told by their order" {
    mkdir run
    echo '[train]' >run/config.ini
    echo '{"sotto": "0.1", "command": "sotto train"}' >run/manifest.json
    echo '{"epoch":1,"val_accuracy":0.5}' >run/metrics.jsonl
    echo weights >run/model.h5
    touch run/DONE
    n=1
    for when in +1d +0d -1d; do
        env $(clock $when) "$SOTTO" registry add -q run --note "by $when"
        env $(clock $when) "$SOTTO" registry promote v$n --force --reason "by $when"
        n=$((n + 1))
    done
    jq -s -e '.[0].time > .[1].time and .[1].time > .[2].time' registry/journal.jsonl
    production() { "$SOTTO" registry ls --format json | jq -r '.versions[] | select(.alias == "production") | .version'; }
    [ "$(production)" = v3 ]
    env $(clock +2d) "$SOTTO" registry rollback
    [ "$(production)" = v2 ]
    env $(clock -2d) "$SOTTO" registry rollback
    [ "$(production)" = v1 ]
    [ "$(readlink registry/production)" = versions/v1 ]
    "$SOTTO" registry verify
}
