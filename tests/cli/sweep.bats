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
    run --separate-stderr "$SOTTO" sweep new ds_cnn sweep.train.lrr="1 2" -o s
    [ "$status" -eq 2 ]
    [[ "$stderr" == *"unknown key 'train.lrr'"*"did you mean"* ]]
    run --separate-stderr "$SOTTO" sweep new ds_cnn sweep.train.lr="1 200" sweep.stopping=asha \
        sweep.min_epochs=150 -o s
    [ "$status" -eq 2 ]
    [[ "$stderr" == *"min_epochs = 150 leaves nothing to stop of 150 epochs"* ]]
    run --separate-stderr "$SOTTO" sweep new ds_cnn sweep.train.epochs="9 20" sweep.stopping=asha -o s
    [ "$status" -eq 2 ]
    [[ "$stderr" == *"cannot vary train.epochs"* ]]
    run --separate-stderr "$SOTTO" sweep new fake.ini sweep.stopping=asha sweep.maximize= sweep.minimize= -o s
    [ "$status" -eq 2 ]
    [ ! -e s ]
    run --separate-stderr "$SOTTO" sweep new fake.ini 'gates.ram_kb<=4' -o warned
    [ "$status" -eq 0 ]
    [[ "$stderr" == *"ram_kb rejects nothing before training: target.board is not given"* ]]
    run --separate-stderr "$SOTTO" sweep ls nowhere
    [ "$status" -eq 3 ]
    "$SOTTO" sweep new fake.ini -o s
    run --separate-stderr "$SOTTO" sweep tell s 1 y=1
    [ "$status" -eq 2 ]
    run --separate-stderr "$SOTTO" sweep new fake.ini -o s
    [ "$status" -eq 2 ]
    rm s/config.ini
    run --separate-stderr "$SOTTO" sweep ls s
    [ "$status" -eq 3 ]
    [[ "$stderr" == *"cannot open 's/config.ini'"*"hint: the sweep has lost what it varies"* ]]
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

# Settings of small trainings on the tones.
tones() {
    echo "data.pack=$BATS_FILE_TMPDIR/tones.h5 data.keywords=low,high train.batch=20" \
        train.warmup_epochs=0
}

@test "a run left at epochs and resumed has the weights of one that was not" {
    "$SOTTO" train -q ds_cnn $(tones) model.width=8 train.epochs=6 -o whole
    "$SOTTO" train ds_cnn $(tones) model.width=8 train.epochs=6 --until 2 -o parts --format json \
        >first.json 2>talk
    grep -q 'left after epoch 2 of 6; go on with: sotto train --resume parts' talk
    [ "$(jq .epochs first.json)" -eq 2 ]
    [ "$("$SOTTO" runs ls parts --format json | jq -r .runs[0].state)" = interrupted ]
    [ ! -e parts/model.h5 ]
    "$SOTTO" train -q --resume parts --until 2 --format json >again.json
    [ "$(jq .val_accuracy again.json)" = "$(jq .val_accuracy first.json)" ]
    "$SOTTO" train -q --resume parts --until 5
    [ "$(wc -l <parts/metrics.jsonl)" -eq 5 ]
    "$SOTTO" train -q --resume parts
    [ -e parts/DONE ]
    h5diff whole/model.h5 parts/model.h5 /weights
    same='del(.seconds, .clips_per_s, .time)'
    diff <(jq -c "$same" whole/metrics.jsonl) <(jq -c "$same" parts/metrics.jsonl)
    run --separate-stderr "$SOTTO" train -q --resume parts --until -1
    [ "$status" -eq 2 ]
}

@test "a preset leaves normalize as it was" {
    "$SOTTO" train ds_cnn features.preset=mfcc_25x10 --print-config >kept.ini
    grep -qx 'normalize = feature' kept.ini
    grep -qx 'preset = mfcc_25x10' kept.ini || grep -q 'mfcc = 10' kept.ini
    printf '[features]\npreset = mfcc_25x10\n' >plain.ini
    "$SOTTO" train plain.ini --print-config | grep -qx 'normalize = none'
}

@test "limits of [gates] reject before any training, by what the int8 model takes" {
    "$SOTTO" sweep new ds_cnn $(tones) train.epochs=1 target.board=arduino-nano-33-ble \
        'gates.flash_kb<=24' 'gates.ram_kb<=8' sweep.method=grid sweep.minimize="ram_kb flash_kb" \
        sweep.model.width="8 64 16" sweep.features="mfcc_49x10 mfcc_20x49" -o s
    "$SOTTO" sweep run s -q
    "$SOTTO" sweep ls s --format json >ls.json
    [ "$(jq -c '[.told, .rejected, .failed]' ls.json)" = '[2,4,0]' ]
    [ "$(find s/trials -name config.ini | wc -l)" -eq 2 ]
    jq -e '[.trials[] | select(.state == "rejected") | .note] | .[1] | test("^flash_kb [0-9.]+ > 24$")' \
        ls.json
    jq -e '[.trials[] | select(.state == "rejected" and .front)] | length == 0' ls.json
    # the same figures once it is trained and quantized
    "$SOTTO" quantize s/trials/1 --calibrate "$BATS_FILE_TMPDIR/tones.h5" -o one.int8.h5 -q
    "$SOTTO" estimate one.int8.h5 --target arduino-nano-33-ble --format json >estimate.json
    for k in flash ram; do
        [ "$(jq ".trials[0].${k}_kb * 1024" ls.json)" = "$(jq ".targets[0].whole_${k}_bytes" estimate.json)" ]
    done
    # the same through ask: only what fits is handed out
    "$SOTTO" sweep new s/config.ini -o asked
    while "$SOTTO" sweep ask asked >>handed; do :; done
    [ "$(cut -d' ' -f1 handed | paste -sd,)" = "$(jq -r '[.trials[] | select(.state == "told") | .trial] | join(",")' ls.json)" ]
    # a net that cannot be built is rejected as well
    "$SOTTO" sweep new ds_cnn $(tones) sweep.method=grid sweep.model.width="0.5 8" -o odd
    "$SOTTO" sweep ask odd | grep -qx '2 model.width=8'
    "$SOTTO" sweep ls odd --format json | jq -e '.trials[0].note | test("model.width = 0.5")'
}

@test "asha trains the best on, through run and through ask and tell" {
    asha=(sweep.stopping=asha sweep.reduction=2 train.epochs=4 sweep.trials=8)
    "$SOTTO" sweep new ds_cnn $(tones) "${asha[@]}" model.width=8 sweep.train.lr="log 1e-5 1e-2" -o s
    "$SOTTO" sweep run s -j 2
    "$SOTTO" sweep ls s --format json >ls.json
    [ "$(jq '.told + .paused' ls.json)" -eq 8 ]
    [ "$(jq .epochs ls.json)" -lt "$(jq .epochs_unstopped ls.json)" ]
    [ "$(jq .epochs_unstopped ls.json)" -eq 32 ]
    for t in $(seq 8); do # what is told is what was trained
        [ "$(wc -l <"s/trials/$t/metrics.jsonl")" -eq "$(jq ".trials[$((t - 1))].epochs" ls.json)" ]
    done
    [ "$(find s/trials -name DONE | wc -l)" -eq "$(jq .told ls.json)" ]
    # a shell loop comes to the same as one worker
    "$SOTTO" sweep new s/config.ini -o one
    "$SOTTO" sweep run one -q
    "$SOTTO" sweep new s/config.ini -o loop
    while t=$("$SOTTO" sweep ask loop); do
        set -- $t
        id=$1
        shift
        if [ -d runs/$id ]; then set -- --resume runs/$id $1; else set -- s/config.ini "$@" -o runs/$id; fi
        "$SOTTO" sweep tell loop $id val_accuracy=$("$SOTTO" train -q --format json "$@" | jq .val_accuracy)
    done
    ends='select(.event == "tell" or .event == "report") | [.id, .epochs, .results.val_accuracy]'
    diff <(jq -c "$ends" one/journal.jsonl) <(jq -c "$ends" loop/journal.jsonl)
    printf '[train]\nepochs = 4\n[sweep]\nstopping = asha\nreduction = 2\ntrials = 4\nmaximize = y\nx = uniform 0 1\n' >fake.ini
    "$SOTTO" sweep new fake.ini -o f
    [[ "$("$SOTTO" sweep ask f)" == "1 --until=1 x="* ]]
    [[ "$("$SOTTO" sweep ask f)" == "2 --until=1 x="* ]]
    "$SOTTO" sweep tell f 1 y=0.2
    "$SOTTO" sweep tell f 2 y=0.7
    [[ "$("$SOTTO" sweep ask f)" == "2 --until=2 x="* ]]
    [[ "$("$SOTTO" sweep ask f)" == "3 --until=1 x="* ]]
    [[ "$("$SOTTO" sweep ask f)" == "4 --until=1 x="* ]]
    run --separate-stderr "$SOTTO" sweep ask f
    [ "$status" -eq 75 ]
    run --separate-stderr "$SOTTO" sweep tell f 1 y=0.3
    [ "$status" -eq 2 ]
    [[ "$stderr" == *"it is paused"* ]]
}

@test "a training that is done but was not told of is told of, not trained again" {
    "$SOTTO" sweep new ds_cnn $(tones) train.epochs=2 model.width=8 sweep.trials=2 \
        sweep.train.lr="log 1e-4 1e-2" -o s
    "$SOTTO" sweep run s -q
    before=$(sha256sum s/trials/*/metrics.jsonl)
    tail -n 1 s/journal.jsonl | jq -c '[.id, .results.val_accuracy]' >told
    sed -i '$d' s/journal.jsonl
    "$SOTTO" sweep run s -q
    [ "$(sha256sum s/trials/*/metrics.jsonl)" = "$before" ]
    [ "$(tail -n 1 s/journal.jsonl | jq -c '[.id, .results.val_accuracy]')" = "$(cat told)" ]
    [ "$(jq -r .event s/journal.jsonl | paste -sd,)" = ask,tell,ask,take,tell ]
}

@test "a disk that is full ends the worker, and loses no trial" {
    "$SOTTO" sweep new ds_cnn $(tones) train.epochs=2 model.width=8 sweep.trials=3 \
        sweep.train.lr="log 1e-4 1e-2" -o s
    full() { bash -c "ulimit -f 20; trap '' XFSZ; '$SOTTO' sweep run s -q -j $1"; }
    run --separate-stderr full 1
    [ "$status" -eq 1 ]
    [[ "$stderr" == *"trial 1: cannot write 's/trials/1/"*"File too large"*"hint: it is taken up when "* ]]
    run --separate-stderr full 2
    [ "$status" -eq 1 ]
    [[ "$stderr" == *"2 of 2 workers ended early"* ]]
    [ "$("$SOTTO" sweep ls s --format json | jq -c '[.told, .failed]')" = '[0,0]' ]
    "$SOTTO" sweep run s -q
    [ "$("$SOTTO" sweep ls s --format json | jq -c '[.told, .failed]')" = '[3,0]' ]
    # One that fails time and again is at last failed: it is not met for ever.
    "$SOTTO" sweep new s/config.ini sweep.trials=1 -o t
    mkdir -p t/trials/1
    ln -s nowhere/lock t/trials/1/lock
    for k in 1 2 3 4; do
        run "$SOTTO" sweep run t -q
        [ "$status" -eq 1 ]
    done
    "$SOTTO" sweep run t -q
    "$SOTTO" sweep ls t --format json | jq -e '.failed == 1 and (.trials[0].note | startswith("exit code 1: cannot write"))'
}

@test "a training that was killed at its birth begins again" {
    "$SOTTO" sweep new ds_cnn $(tones) train.epochs=1 model.width=8 sweep.trials=3 \
        sweep.train.lr="log 1e-4 1e-2" -o s
    mkdir -p s/trials/1 s/trials/2
    touch s/trials/1/lock s/trials/2/lock s/trials/2/manifest.json
    "$SOTTO" sweep run s -q
    [ "$("$SOTTO" sweep ls s --format json | jq -c '[.told, .failed]')" = '[3,0]' ]
}

# A worker with its training in a process group of its own. No search for leaks at its end: that
# waits for ever when the child that searches is the one killed.
worker() {
    ASAN_OPTIONS="${ASAN_OPTIONS:-}:detect_leaks=0" setsid "$SOTTO" sweep run "$1" -q --threads 1 \
        >/dev/null 2>>talk 3>&- &
    pids[$2]=$!
}

children() { # PID
    cat /proc/[0-9]*/stat 2>/dev/null | awk -v parent="$1" '$4 == parent { print $1 }'
}

@test "8 workers of real trainings, killed at random, alone or with their training" {
    "$SOTTO" sweep new ds_cnn $(tones) train.epochs=4 model.width=8 sweep.trials=12 \
        sweep.stopping=asha sweep.reduction=2 sweep.train.lr="log 1e-5 1e-2" -o s
    RANDOM=7 hit=0
    for i in 0 1 2 3 4 5 6 7; do worker s $i; done
    for k in $(seq 16); do
        sleep 0.1
        i=$((RANDOM % 8))
        if ((RANDOM % 2)); then
            kill -9 -- "-${pids[$i]}" || true # parent, worker and training
        else
            kill -9 $(children "${pids[$i]}") || true # the worker: its training goes on
        fi
        wait "${pids[$i]}" || hit=$((hit + 1))
        worker s $i
    done
    for i in 0 1 2 3 4 5 6 7; do wait "${pids[$i]}"; done
    "$SOTTO" sweep ls s --format json >ls.json
    grep '"fail"' s/journal.jsonl || true
    [ "$(jq -c '[.told + .paused, .failed, .asked]' ls.json)" = '[12,0,0]' ]
    taken=$(jq -s 'map(select(.event == "take")) | length' s/journal.jsonl)
    [ "$taken" -gt 0 ]
    # once at every rung, and trained no further than told
    [ -z "$(jq -r 'select(.event == "tell" or .event == "report") | "\(.id) \(.epochs)"' \
        s/journal.jsonl | sort | uniq -d)" ]
    for t in $(seq 12); do
        [ "$(wc -l <"s/trials/$t/metrics.jsonl")" -eq "$(jq ".trials[$((t - 1))].epochs" ls.json)" ]
    done
    echo "# of 16 kills $hit hit, $taken trainings were taken over, each of 12 trials was told of once" >&3
}

@test "a job array of a real Slurm, a task cancelled and one requeued" {
    run bash "$BATS_TEST_DIRNAME/../slurm.sh" 3>&-
    echo "$output"
    [ "$status" -ne 77 ] || skip "$output"
    [ "$status" -eq 0 ]
}

@test "slurm and parallel: what they write is what a shell and sbatch take" {
    mkdir "a b"
    "$SOTTO" sweep new fake.ini -o "a b/s"
    run --separate-stderr "$SOTTO" sweep slurm "a b/s" --print --workers 3 --cpus 2 --options "--time=10"
    [ "$status" -eq 0 ]
    echo "$output" | sh -n
    [[ "$output" == *"#SBATCH --array=1-3"*"#SBATCH --cpus-per-task=2"*"#SBATCH --time=10"* ]]
    [ ! -e "a b/s/slurm.sh" ]
    run --separate-stderr env PATH=/nowhere "$SOTTO" sweep slurm "a b/s"
    [ "$status" -eq 1 ]
    [[ "$stderr" == *"sbatch is not installed"* ]]
    [ -s "a b/s/slurm.sh" ]
    run --separate-stderr "$SOTTO" sweep parallel nowhere
    [ "$status" -eq 3 ]
    command -v parallel >/dev/null || skip "parallel is not installed"
    "$SOTTO" sweep new ds_cnn $(tones) train.epochs=1 model.width=8 sweep.trials=5 \
        sweep.train.lr="log 1e-4 1e-2" -o "a b/t"
    "$SOTTO" sweep parallel "a b/t" --workers 3 | sh
    [ "$("$SOTTO" sweep ls "a b/t" --format json | jq .told)" -eq 5 ]
    [ "$(jq -r 'select(.worker) | .worker' "a b/t/journal.jsonl" | sort -u | wc -l)" -gt 1 ]
}

@test "the front as a picture" {
    "$SOTTO" sweep new fake.ini -o s
    run --separate-stderr "$SOTTO" sweep plot s -o a.pdf
    [ "$status" -eq 2 ]
    command -v gnuplot >/dev/null || skip "gnuplot is not installed"
    run --separate-stderr "$SOTTO" sweep plot s -o a.svg
    [ "$status" -eq 3 ]
    [[ "$stderr" == *"has no trial with a y and a k yet"* ]]
    for i in 1 2 3; do "$SOTTO" sweep ask s && "$SOTTO" sweep tell s $i y=0.$i k=$((i * i)); done
    "$SOTTO" sweep plot s -o a.svg
    grep -q '</svg>' a.svg
    for label in 'front' '>1<' '>2<' '>3<'; do grep -q "$label" a.svg; done
    "$SOTTO" sweep plot s --x y --y k -o b.png
    [ "$(head -c 4 b.png | tail -c 3)" = PNG ]
}
