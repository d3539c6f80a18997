# sotto pipeline: what is skipped and why the rest runs, what is promoted and what is refused, and that
# kills, damage and company do no harm. Words are tones (tests/tones.pl).

bats_require_minimum_version 1.5.0

load clock

setup_file() {
    cd "$BATS_FILE_TMPDIR"
    : "${SOTTO:?run through tests/run.sh, or set SOTTO to the program}"
    "$BATS_TEST_DIRNAME/../tones.pl" tones
    cat >kws.ini <<'END'
[data]
keywords = low,high
[target]
board = bluepill
[gates]
accuracy >= 0.5
flash_kb <= 64
[model]
arch = linear
[train]
fit = lda
epochs = 1
batch = 20
warmup_epochs = 0
lr = 0.005
[pipeline]
words = tones
END
    mkdir first
    cp -r tones kws.ini first
    (cd first && "$SOTTO" pipeline kws.ini --format json >first.json)
}

teardown() {
    umount "$BATS_TEST_TMPDIR/first/disk" 2>/dev/null || true
}

# A product that has been once round: tones, kws.ini, product with v1 in production.
setup() {
    cp -r "$BATS_FILE_TMPDIR/first" "$BATS_TEST_TMPDIR/"
    cd "$BATS_TEST_TMPDIR/first"
}

# One that learns for long enough to be killed.
deep="model.arch=ds_cnn model.width=4 train.fit=no"

pipe() { # WANTED OPTIONS: its exit code; out.json, err.txt
    want=$1
    shift
    code=0
    "$SOTTO" pipeline kws.ini --format json "$@" >out.json 2>err.txt || code=$?
    cat out.json err.txt
    [ "$code" -eq "$want" ]
}

ran() { jq -r '[.stages[] | select(.action == "ran") | .stage] | join(" ")' out.json; }
why() { jq -r --arg s "$1" '.stages[] | select(.stage == $s) | .why' out.json; }
verdict() { jq -r .verdict out.json; }
production() { readlink product/registry/production; }

add_clips() { # N: by speakers that were not there, of the training split by the hash
    n=0
    for f in tones/high/*; do
        [ "$n" -lt "$1" ] || break
        n=$((n + 1))
        # The last byte differs, so no clip equals another.
        head -c -1 "$f" >tones/high/"$(printf '%08x' $((0xa00000 + 131 * n)))_nohash_0.wav"
        printf "\\$(printf %03o $((n % 8 + 1)))" \
            >>tones/high/"$(printf '%08x' $((0xa00000 + 131 * n)))_nohash_0.wav"
    done
}

@test "the first round: all stages, one log, a version in production whose files verify" {
    jq -e '.verdict == "promoted" and .version == "v1" and .production == "v1"' first.json
    jq -e '[.stages[].stage] == ["import", "freeze", "lint", "train", "evaluate", "quantize",
        "estimate", "gates", "export", "register", "promote"]' first.json
    jq -e 'all(.stages[]; .action == "ran")' first.json
    [ "$(production)" = versions/v1 ]
    "$SOTTO" registry verify --registry product/registry
    cmp product/model.int8.h5 product/registry/versions/v1/model.int8.h5
    cmp product/kws_model.h product/registry/versions/v1/kws_model.h
    [ "$(grep -c ' verdict: ' product/log.txt)" -eq 1 ]
    [ -z "$(grep -vE '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}Z [0-9]+ .' product/log.txt)" ]
    (cd tones && sha256sum -c --quiet ../product/clips.sha256)
    # What is trained on and what is measured on are apart.
    "$SOTTO" data ls product/words.h5 --format json >w.json
    "$SOTTO" data ls product/test.h5 --format json >t.json
    "$SOTTO" data import -q tones -o all.h5
    "$SOTTO" data ls all.h5 --format json >a.json
    counts() { jq -c --arg s "$1" '[.words[][$s]] | add' "$2"; }
    for s in train validation test; do
        if [ $s = test ]; then pack=t.json other=w.json; else pack=w.json other=t.json; fi
        [ "$(counts $s $pack)" -eq "$(counts $s a.json)" ]
        [ "$(counts $s $other)" -eq 0 ]
    done
}

@test "again: all is skipped, also when files are only touched; --dry-run writes nothing" {
    find tones kws.ini -type f -exec touch {} +
    find product -type f -exec sha256sum {} + | sort >before
    pipe 0 --dry-run
    [ "$(jq -r '[.stages[].action] | unique | join(" ")' out.json)" = skipped ]
    find product -type f -exec sha256sum {} + | sort | cmp before -
    pipe 0
    [ "$(ran)" = "" ]
    [ "$(verdict)" = unchanged ]
    [ "$(ls product/registry/versions)" = v1 ]
    [ "$(grep -c ' verdict: ' product/log.txt)" -eq 2 ]
    # Nowhere else, nothing at all.
    pipe 0 --dry-run -o other
    jq -e 'all(.stages[]; .action == "would run")' out.json
    [ ! -e other ]
}

@test "each input makes run what depends on it, and says so" {
    pipe 0 'gates.flash_kb<=63'
    [ "$(ran)" = gates ]
    [ "$(why gates)" = "[gates] changed" ]
    pipe 0 pipeline.promote=always
    [ "$(ran)" = gates ]
    pipe 0 pipeline.export='--threshold 0.7' pipeline.promote=always
    [ "$(ran)" = export ]
    [ "$(why export)" = "pipeline.export changed" ]
    grep -q 'sotto export .*--threshold 0.7$' product/log.txt
    pipe 0 pipeline.quantize='--range minmax' pipeline.promote=always --dry-run
    [ "$(jq -r '.stages[] | select(.action == "would run") | .stage' out.json | head -n 1)" = quantize ]
    pipe 0 train.l2=0.5 pipeline.promote=always
    [ "$(why train)" = "[train] changed" ]
    [ "$(ran)" = "train evaluate quantize estimate gates export register promote" ]
    [ "$(production)" = versions/v2 ]
}

@test "new clips: counted, trained on, compared with production on the frozen test set" {
    sha256sum product/test.h5 >frozen
    add_clips 20
    pipe 0 --dry-run
    [ "$(why import)" = "words: 20 new clips, 0 changed, 0 removed" ]
    code=0
    "$SOTTO" pipeline kws.ini --format json >out.json 2>err.txt || code=$?
    cat out.json
    [[ "$(ran)" == "import lint train "*" compare "* ]]
    [ "$(why freeze)" = frozen ]
    sha256sum -c frozen
    # The comparison is that of sotto runs compare, and the verdict follows from it.
    "$SOTTO" runs compare product/model.int8.h5 product/registry/versions/v1/model.int8.h5 \
        --pack product/test.h5 --format json >c.json
    more=$(jq '.models[0].correct >= .models[1].correct' c.json)
    if [ "$more" = true ]; then
        [ "$code" -eq 0 ] && [ "$(production)" = versions/v2 ]
    else
        [ "$code" -eq 4 ] && [ "$(production)" = versions/v1 ]
    fi
    [ "$(readlink product/registry/production product/registry/candidate | grep -c v2)" -eq 1 ]
}

@test "a gate that is not met, and a model that is worse, leave production as it is" {
    pipe 4 'gates.flash_kb<=1'
    [ "$(verdict)" = refused ]
    [[ "$(cat err.txt)" == *"1 of 2 gates are not met: flash_kb"* ]]
    [ "$(ls product/registry/versions)" = v1 ]
    jq -e '.production == "v1" and .version == ""' out.json
    # Without a step to learn in, it guesses.
    pipe 4 train.fit=no train.lr=1e-8 train.final_lr=0 'gates.accuracy>=0'
    [ "$(verdict)" = refused ]
    [[ "$(why compare)" == "not done yet" ]]
    jq -e '.why | test("^against v1: right alone on [0-9]+ test clips, production alone on .*worse")' out.json
    [ "$(production)" = versions/v1 ]
    [ "$(readlink product/registry/candidate)" = versions/v2 ]
    # It stays refused, and is no third version.
    pipe 4 train.fit=no train.lr=1e-8 train.final_lr=0 'gates.accuracy>=0'
    [ "$(ran)" = promote ]
    [ "$(ls product/registry/versions | wc -l)" -eq 2 ]
    pipe 4 train.fit=no train.lr=1e-8 train.final_lr=0 'gates.accuracy>=0' pipeline.promote=not_worse
    pipe 0 train.fit=no train.lr=1e-8 train.final_lr=0 'gates.accuracy>=0' pipeline.promote=always
    [ "$(production)" = versions/v2 ]
    # What somebody took back does not return of itself.
    "$SOTTO" registry rollback --registry product/registry
    pipe 4 train.fit=no train.lr=1e-8 train.final_lr=0 'gates.accuracy>=0' pipeline.promote=always
    jq -e '.why | test("v2 was in production and was taken back")' out.json
    [ "$(production)" = versions/v1 ]
}

@test "two at once: the second is told to try again" {
    exec 9>product/lock
    flock 9
    pipe 75 9>&-
    [[ "$(cat err.txt)" == *"another pipeline is at work"* ]]
    exec 9>&-
    pipe 0
}

@test "kill -9 in the middle of training: the next goes on from the checkpoint" {
    rm -r product
    "$SOTTO" pipeline kws.ini $deep train.epochs=60 >/dev/null 2>&1 3>&- &
    pid=$!
    for i in $(seq 2000); do
        run=$(echo product/runs/*)
        [ "$(cat "$run/metrics.jsonl" 2>/dev/null | wc -l)" -lt 3 ] || break
        sleep 0.02
    done
    kill -9 $pid
    wait $pid || true
    [ ! -e "$run/DONE" ]
    pipe 0 $deep train.epochs=60
    [ "$(verdict)" = promoted ]
    grep -q "sotto train .*--resume $run" product/log.txt
    [ "$(ls product/runs)" = "$(basename "$run")" ]
    # The same model as without, byte for byte.
    mv product killed
    pipe 0 $deep train.epochs=60
    cmp "$run/model.h5" "killed/runs/$(basename "$run")/model.h5"
}

@test "a promotion killed between the journal and its link is brought to its end" {
    rm product/registry/production
    pipe 0 --dry-run
    [ ! -e product/registry/production ]
    pipe 0
    [ "$(verdict)" = unchanged ]
    [ "$(production)" = versions/v1 ]
}

@test "kill -9 at random moments: what comes of it in the end is the same" {
    rm -r product
    start=$(date +%s%N)
    pipe 0
    took=$(($(date +%s%N) - start)) # of all of it, alone
    cp -r product once
    for i in 1 2 3 4 5; do
        rm -r product
        for k in 1 2; do
            "$SOTTO" pipeline kws.ini >/dev/null 2>&1 3>&- &
            pid=$!
            sleep "$(awk -v t="$took" -v r=$RANDOM 'BEGIN { print t * r / 32768 / 1e9 }')"
            kill -9 $pid 2>/dev/null || true
            wait $pid 2>/dev/null || true
        done
        pipe 0
        [ "$(production)" = versions/v1 ]
        [ "$(ls product/registry/versions product/runs | grep -c .)" -eq 4 ] # two names, one of each
        "$SOTTO" registry verify --registry product/registry >/dev/null
        [ "$(jq -r .verdict product/verdict.json)" = "$(verdict)" ]
        for f in model.int8.h5 kws_model.h exclude.txt clips.sha256; do cmp product/$f once/$f; done
    done
}

@test "a disk that fills at some moment: said, and the next one goes on to the same" {
    need=$(du -sk product | cut -f 1)
    mkdir disk
    mount -t tmpfs -o size=4k tmpfs disk 2>/dev/null || skip "no file system can be mounted"
    full=0
    for short in $((need - 4)) $((need / 2)) 500 150 90 50 20 8; do # KiB that there are too few
        mount -o remount,size=$((need - short))k disk
        code=0
        "$SOTTO" pipeline kws.ini -o disk/product >/dev/null 2>err.txt || code=$?
        if [ $code -ne 0 ]; then
            full=$((full + 1))
            head -n 1 err.txt
            [ $code -eq 1 ]
            grep -q "cannot write 'disk/product.*No space left" err.txt
        fi
        mount -o remount,size=30m disk
        pipe 0 -o disk/product
        [ "$(readlink disk/product/registry/production)" = versions/v1 ]
        [ "$(ls -A disk/product/registry/versions)" = v1 ]
        "$SOTTO" registry verify --registry disk/product/registry >/dev/null
        cmp disk/product/clips.sha256 product/clips.sha256
        h5diff disk/product/model.int8.h5 product/model.int8.h5 /q8
        rm -r disk/product
    done
    [ $full -ge 4 ]
}

@test "stopped in the middle: it says so, and leaves a checkpoint" {
    "$SOTTO" pipeline kws.ini $deep train.epochs=300 >/dev/null 2>err.txt 3>&- &
    pid=$!
    for i in $(seq 200); do
        run=$(ls -d product/runs/* | tail -n 1)
        [ "$(ls product/runs | wc -l)" -lt 2 ] || ! ls product/runs/*/metrics.jsonl | xargs wc -l | grep -q ' [2-9] ' || break
        sleep 0.1
    done
    kill -TERM $pid
    code=0
    wait $pid || code=$?
    [ "$code" -eq 130 ]
    tail -n 1 product/log.txt | grep -q 'verdict: interrupted: '
    [ "$(ls product/runs/*/INTERRUPTED | wc -l)" -eq 1 ]
    [ "$(production)" = versions/v1 ]
}

@test "a damaged stamp or file makes its stage run again; a damaged test set is refused" {
    echo '{"inputs":' >product/stamps/estimate.json
    rm product/stamps/evaluate.json
    echo x >>product/kws_model.h
    pipe 0
    [ "$(ran)" = "evaluate estimate export" ]
    [ "$(why estimate)" = "its stamp is damaged" ]
    [ "$(why evaluate)" = "not done yet" ]
    [ "$(why export)" = "kws_model.h is not as it was" ]
    cmp product/kws_model.h product/registry/versions/v1/kws_model.h
    # A run that is gone is trained again to the same bytes, so nothing is promoted.
    pipe 0 -o q
    rm -r q/runs/*
    pipe 0 -o q
    [ "$(ran)" = train ]
    [ "$(verdict)" = unchanged ]
    cp product/test.h5 kept.h5
    echo x >>product/test.h5
    pipe 6
    [[ "$(cat err.txt)" == *"the frozen test set, is not as it was"*"--refreeze"* ]]
    rm product/test.h5
    pipe 3
    cp kept.h5 product/test.h5
    rm product/stamps/freeze.json
    pipe 0
    [[ "$(cat err.txt)" == *"stamp of product/test.h5 was lost"* ]]
    [ "$(grep -c ' verdict: failed: ' product/log.txt)" -eq 2 ]
}

@test "the test folder changes: the frozen set counts until --refreeze" {
    mkdir tests
    cp -r tones/low tones/high tones/other tests
    for w in low high other; do ls tests/$w | tail -n +9 | sed "s|^|tests/$w/|" | xargs rm; done
    pipe 0 pipeline.test=tests -o q
    rm tests/low/"$(ls tests/low | head -n 1)"
    pipe 0 pipeline.test=tests -o q
    [ "$(ran)" = "" ]
    [[ "$(cat err.txt)" == *"'tests' has changed since q/test.h5 was frozen"* ]]
    one=$(sha256sum <q/test.h5)
    pipe 0 pipeline.test=tests -o q --refreeze
    # A clip that is no test clip any more is trained on again.
    [[ "$(ran)" == "freeze lint train evaluate "*" compare "* ]]
    [ "$(sha256sum <q/test.h5)" != "$one" ]
    pipe 0 pipeline.test=tests -o q
    [ "$(ran)" = "" ]
    [[ "$(cat err.txt)" != *"has changed"* ]]
}

@test "clips that equal one of the test set are left out of training; so is data.exclude" {
    mkdir tests
    cp -r tones/low tones/high tones/other tests
    for w in low high other; do ls tests/$w | tail -n +9 | sed "s|^|tests/$w/|" | xargs rm; done
    # Of tones, the training clips among these 24 are in the test set too.
    ls tones/high | tail -n 3 | sed 's|.*|high/& # a cough|' >mine.txt
    pipe 0 pipeline.test=tests data.exclude=mine.txt -o q
    n=$(grep -c 'equal to a clip of the test set' q/exclude.txt)
    [ "$n" -ge 15 ] && [ "$n" -le 24 ]
    m=$(grep -c '# data.exclude' q/exclude.txt) # those of the test speakers are in no pack
    [ "$m" -ge 1 ] && [ "$m" -le 3 ]
    grep -v '^#' q/exclude.txt | sed 's/ #.*//' | while read -r c; do
        [ -e "tests/$c" ] || grep -q "$c" mine.txt
    done
    jq -e --argjson n "$n" --argjson m "$m" '.result.equal_to_test == $n
        and .result.left_out == $n + $m' q/stamps/lint.json
    echo >>mine.txt
    pipe 0 pipeline.test=tests data.exclude=mine.txt -o q
    [ "$(ran)" = lint ]
    [ "$(why lint)" = "data.exclude changed" ]
}

@test "--if-due: new clips, or days, or a run that did not end" {
    pipe 2 --if-due
    pipe 0 'problem.retraining=each quarter'
    jq -e '.next_due == "each quarter"' out.json
    pipe 0 --if-due pipeline.new_clips=5 pipeline.every_days=30
    jq -e '.verdict == "not due" and (.why | startswith("0 of 5 new clips, 0.00 of 30 days"))' out.json
    add_clips 4
    pipe 0 --if-due pipeline.new_clips=5
    [ "$(verdict)" = "not due" ]
    pipe 0 --if-due pipeline.every_days=30 pipeline.new_clips=4 pipeline.promote=always
    [ "$(verdict)" = promoted ]
    jq -e '.next_due | test("^[0-9-]{10} or after 4 new clips$")' out.json
    sed -i 's/"time": "[0-9]*/"time": "2020/' product/verdict.json
    pipe 0 --if-due pipeline.every_days=30 pipeline.promote=always
    [ "$(verdict)" = unchanged ]
    sed -i 's/"unchanged"/"running"/' product/verdict.json
    pipe 0 --if-due pipeline.every_days=30 pipeline.promote=always
    [ "$(verdict)" = unchanged ]
}

@test "--if-due after the clock was set: a last run that is yet to come is no reason to wait" {
    sed -i 's/"time": "[0-9]*/"time": "2999/' product/verdict.json
    pipe 0 --if-due pipeline.new_clips=5 # days do not count
    [ "$(verdict)" = "not due" ]
    [ ! -s err.txt ]
    pipe 0 --if-due --dry-run pipeline.every_days=30
    [[ "$(cat err.txt)" == *"warning: the last run is dated 2999-"*", which is yet to come: it is due" ]]
    pipe 0 --if-due pipeline.every_days=30
    [ "$(verdict)" = unchanged ] && [ "$(ran)" = "" ]
    grep -q ' due: the last run is dated 2999-' product/log.txt
    # It is dated anew, so the next is as ever.
    pipe 0 --if-due pipeline.every_days=30
    [ "$(verdict)" = "not due" ]
    [ ! -s err.txt ]
}

@test "--if-due by clocks that are set forward, and back again" {
    need_clock
    due() { # CLOCK VERDICT
        env $(clock "$1") "$SOTTO" pipeline kws.ini --if-due pipeline.every_days=30 --format json \
            >out.json 2>err.txt
        cat out.json err.txt
        [ "$(verdict)" = "$2" ]
    }
    due +29d "not due"
    due +31d unchanged
    jq -e --arg day "$(date -u -d '+60 days' +%F)" '.next_due >= $day' out.json
    due +60d "not due"
    due -1d unchanged # set back by a month: dated anew
    grep -q 'yet to come' err.txt
    jq -e --arg day "$(date -u -d '+30 days' +%F)" '.next_due <= $day' out.json
    due +0d "not due"
    due +28d "not due"
    due +30d unchanged
    [ "$("$SOTTO" registry ls --registry product/registry --format json | jq '.versions | length')" -eq 1 ]
}

@test "what cannot be done is said, and written down" {
    pipe 2 pipeline.words=
    pipe 2 pipeline.promote=never
    sed '/^accuracy\|^flash/d' kws.ini >none.ini
    run --separate-stderr "$SOTTO" pipeline none.ini
    [ "$status" -eq 2 ]
    [[ "$stderr" == *"has no [gates]"* ]]
    pipe 3 pipeline.words=nowhere
    [[ "$(cat err.txt)" == *"nowhere"* ]]
    # A stage's own words and kind of failure.
    pipe 3 data.keywords=low,lwo
    [[ "$(cat err.txt)" == *"train: "*"lwo"* ]]
    tail -n 1 product/log.txt | grep -q 'verdict: failed: train: '
    pipe 3 data.keywords=high,low
    [[ "$(cat err.txt)" == *"compare: "*"other classes"*"pipeline.promote=always"* ]]
    pipe 0
    # Another process promotes while this one compares.
    run "$SOTTO" registry promote v1 --registry product/registry --as candidate --replacing v9
    [ "$status" -eq 75 ]
    [ "$(production)" = versions/v1 ]
    if [ "$(id -u)" -ne 0 ]; then
        chmod -R a-w product
        pipe 1
        pipe 0 --dry-run
        chmod -R u+w product
    fi
    run bash -c "ulimit -f 0; trap '' XFSZ; '$SOTTO' pipeline kws.ini"
    [ "$status" -eq 1 ]
    pipe 0
    [ "$(verdict)" = unchanged ]
}

block() { # KIND: what README shows as that
    awk -v kind="$1" '/^```/ && on { exit } on; $0 == "```" kind { on = 1 }' \
        "$BATS_TEST_DIRNAME/../../README.md"
}

@test "the files that README shows for cron, make and a CI service work" {
    mkdir bin firmware
    ln -s "$SOTTO" bin/sotto
    printf 'every_days = 30\n' >>kws.ini
    # cron: an environment with next to nothing in it.
    line=$(block cron | sed "s|.*\* \* \*  ||; s|/srv/lamp|$PWD|")
    [[ "$line" == *"sotto pipeline"* ]]
    run --separate-stderr env -i HOME=/nonexistent PATH="$PWD/bin:/usr/bin:/bin" sh -c "$line"
    [ "$status" -eq 0 ] && [ -z "$output$stderr" ]
    tail -n 1 product/log.txt | grep -q 'verdict: not due: '
    # make: firmware gets the model of production, and none that is refused.
    block make >Makefile
    PATH="$PWD/bin:$PATH" make firmware/kws_model.h >/dev/null
    cmp firmware/kws_model.h product/registry/versions/v1/kws_model.h
    sed -i 's/^flash_kb <= 64/flash_kb <= 1/' kws.ini
    rm firmware/kws_model.h
    run env PATH="$PWD/bin:$PATH" make firmware/kws_model.h
    [ "$status" -ne 0 ]
    [[ "$output" == *"gates are not met: flash_kb"* ]]
    [ ! -e firmware/kws_model.h ]
    sed -i 's/^flash_kb <= 1/flash_kb <= 64/' kws.ini
    # CI: its one command of a shell.
    block yaml >model.yml
    line=$(sed -n "s|^ *- run: ||; s|/srv/lamp|$PWD/product|p" model.yml | head -n 1)
    [[ "$line" == "sotto pipeline"* ]]
    PATH="$PWD/bin:$PATH" sh -c "$line"
    jq -e '.verdict == "unchanged"' verdict.json
    if python3 -c 'import yaml' 2>/dev/null; then
        python3 -c 'import yaml; f = yaml.safe_load(open("model.yml"))
assert f["jobs"]["retrain"]["steps"][1]["run"].startswith("sotto pipeline"), f'
    fi
}
