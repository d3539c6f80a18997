# sotto runs: comparing, showing, removing and exporting what has been trained. Words are tones.

bats_require_minimum_version 1.5.0

setup_file() {
    cd "$BATS_FILE_TMPDIR"
    : "${SOTTO:?run through tests/run.sh, or set SOTTO to the program}"
    "$BATS_TEST_DIRNAME/../tones.pl" tones
    "$SOTTO" data import -q tones -o tones.h5
    small=(data.pack=tones.h5 data.keywords=low,high model.width=8 train.batch=20
        train.warmup_epochs=0)
    "$SOTTO" train -q ds_cnn "${small[@]}" train.epochs=40 -o good
    "$SOTTO" train -q ds_cnn "${small[@]}" train.epochs=1 train.final_lr=0 train.lr=1e-8 \
        --seed 3 -o bad
    "$SOTTO" quantize -q good --calibrate tones.h5 -o good.int8.h5
}

setup() {
    cd "$BATS_FILE_TMPDIR"
}

refused() { # STATUS TEXT ARGUMENTS...
    want=$1 text=$2
    shift 2
    run --separate-stderr "$SOTTO" runs "$@" </dev/null
    echo "status $status: $stderr"
    [ "$status" -eq "$want" ]
    [[ "$stderr" == *"$text"* ]]
    [ -z "$output" ]
}

@test "compare: a trained run is better than an untrained one, and not than itself" {
    "$SOTTO" runs compare bad good good.int8.h5 --pack tones.h5 --format json >"$BATS_TEST_TMPDIR/c"
    cd "$BATS_TEST_TMPDIR"
    [ "$(jq -c '[.models[].kind]' c)" = '["float","float","int8"]' ]
    for k in 0 1 2; do
        model=$(jq -r ".models[$k].model" c)
        (cd "$BATS_FILE_TMPDIR" && "$SOTTO" eval "$model" tones.h5 --format json) |
            jq '[.correct, .accuracy, .accuracy_lo, .accuracy_hi]' >eval
        jq ".models[$k] | [.correct, .accuracy, .accuracy_lo, .accuracy_hi]" c | diff - eval
    done
    jq -e '.pairs | length == 3' c
    jq -e '.pairs[0] | .model == "good" and .against == "bad" and .verdict == "better"' c
    jq -e '[.models[].correct] as $k | .pairs[0] | .only_model - .only_against == $k[1] - $k[0]' c
    jq -e '.pairs[] | .p <= .p_holm and .difference_lo <= .difference and
        .difference <= .difference_hi' c
    cd "$BATS_FILE_TMPDIR"
    "$SOTTO" runs compare good good --pack tones.h5 --split validation --format json |
        jq -e '.pairs[0] | .verdict == "noise" and .p == 1 and .difference == 0'
}

@test "compare: folders of runs, as of --seeds, count as one model made several times" {
    mkdir -p many/good many/bad
    for seed in 1 2 3; do
        "$SOTTO" train -q ds_cnn data.pack=tones.h5 data.keywords=low,high model.width=8 \
            train.batch=20 train.warmup_epochs=0 train.epochs=1 train.final_lr=0 train.lr=1e-8 \
            --seed $seed -o many/bad/$seed
    done
    cp -r good many/good/1
    cp -r good many/good/2
    rm -f many/good/*/lock
    "$SOTTO" runs compare many/bad many/good good --pack tones.h5 --format json >"$BATS_TEST_TMPDIR/c"
    jq -e '.test == "clips and runs, Welch; single runs: McNemar, mid-p"' "$BATS_TEST_TMPDIR/c"
    jq -e '[.models[].runs] == [3, 2, 1]' "$BATS_TEST_TMPDIR/c"
    jq -e '.models[1].accuracy_sd == 0 and .models[2].accuracy_sd == null' "$BATS_TEST_TMPDIR/c"
    jq -e '.models[1] | .correct == 2 * '"$(jq '.models[2].correct' "$BATS_TEST_TMPDIR/c")" "$BATS_TEST_TMPDIR/c"
    for i in 1 2 3; do "$SOTTO" eval many/bad/$i tones.h5 --format json; done >"$BATS_TEST_TMPDIR/bad"
    jq -e --slurpfile bad "$BATS_TEST_TMPDIR/bad" '($bad | map(.accuracy)) as $a | ($a | add / 3) as $m |
        .models[0] | (.accuracy - $m | fabs) < 1e-12 and .correct == ($bad | map(.correct) | add) and
        (.accuracy_sd - ($a | map((. - $m) * (. - $m)) | add / 2 | sqrt) | fabs) < 1e-9' "$BATS_TEST_TMPDIR/c"
    jq -e '.pairs[0] | .model == "many/good" and .verdict == "better" and .only_model == null' "$BATS_TEST_TMPDIR/c"
    jq -e '.pairs[] | select(.model == "many/good" and .against == "good") | .verdict == "noise" and .p == 1' \
        "$BATS_TEST_TMPDIR/c"
    mkdir alone # as a version of a registry that was made of a model file
    cp good/model.h5 alone
    "$SOTTO" runs compare alone good --pack tones.h5 --format json |
        jq -e '.models[0].runs == 1 and .pairs[0].p == 1'
    mkdir none
    refused 3 "'none' is no run, and has none in it" compare good none --pack tones.h5
    rm many/bad/2/DONE
    refused 3 "run '2' in 'many/bad' is interrupted" compare good many/bad --pack tones.h5
    "$SOTTO" train -q ds_cnn data.pack=tones.h5 data.keywords=high,low model.width=8 \
        train.epochs=1 train.batch=20 train.warmup_epochs=0 -o many/good/3
    refused 3 "'many/good/3' has other classes than 'many/good/1'" compare many/good good --pack tones.h5
}

@test "compare refuses what cannot be compared" {
    refused 2 "--pack is missing" compare good bad
    refused 2 "" compare good --pack tones.h5
    refused 3 "nowhere" compare good nowhere --pack tones.h5
    refused 2 "split" compare good bad --pack tones.h5 --split tset
    "$SOTTO" train -q ds_cnn data.pack=tones.h5 data.keywords=high,low model.width=8 \
        train.epochs=1 train.batch=20 train.warmup_epochs=0 -o turned
    refused 3 "'turned' has other classes than 'good'" compare good turned --pack tones.h5
}

@test "show: settings, data, curve, result and files are those of the run's folder" {
    show="$BATS_TEST_TMPDIR/show"
    "$SOTTO" runs show good --format json >"$show"
    jq -e '.commit | test("^([0-9a-f]{12}(-dirty)?)?$")' "$show"
    jq -e '.state == "done" and .arch == "ds_cnn" and .epochs == 40' "$show"
    [ "$(jq .val_accuracy "$show")" = "$(jq .val_accuracy good/DONE)" ]
    jq .manifest "$show" | diff - <(jq . good/manifest.json)
    jq -c '.curve[] | [.epoch, .loss, .val_loss]' "$show" |
        diff - <(jq -c '[.epoch, .loss, .val_loss]' good/metrics.jsonl)
    [ "$(jq -r '.files[] | select(.file == "model.h5").bytes' "$show")" = "$(stat -c %s good/model.h5)" ]
    jq -r '.config[] | .key + "=" + .value' "$show" >"$BATS_TEST_TMPDIR/keys"
    mapfile -t keys <"$BATS_TEST_TMPDIR/keys" # all settings: they make the same config again
    [ "$("$SOTTO" train "${keys[@]}" --print-config)" = "$(cat good/config.ini)" ]
    [ "$("$SOTTO" runs show good --rows 5 --format json | jq -c '[.curve[].epoch]')" = '[1,10,20,30,40]' ]
    [ "$("$SOTTO" runs show good --rows 1 --format json | jq -c '[.curve[].epoch]')" = '[40]' ]
    refused 3 "no run in 'nowhere'" show nowhere
    refused 2 "--rows" show good --rows -2
}

@test "show: a damaged run and one without epochs" {
    mkdir "$BATS_TEST_TMPDIR/broken"
    cd "$BATS_TEST_TMPDIR"
    : >broken/lock
    echo '{' >broken/manifest.json
    "$SOTTO" runs show broken --format json >show
    jq -e '.state == "damaged" and .note == "no config.ini" and .curve == [] and .val_accuracy == null' show
    "$SOTTO" runs show broken --format table
}

@test "diff: settings, data and figures that differ" {
    "$SOTTO" runs diff good bad --format json >"$BATS_TEST_TMPDIR/d"
    [ "$(jq -r '.differences[] | .of + " " + .key' "$BATS_TEST_TMPDIR/d")" = "config train.epochs
config train.lr
config train.final_lr
config train.seed" ]
    jq -e '.metrics[] | select(.metric == "kept_epoch") | .difference == .b - .a' "$BATS_TEST_TMPDIR/d"
    [ "$("$SOTTO" runs diff good good --format json | jq -c .differences)" = '[]' ]

    cp -r tones "$BATS_TEST_TMPDIR/other" # the same clips, but one has another speaker
    cd "$BATS_TEST_TMPDIR"
    for f in other/low/*_nohash_0.wav; do break; done
    mv "$f" other/low/moved_nohash_0.wav
    "$SOTTO" data import -q other -o other.h5
    "$SOTTO" data import -q "$BATS_FILE_TMPDIR/tones" -o again.h5
    for pack in other again; do
        "$SOTTO" train -q ds_cnn data.pack=$pack.h5 data.keywords=low,high model.width=8 \
            train.epochs=1 train.batch=20 train.warmup_epochs=0 -o $pack
    done
    data() { "$SOTTO" runs diff "$1" "$2" --format json | jq -r '.differences[].key' | grep sha256; }
    [ "$(data other again)" = data.sha256 ]
    [ -z "$(data again "$BATS_FILE_TMPDIR/good")" ]
    # a run goes on with its own data only
    rm other/DONE
    mv again.h5 other.h5
    run --separate-stderr "$SOTTO" train --resume other
    [ "$status" -eq 3 ]
    [[ "$stderr" == *"another one now"* ]]
}

@test "rm removes what it is told to, and nothing that a link leads to" {
    cd "$BATS_TEST_TMPDIR"
    cp -r "$BATS_FILE_TMPDIR/good" one
    cp -r one two
    mkdir keep one/notes
    echo precious >keep/file
    ln -s ../keep one/away
    ln -s ../keep/file one/notes/file
    ln -s two link
    refused_here() { run --separate-stderr "$SOTTO" runs rm "$@" </dev/null; [[ "$stderr" == *"$text"* ]]; }
    text="add --yes" refused_here one
    [ "$status" -eq 2 ]
    text="no run in 'keep'" refused_here --yes one keep
    [ "$status" -eq 3 ]
    for name in link link/; do
        text="is a link" refused_here --yes one $name
        [ "$status" -eq 2 ]
    done
    mkdir -p two/deep
    cp -r one two/deep/inner
    text="holds other runs" refused_here --yes one two
    [ "$status" -eq 2 ]
    exec 9<two/lock
    flock 9
    text="another process" refused_here --yes one two
    [ "$status" -eq 75 ]
    exec 9<&-
    [ -s one/model.h5 ] && [ -s two/model.h5 ]
    [ "$("$SOTTO" runs rm --yes one --format json | jq -r '.runs[0].removed')" = one ]
    [ ! -e one ]
    [ "$(cat keep/file)" = precious ]
    rm -r two/deep
    rm two/config.ini # as after a crash while it was removed
    "$SOTTO" runs rm -y two/
    [ ! -e two ]
}

@test "events: TensorBoard's file says what metrics.jsonl and config.ini say, whatever befell it" {
    events() { "$BATS_TEST_DIRNAME/../events.pl" "$1"/events.out.tfevents.*; }
    events good >"$BATS_TEST_TMPDIR/e"
    for pair in loss:loss/training val_loss:loss/validation accuracy:accuracy/training \
        val_accuracy:accuracy/validation lr:training/lr clips_per_s:training/clips_per_s; do
        paste <(jq -r "[.epoch, .${pair%%:*}] | @tsv" good/metrics.jsonl) \
            <(awk -F'\t' -v tag="${pair#*:}" '$2 == tag' "$BATS_TEST_TMPDIR/e") | awk -F'\t' '
            { d = $2 - $5; if (d < 0) d = -d; if ($1 != $3 || d > 1e-6 * $2) bad++ }
            END { exit NR != 40 || bad }'
    done
    keys=$(grep -c ' = ' good/config.ini)
    [ "$(awk -F'\t' '$1 == 0 && $2 !~ /^_/' "$BATS_TEST_TMPDIR/e" | wc -l)" -eq "$keys" ]
    grep -qP '^0\tmodel.width\t8$' "$BATS_TEST_TMPDIR/e"
    grep -qP '^0\tmodel.arch\tds_cnn$' "$BATS_TEST_TMPDIR/e"
    grep -qP '^40\tconfusion\t\d+x\d+ PNG$' "$BATS_TEST_TMPDIR/e"
    grep -qP '^0\t_hparams_/session_end_info\t1$' "$BATS_TEST_TMPDIR/e"
    jq -e '([.rows[][]] | add) == 11 and .labels[0] == "low" and .epoch == 40' good/confusion.json
    jq -s '.[0].val_accuracy - ([.[1].rows as $r | range($r | length) | $r[.][.]] | add) / 11 |
        fabs < 1e-9' <(tail -n 1 good/metrics.jsonl) good/confusion.json | grep -qx true

    for damage in 'echo garbage >>$f' 'truncate -s -5 $f' 'rm $f' 'truncate -s 0 $f' \
        'printf x | dd of=$f bs=1 seek=3000 conv=notrunc'; do
        cp -r good "$BATS_TEST_TMPDIR/run"
        f=$(echo "$BATS_TEST_TMPDIR"/run/events.out.*)
        rm "$BATS_TEST_TMPDIR/run/DONE"
        eval "$damage" 2>/dev/null
        "$SOTTO" train -q --resume "$BATS_TEST_TMPDIR/run"
        events "$BATS_TEST_TMPDIR/run" | diff "$BATS_TEST_TMPDIR/e" -
        rm -r "$BATS_TEST_TMPDIR/run"
    done
}

@test "export: CSV, a study of Optuna, a folder of MLflow hold what the runs' files say" {
    cd "$BATS_TEST_TMPDIR"
    mkdir runs
    cp -r "$BATS_FILE_TMPDIR/good" "$BATS_FILE_TMPDIR/bad" runs
    sed -i 's/^business =.*/business = "calls", avoided/' runs/bad/config.ini
    cp -r runs/bad runs/failed
    rm runs/failed/DONE
    echo no >runs/failed/FAILED
    mkdir runs/broken
    : >runs/broken/lock

    "$SOTTO" runs export --format csv -o runs.csv
    [ "$(wc -l <runs.csv)" -eq 4 ]
    grep -q ',"""calls"", avoided",' runs.csv
    python3 - <<'PY' || [ ! -x "$(command -v python3)" ]
import csv, json
rows = list(csv.DictReader(open("runs.csv", newline="")))
assert [r["run"] for r in rows] == ["runs/bad", "runs/failed", "runs/good"], rows
assert [r["state"] for r in rows] == ["done", "failed", "done"]
assert float(rows[2]["val_accuracy"]) == json.load(open("runs/good/DONE"))["val_accuracy"]
assert rows[0]["problem.business"] == '"calls", avoided' and rows[1]["val_accuracy"] == ""
assert rows[0]["data_sha256"] == json.load(open("runs/bad/manifest.json"))["data"]["sha256"]
config = [l.split(" = ") for l in open("runs/good/config.ini").read().splitlines() if " = " in l]
assert all(v in [rows[2][k] for k in rows[2] if k.endswith("." + n)] for n, v in config)
PY
    "$SOTTO" runs export runs/good --epochs --format csv -o epochs.csv
    tr -d '\r' <epochs.csv | sed 1d | cut -d , -f 2,5 | diff - <(jq -r '[.epoch, .loss] | @csv' runs/good/metrics.jsonl)

    "$SOTTO" runs export --format optuna -o study
    jq -s -e '.[0] == {op_code: 0, worker_id: "sotto", study_name: "sotto", directions: [2]}
        and length == 4 and ([.[1:][].op_code] | unique) == [4]
        and [.[1:][].state] == [1, 3, 1] and .[2].value == null' study
    jq -s -e '.[3] | .params["train.epochs"] == 40 and (.intermediate_values | length) == 40
        and (.distributions["train.epochs"] | fromjson
            | . == {name: "FloatDistribution", attributes: {step: null, low: 1, high: 40, log: false}})
        and (.params | has("train.batch") | not)' study
    jq -s -e '.[1] | .params["problem.business"] as $k | .distributions["problem.business"] | fromjson
        | .name == "CategoricalDistribution" and .attributes.choices[$k] == "\"calls\", avoided"' study
    [ "$(jq -s '.[3].value' study)" = "$(jq .val_accuracy runs/good/DONE)" ]

    # Times that cannot be: before the run began, as where the clock was set back, and nonsense.
    for time in 100.5 -1e300 1e300; do
        cp -r runs/good timed
        sed -i "s/\"time\":[0-9.]*/\"time\":$time/" timed/metrics.jsonl
        "$SOTTO" runs export timed --format optuna -o timed.study
        jq -s -e '.[1] | .datetime_complete == .datetime_start and .datetime_start > "1970-01-02"' timed.study
        "$SOTTO" runs export timed --format mlflow -o timed.mlruns
        [ "$(sed -n 's/^start_time: //p' timed.mlruns/1/*/meta.yaml)" = \
            "$(sed -n 's/^end_time: //p' timed.mlruns/1/*/meta.yaml)" ]
        rm -r timed timed.*
    done

    "$SOTTO" runs export --format mlflow -o mlruns
    [ "$(ls mlruns)" = 1 ]
    grep -qx 'name: sotto' mlruns/1/meta.yaml
    id=$(basename "$(dirname "$(grep -l "run_name: 'runs/good'" mlruns/1/*/meta.yaml)")")
    grep -qx "run_id: '$id'" mlruns/1/$id/meta.yaml
    grep -qx "artifact_uri: 'file://$PWD/mlruns/1/$id/artifacts'" mlruns/1/$id/meta.yaml
    [ "$(cat mlruns/1/*/meta.yaml | grep ^status | sort | tr '\n' ' ')" = "status: 3 status: 3 status: 4 " ]
    [ "$(cat mlruns/1/$id/params/train.epochs)" = 40 ]
    cut -d ' ' -f 2,3 mlruns/1/$id/metrics/val_loss |
        diff - <(jq -r '"\(.val_loss) \(.epoch)"' runs/good/metrics.jsonl)
    refused 2 "something in 'mlruns'" export --format mlflow -o mlruns
    refused 2 "--format is missing" export -o x
    refused 2 "--epochs" export --epochs --format optuna -o x
    mkdir empty
    refused 3 "no run" export empty --format csv -o x
    [ "$(ls -A -I 'separate-*' | LC_ALL=C sort | tr '\n' ' ')" = "empty epochs.csv mlruns runs runs.csv study " ]
}

@test "seeds: each is the run of that seed alone; mean and spread; gone on with after kill -9" {
    cd "$BATS_TEST_TMPDIR"
    small=(data.pack="$BATS_FILE_TMPDIR/tones.h5" data.keywords=low,high model.width=8
        train.batch=20 train.warmup_epochs=0 train.epochs=6)
    five=(train -q ds_cnn "${small[@]}" --seed 3 --seeds 3 -o seeds --format json)
    "$SOTTO" "${five[@]}" >/dev/null &
    while [ ! -s seeds/seed4/metrics.jsonl ]; do sleep 0.05; done
    kill -9 $!
    wait $! || true
    cp -r seeds/seed3 before
    "$SOTTO" "${five[@]}" >result
    diff -r before seeds/seed3
    [ "$(ls seeds | tr '\n' ' ')" = "seed3 seed4 seed5 " ]
    for k in 3 4 5; do
        "$SOTTO" train -q ds_cnn "${small[@]}" train.seed=$k -o alone$k
        h5diff alone$k/model.h5 seeds/seed$k/model.h5 /weights
        [ "$(jq .seeds[$((k - 3))].val_accuracy result)" = "$(jq .val_accuracy alone$k/DONE)" ]
    done
    jq -e '[.seeds[].val_accuracy] as $v | ($v | add / 3) as $m |
        ([$v[] | . - $m | . * .] | add / 2 | sqrt) as $sd |
        def near($x): . - $x | fabs < 1e-6;
        (.val_accuracy | near($m)) and (.val_accuracy_sd | near($sd)) and
        (.val_accuracy_lo | near($m - 4.302653 * $sd / (3 | sqrt))) and
        (.val_accuracy_hi | near($m + 4.302653 * $sd / (3 | sqrt)))' result
    "$SOTTO" runs ls seeds --format json | jq -e '[.runs[].state] == ["done", "done", "done"]'
    refused_train() {
        run --separate-stderr "$SOTTO" train -q "$@"
        [ "$status" -eq 2 ]
        [[ "$stderr" == *"$text"* ]]
    }
    text="another config" refused_train ds_cnn "${small[@]}" train.lr=0.01 --seed 3 --seeds 3 -o seeds
    text="--seeds" refused_train ds_cnn "${small[@]}" --seeds 1 -o more
    text="--resume" refused_train --resume seeds/seed3 --seeds 3
}
