# The registry: versions with their lineage, aliases, what is refused, and that neither processes at
# once nor kill -9 lose or break anything. Runs are made of small files here; one is trained.

bats_require_minimum_version 1.5.0

setup() {
    : "${SOTTO:?run through tests/run.sh, or set SOTTO to the program}"
    cd "$BATS_TEST_TMPDIR"
    mkdir -p run
    echo '[train]' >run/config.ini
    echo "weights $RANDOM" >run/model.h5
    echo '{"sotto": "0.1", "commit": "0123456789ab", "command": "sotto train", "data": {"pack": "gone.h5"}}' >run/manifest.json
    echo '{"epoch":1,"val_accuracy":0.5}' >run/metrics.jsonl
    touch run/DONE
    echo int8 >a.int8.h5
}

reg() { "$SOTTO" registry "$@"; }

gates() { # MET: gates.json, a result of sotto problem check, of the files there are
    jq -n --argjson met "$1" --arg m "$(sha256sum <run/model.h5 | cut -d ' ' -f 1)" \
        --arg i "$(sha256sum <a.int8.h5 | cut -d ' ' -f 1)" \
        '{model: "run", model_sha256: $m, int8: "a.int8.h5", int8_sha256: $i, met: $met,
          not_measured: 0, gates: [{gate: "accuracy", value: 0.75, met: $met}]}' >gates.json
}

added() { # MET: a version with such gates
    gates "$1"
    reg add -q run a.int8.h5 --gates gates.json --format json | jq -r .version
}

alias_of() { reg ls --format json | jq -r --arg a "$1" '.versions[] | select(.alias | split(",")
    | index($a)) | .version'; }

@test "add copies a run with its lineage; sha256sum agrees; ls and show tell it" {
    [ "$(added true)" = v1 ]
    (cd registry/versions/v1 && sha256sum -c --quiet SHA256SUMS)
    for f in model.h5 config.ini manifest.json metrics.jsonl; do cmp run/$f registry/versions/v1/$f; done
    cmp a.int8.h5 registry/versions/v1/a.int8.h5
    reg ls --format json | jq -e '.versions | length == 1 and .[0].gates == "met"
        and .[0].accuracy == 0.75 and .[0].from == "run"'
    reg show v1 --format json | jq -e '.command == "sotto train" and .gates_met == "yes" and
        .commit == "0123456789ab" and .lineage.run.commit == .commit
        and .lineage.metrics.val_accuracy == 0.5 and (.files | length) == 5'
    [ -z "$(find registry -name '.*' | sed 1d)" ]
    rm -r run
    reg verify
}

@test "data, model and gates of a real run: the hash follows the clips, not the file" {
    rm -r run
    "$BATS_TEST_DIRNAME/../tones.pl" tones
    "$SOTTO" data import -q tones -o tones.h5
    "$SOTTO" train -q ds_cnn data.pack=tones.h5 data.keywords=low,high model.width=4 \
        train.epochs=1 train.warmup_epochs=0 train.batch=20 'gates.accuracy>=0' -o run
    "$SOTTO" problem check -q run --format json >check.json
    reg add -q run --gates check.json
    "$SOTTO" data import -q tones -o again.h5
    reg add -q run --pack again.h5
    one=$(reg show v1 --format json | jq -r .data_sha256)
    [ ${#one} -eq 64 ]
    [ "$one" = "$(reg show v2 --format json | jq -r .data_sha256)" ]
    rm "$(find tones/low -name '*.wav' | sort | head -n 1)"
    "$SOTTO" data import -q tones -o less.h5
    reg add -q run --pack less.h5
    [ "$one" != "$(reg show v3 --format json | jq -r .data_sha256)" ]
    reg promote v1
    "$SOTTO" eval -q registry/production/model.h5 tones.h5 --format json | jq -e .accuracy
}

@test "promote, rollback twice, aliases; the journal tells it all" {
    for v in 1 2 3; do [ "$(added true)" = v$v ]; done
    run --separate-stderr reg rollback
    [ "$status" -eq 3 ]
    for v in 1 2 3; do reg promote v$v >/dev/null; done
    reg promote v2 --as candidate
    [ "$(alias_of production)" = v3 ]
    [ "$(alias_of candidate)" = v2 ]
    [ "$(readlink registry/production)" = versions/v3 ]
    reg rollback --reason "missed words in the field"
    [ "$(alias_of production)" = v2 ]
    reg rollback
    [ "$(alias_of production)" = v1 ]
    [ "$(readlink registry/production)" = versions/v1 ]
    run --separate-stderr reg rollback
    [ "$status" -eq 3 ]
    [[ "$stderr" == *"before v1"* ]]
    [ "$(wc -l <registry/journal.jsonl)" -eq 6 ]
    jq -se '.[4] | .what == "rollback" and .previous == "v3" and .reason == "missed words in the field"' \
        registry/journal.jsonl
    reg promote candidate
    [ "$(alias_of production)" = v2 ]
}

@test "promote refuses gates that failed or were never measured, without --force and --reason" {
    added false
    reg add -q run
    run --separate-stderr reg promote v1
    [ "$status" -eq 4 ]
    [[ "$stderr" == *"v1 does not meet its gates"* ]]
    run reg promote v1 --as candidate
    [ "$status" -eq 4 ]
    run --separate-stderr reg promote v2
    [ "$status" -eq 4 ]
    [[ "$stderr" == *"never measured"* ]]
    [[ "$stderr" == *"hint: add the model of v"*"--gates CHECK.json"* ]]
    reg promote v2 --as candidate
    run --separate-stderr reg promote v1 --force
    [ "$status" -eq 2 ]
    [[ "$stderr" == *"--reason"* ]]
    [ ! -e registry/production ]
    run --separate-stderr reg promote v1 --force --reason "trade fair" --format json
    [ "$status" -eq 0 ]
    echo "$output" | jq -e .forced
    tail -n 1 registry/journal.jsonl | jq -e '.forced and .reason == "trade fair"'
}

@test "what add refuses leaves nothing" {
    gates true
    refuse() { # STATUS TEXT ARGUMENTS
        want=$1 text=$2
        shift 2
        run --separate-stderr reg add "$@"
        echo "$status $stderr"
        [ "$status" -eq "$want" ]
        [[ "$stderr" == *"$text"* ]]
        [ -z "$(ls -A registry/versions)" ]
    }
    refuse 6 "gates.json is of another model: a.int8.h5" run --gates gates.json
    echo other >>run/model.h5
    refuse 6 "gates.json is of another model: run" run a.int8.h5 --gates gates.json
    refuse 3 "no result of a check" run --gates run/metrics.jsonl
    refuse 3 "none.h5" run none.h5
    refuse 3 "none.h5" run --pack none.h5
    mkdir other
    echo x >other/a.int8.h5
    refuse 2 "two files named a.int8.h5" run a.int8.h5 other/a.int8.h5
    rm run/DONE
    refuse 3 "is interrupted" run
    run --separate-stderr reg ls --registry none
    [ "$status" -eq 3 ]
}

@test "verify names every kind of damage, promote refuses it" {
    for v in 1 2 3 4 5; do added true >/dev/null; done
    chmod -R u+w registry/versions
    echo x >>registry/versions/v1/model.h5
    rm registry/versions/v2/config.ini
    echo x >registry/versions/v3/new.txt
    sed -i 's/0.75/0.99/' registry/versions/v4/version.json
    run --separate-stderr reg verify --format json
    [ "$status" -eq 6 ]
    [[ "$stderr" == *"4 versions are damaged"* ]]
    echo "$output" | jq -e '[.versions[] | select(.state == "damaged") | .version]
        == ["v1", "v2", "v3", "v4"]'
    [[ "$output" == *"model.h5 has SHA-256"*"config.ini is missing"*"new.txt was not there"*"version.json has"* ]]
    run reg promote v4
    [ "$status" -eq 6 ]
    reg verify v5
    reg promote v5
    rm registry/versions/v5/SHA256SUMS
    run reg verify v5
    [ "$status" -eq 6 ]
    rm registry/versions/v1/version.json
    reg ls --format json | jq -e '.versions[0].gates == "damaged" and (.versions | length) == 5'
}

@test "a torn last line and a damaged line are named and survived" {
    for v in 1 2; do added true >/dev/null; reg promote v$v >/dev/null; done
    printf '{"what":"promote","alias":"production","ver' >>registry/journal.jsonl
    run --separate-stderr reg ls --format json
    [ "$status" -eq 0 ]
    [[ "$stderr" == *"journal.jsonl:3: the last line was cut"* ]]
    [ "$(alias_of production 2>/dev/null)" = v2 ]
    run --separate-stderr reg rollback
    [ "$status" -eq 0 ]
    [[ "$stderr" == *"the last line was cut"* ]]
    [ "$(alias_of production)" = v1 ]
    [ "$(jq -s length registry/journal.jsonl)" -eq 3 ]
    sed -i '2s/.*/nonsense/' registry/journal.jsonl
    run --separate-stderr reg verify
    [ "$status" -eq 6 ]
    [[ "$stderr" == *"journal.jsonl:2: no line of a journal"* ]]
    # A link that is not as the journal has it, as after a kill between both.
    ln -sfn versions/v9 registry/production
    reg promote v2 --as candidate 2>/dev/null
    [ "$(readlink registry/production)" = versions/v1 ]
}

@test "a registry that cannot be written is read; a full disk leaves nothing half" {
    added true
    reg promote v1
    cp -r registry before
    run bash -c "ulimit -f 0; trap '' XFSZ; '$SOTTO' registry add run"
    [ "$status" -eq 1 ]
    run bash -c "ulimit -f 0; trap '' XFSZ; '$SOTTO' registry promote v1 --as candidate"
    [ "$status" -eq 1 ]
    diff -r before registry
    reg verify
    if [ "$(id -u)" -ne 0 ]; then
        chmod -R a-w registry
        reg ls
        reg show production
        run reg add run
        chmod -R u+w registry
        [ "$status" -eq 1 ]
    fi
}

@test "processes at once: all versions are there, all promotions in the journal" {
    gates true
    for i in 1 2 3 4 5 6 7 8; do
        (for k in 1 2 3; do
            v=$(reg add -q run a.int8.h5 --gates gates.json --format json | jq -r .version)
            reg promote "$v" --format json | jq -r .version >>promoted.$i
        done) &
    done
    wait
    [ "$(cat promoted.* | wc -l)" -eq 24 ]
    [ "$(cat promoted.* | sort | uniq | wc -l)" -eq 24 ]
    [ "$(reg ls --format json | jq '.versions | length')" -eq 24 ]
    [ "$(jq -r .version registry/journal.jsonl | sort)" = "$(cat promoted.* | sort)" ]
    # Each names the one before it: no promotion was lost in another.
    jq -se '. as $j | all(range(1; length); $j[.].previous == $j[. - 1].version)' \
        registry/journal.jsonl
    [ "$(readlink registry/production)" = "versions/$(tail -n 1 registry/journal.jsonl | jq -r .version)" ]
    reg verify >/dev/null
}

@test "kill -9 at random moments, four at once: nothing that was said to be done is lost" {
    gates true
    head -c 300000 /dev/urandom >big.bin
    start=$(date +%s%N)
    added true >/dev/null
    took=$(($(date +%s%N) - start)) # of one add, alone
    moment() { awk -v t="$took" -v r=$RANDOM -v m="$1" 'BEGIN { print m * t * r / 32768 / 1e9 }'; }
    worker() {
        for k in $(seq 15); do
            "$SOTTO" registry add -q run a.int8.h5 big.bin --gates gates.json --format json \
                >out.$1 2>/dev/null &
            pid=$!
            sleep "$(moment 2)"
            kill -9 $pid 2>/dev/null || true
            wait $pid 2>/dev/null || true
            v=$(jq -r .version out.$1 2>/dev/null || true)
            [ -n "$v" ] || continue
            echo "$v" >>said.$1
            "$SOTTO" registry promote "$v" --format json >out.$1 2>/dev/null &
            pid=$!
            sleep "$(moment 1)"
            kill -9 $pid 2>/dev/null || true
            wait $pid 2>/dev/null || true
            jq -r .version out.$1 2>/dev/null >>promoted.$1 || true
        done
    }
    reader() { # sees whole versions and journals at every moment
        while [ ! -e over ]; do reg verify >seen 2>&1 || cp seen unsound; done
    }
    for i in 1 2 3 4; do worker $i & done
    workers=$(jobs -p)
    reader &
    wait $workers
    touch over
    wait
    [ ! -e unsound ] || { cat unsound; false; }
    touch said.0 promoted.0
    echo "of 60, $(cat said.* | wc -l) added and $(cat promoted.* | wc -l) promoted were told of"
    [ "$(cat said.* | wc -l)" -gt 0 ] && [ "$(cat said.* | wc -l)" -lt 60 ]
    cat said.* | while read -r v; do [ -f "registry/versions/$v/SHA256SUMS" ]; done
    [ "$(cat said.* | sort | uniq -d)" = "" ]
    reg verify --format json | jq -e 'all(.versions[]; .state == "ok")'
    [ ! -s registry/journal.jsonl ] || jq -r .version registry/journal.jsonl | sort >journal
    touch journal
    [ -z "$(cat promoted.* | sort | comm -23 - journal)" ]
    v=$(added true)
    reg promote "$v"
    [ "$(readlink registry/production)" = "versions/$v" ]
    [ -z "$(find registry -name '.new' -o -name '.production*')" ]
}
