# sotto problem check: each gate's figure against the command that is there for it, its interval and
# its verdict, and how they become the exit code. Words are tones (tests/tones.pl).

bats_require_minimum_version 1.5.0

load out

setup_file() {
    cd "$BATS_FILE_TMPDIR"
    : "${SOTTO:?run through tests/run.sh, or set SOTTO to the program}"
    "$BATS_TEST_DIRNAME/../tones.pl" tones
    "$SOTTO" data import -q tones -o tones.h5
    printf '[data]\nkeywords = low,high\n[target]\nboard = bluepill\ninferences_per_second = 4\n' >k.ini
    printf '[gates]\naccuracy >= 0.5\nflash_kb <= 64\n' >>k.ini
    "$SOTTO" train -q k.ini data.pack=tones.h5 model.width=8 train.epochs=25 train.batch=20 \
        train.warmup_epochs=0 train.lr=0.005 -o run
    "$SOTTO" quantize -q run --calibrate tones.h5 -o run.int8.h5
    "$SOTTO" data stream -q tones.h5 --keywords low,high --minutes 3 --seed 5 --snr 30 \
        --labels long.tsv -o long.wav
}

value() { # NAME: of the gate, in check.json
    jq -r --arg n "$1" '.gates[] | select(.gate == $n) | .value' check.json
}

same() { # A B: equal to 12 digits
    awk -v a="$1" -v b="$2" '
        BEGIN { d = a - b; exit !(a != "" && b != "" && d * d <= 1e-24 * a * a) }' || {
        echo "$1 is not $2"
        false
    }
}

@test "a run is checked against the config that it keeps" {
    run --separate-stderr "$SOTTO" problem check run --format json
    [ "$status" -eq 0 ]
    echo "$output" | jq -e '.met and .pass == 2 and .config == "run/config.ini"'
    [ "$(echo "$output" | jq -r .model_sha256)" = "$(sha256sum <run/model.h5 | cut -d ' ' -f 1)" ]
}

@test "figures are those of eval, estimate and stream" {
    set -- 'gates.accuracy_int8>=0.1' 'gates.accuracy_fixed>=0.1' 'gates.macro_f1>=0.1' \
        'gates.recall.low>=0.1' 'gates.precision._unknown_>=0' 'gates.ram_kb<=100' \
        'gates.latency_ms<=1000' 'gates.energy_uj<=1e6' 'gates.duty_percent<=100' \
        'gates.current_ma<=100' 'gates.frr<=1' target.volts=3
    "$SOTTO" problem check -q run k.ini --int8 run.int8.h5 --pack tones.h5 --recording long.wav \
        --labels long.tsv --threshold 0.5 "$@" --format json >check.json
    "$SOTTO" eval -q run tones.h5 --format json >float.json
    "$SOTTO" eval -q run.int8.h5 tones.h5 --format json >int8.json
    "$SOTTO" estimate -q run.int8.h5 --target bluepill --format json >estimate.json
    "$SOTTO" stream -q run.int8.h5 long.wav --labels long.tsv --threshold 0.5 --format json >s.json
    same "$(value accuracy)" "$(jq .accuracy float.json)"
    same "$(jq '.gates[0].lo' check.json)" "$(jq .accuracy_lo float.json)"
    same "$(jq '.gates[0].hi' check.json)" "$(jq .accuracy_hi float.json)"
    same "$(value macro_f1)" "$(jq .macro_f1 float.json)"
    same "$(value recall.low)" "$(jq '.per_class[] | select(.label == "low") | .recall' float.json)"
    same "$(value precision._unknown_)" \
        "$(jq '.per_class[] | select(.label == "_unknown_") | .precision' float.json)"
    same "$(value accuracy_int8)" "$(jq .accuracy int8.json)"
    same "$(value accuracy_fixed)" "$(jq .accuracy_fixed int8.json)"
    t=".targets[0]"
    same "$(value flash_kb)" "$(jq "$t.whole_flash_bytes / 1024" estimate.json)"
    same "$(value ram_kb)" "$(jq "$t.whole_ram_bytes / 1024" estimate.json)"
    same "$(value latency_ms)" "$(jq "$t.latency_ms" estimate.json)"
    same "$(value energy_uj)" "$(jq "$t.energy_uj" estimate.json)"
    jq -e --slurpfile e estimate.json '$e[0].targets[0] as $t
        | (1 + $t.latency_error_percent / 100) as $f
        | .gates[] | select(.gate == "latency_ms")
        | (.lo * $f / $t.latency_ms - 1 | fabs) < 1e-9
            and (.hi / $f / $t.latency_ms - 1 | fabs) < 1e-9' check.json
    duty=$(jq "($t.latency_ms * 4 + $t.frontend_ms * 50) / 10" estimate.json) # frames of 20 ms
    awk -v a="$(value duty_percent)" -v b="$duty" 'BEGIN { exit !(a / b > 0.9999 && a / b < 1.0001) }'
    same "$(value frr)" "$(jq .false_rejection_rate s.json)"
}

@test "false alarms: exact limits, and the threshold that the gate allows" {
    "$SOTTO" stream -q run.int8.h5 long.wav --labels long.tsv --roc --format json >s.json
    for most in 20 60 400; do
        run "$SOTTO" problem check -q run.int8.h5 k.ini --recording long.wav --labels long.tsv \
            "gates.fa_per_hour<=$most" 'gates.frr<=1' --format json
        echo "$output" >check.json
        best=$(jq -c "[.roc[] | select(.false_alarms_per_hour <= $most)]
            | min_by([.false_rejection_rate, .false_alarms_per_hour, .threshold])" s.json)
        same "$(value frr)" "$(echo "$best" | jq .false_rejection_rate)"
        same "$(value fa_per_hour)" "$(echo "$best" | jq .false_alarms_per_hour)"
        same "$(jq .threshold check.json)" "$(echo "$best" | jq .threshold)"
        # At its upper limit so few alarms, at its lower one so many, have a chance of 2.5 %.
        jq -r '.gates[] | select(.gate == "fa_per_hour") | [.value, .lo, .hi] | map(. / 20) | @tsv' \
            check.json | awk '
            function below(k, mu,   i, term, sum) {
                term = exp(-mu)
                for (i = 0; i <= k; i++) { sum += term; term *= mu / (i + 1) }
                return sum
            }
            function near(a) { return a > 0.02499 && a < 0.02501 }
            { k = int($1 + 0.5); exit !(near(below(k, $3)) && (k ? near(1 - below(k - 1, $2)) : $2 == 0)) }'
    done
    # Nothing heard in three minutes: at most 3.689 of them are to be expected.
    "$SOTTO" problem check -q run.int8.h5 k.ini --recording long.wav --labels long.tsv \
        --threshold 1 'gates.fa_per_hour<=70' --format json >check.json
    jq -e '.gates[] | select(.gate == "fa_per_hour") | .value == 0 and .lo == 0
        and (.hi - 3.68888 * 20 | fabs) < 0.01 and .verdict == "unsure" and .met' check.json
}

@test "verdicts: pass, unsure on either side, fail, not measured; exit codes; --strict" {
    "$SOTTO" problem check -q run --format json --pack tones.h5 >check.json
    lo=$(jq '.gates[0].lo' check.json) hi=$(jq '.gates[0].hi' check.json) v=$(value accuracy)
    between() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.9g", (a + b) / 2 }'; }
    check() { # LIMIT VERDICT MET STATUS [OPTION...]
        limit=$1 verdict=$2 met=$3 want=$4
        shift 4
        run --separate-stderr "$SOTTO" problem check run "gates.accuracy>=$limit" --format json "$@"
        echo "$limit $verdict: status $status, $output"
        [ "$status" -eq "$want" ]
        [ "$(echo "$output" | jq -r '.gates[0].verdict')" = "$verdict" ]
        [ "$(echo "$output" | jq -r '.gates[0].met')" = "$met" ]
    }
    check "$(between 0 "$lo")" pass true 0
    check "$(between "$lo" "$v")" unsure true 0
    check "$(between "$lo" "$v")" unsure false 4 --strict
    [ "$v" = 1 ] || check "$(between "$v" "$hi")" unsure false 4
    [[ "$v" = 1 || "$stderr" == *"1 of 2 gates is not met: accuracy"* ]]
    run "$SOTTO" problem check run 'gates.flash_kb<=1' --format json
    [ "$status" -eq 4 ]
    run "$SOTTO" problem check -q run 'gates.fa_per_hour<=1' --format json
    [ "$status" -eq 0 ]
    echo "$output" | jq -e '.not_measured == 1 and (.gates[2] | .met == null and .value == null)'
    run "$SOTTO" problem check -q run 'gates.fa_per_hour<=1' --strict --format json
    [ "$status" -eq 4 ]
}

@test "an int8 model of another model is refused wherever both are given" {
    "$SOTTO" train -q k.ini data.pack=tones.h5 model.width=8 train.epochs=1 train.batch=20 \
        train.warmup_epochs=0 -o again
    why="'run.int8.h5' was not made of 'again' as it is"
    refused 6 "$why" problem check again --int8 run.int8.h5
    refused 6 "$why" report again --pack tones.h5 --int8 run.int8.h5 -o "$out/page.html"
    refused 6 "$why" registry add again run.int8.h5 --registry "$out/registry"
    # trained on since, the run is another model too
    cp -r run more
    "$SOTTO" problem check -q more --int8 run.int8.h5
    cp again/model.h5 more/model.h5
    refused 6 "'run.int8.h5' was not made of 'more'" problem check more --int8 run.int8.h5
    "$SOTTO" registry add -q run run.int8.h5 --registry "$out/registry"
}

@test "what it refuses" {
    refused 2 "'lwo' is no label" problem check run 'gates.recall.lwo>=0.5'
    printf '[target]\nvolts = 3\n' >none.ini
    refused 2 "none.ini has no [gates]" problem check run none.ini
    refused 2 "gates.accuracy <=: the wrong direction" problem check run 'gates.accuracy<=0.5'
    refused 2 "which gates" problem check run.int8.h5
    refused 2 "go together" problem check run --recording long.wav
    refused 2 "needs no --int8" problem check run.int8.h5 k.ini --int8 run.int8.h5
    refused 3 "is no int8 model" problem check run --int8 run/model.h5
    refused 3 "none.h5" problem check run --pack none.h5
    refused 2 "unknown board 'bluepil'" problem check run target.board=bluepil
    printf '[gates]\naccuracy >= 0.5\nacuracy >= 0.5\n' >bad.ini
    refused 2 "bad.ini:3: gates.acuracy: there is no such gate" problem check run bad.ini
}
