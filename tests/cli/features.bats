# sotto features: explore puts what is dominated off the front, at the costs that estimate tells;
# ablate finds the band that alone tells words apart.

bats_require_minimum_version 1.5.0
load out

setup_file() {
    cd "$BATS_FILE_TMPDIR"
    : "${SOTTO:?run through tests/run.sh, or set SOTTO to the program}"
    "$BATS_TEST_DIRNAME/../tones.pl" tones
    "$SOTTO" data import -q tones -o tones.h5
    "$BATS_TEST_DIRNAME/../planted.pl" planted
    "$SOTTO" data import -q planted -o planted.h5
    planted=(data.keywords=with,without data.unknown_share=0 data.silence_share=0 train.batch=20
        augment.speed_lo=100 augment.speed_hi=100 model.width=1)
    for features in mfcc_49x10 logmel_40x101; do
        "$SOTTO" train -q linear data.pack=planted.h5 "${planted[@]}" train.epochs=2 train.l2=0.01 \
            features.preset=$features features.normalize=feature features.level=none -o $features
    done
}

tones=(data.pack=tones.h5 data.keywords=low,high train.batch=20 --target nucleo-l4r5zi)

mattering() { # of the groups of a cut in JSON on stdin
    jq -r --arg by "$1" '[.groups[] | select(.by == $by and .verdict == "matters").group] | join(" ")'
}

@test "explore: what others beat in everything is off the front, and does not pay" {
    deaf=logmel_40x101:f_lo=5000,fft=1024
    "$SOTTO" features explore -q logmel_40x101 $deaf mfcc_25x10 "${tones[@]}" --probe lda --split train \
        --format json >$out/a.json
    jq -e --arg deaf $deaf '.features | map({key: .features, value: .}) | from_entries
        | (.logmel_40x101.front and .[$deaf].verdict == "worse" and (.[$deaf].front | not)
        and .[$deaf].difference < -0.2 and .[$deaf].difference_hi < 0
        and .[$deaf].cycles_per_s > .logmel_40x101.cycles_per_s
        and .[$deaf].ram_bytes > .logmel_40x101.ram_bytes
        and .[$deaf].flash_bytes > .logmel_40x101.flash_bytes)' $out/a.json
    # the others are equally good: the fewer cycles pay, or the less flash
    jq -e '.verdicts[0].pays == "mfcc_25x10"' $out/a.json
    "$SOTTO" features explore -q logmel_40x101 $deaf mfcc_25x10 "${tones[@]}" --probe lda --split train \
        --by flash --format json | jq -e '.verdicts[0].pays == "logmel_40x101"'
    [ -z "$(find "${TMPDIR:-/tmp}" -maxdepth 1 -name 'sotto-features-*' -newer tones.h5)" ]
}

@test "explore: costs are those of estimate, accuracy is that of eval" {
    "$SOTTO" features explore -q mfcc_49x10 "${tones[@]}" --probe lda --seeds 2 --keep $out/runs \
        -o $out/page.html --format json >$out/a.json
    run=$out/runs/lda-mfcc_49x10-0
    "$SOTTO" estimate $run --target nucleo-l4r5zi --format json >$out/b.json
    jq -e -n --slurpfile a $out/a.json --slurpfile b $out/b.json '
        $a[0].features[0] as $x | $b[0].targets[0] as $y
        | def near($v; $w): ($v - $w | fabs) < 1e-9 * $w;
        $x.probe_flash_bytes == $y.flash_bytes and $x.probe_ram_bytes == $y.ram_bytes
        and $x.whole_flash_bytes == $y.whole_flash_bytes
        and $x.whole_ram_bytes == $y.whole_ram_bytes
        and near($x.probe_ms; $y.latency_ms) and near($x.frame_ms; $y.frontend_ms)
        and $x.flash_bytes == $y.whole_flash_bytes - $y.flash_bytes
        and $x.ram_bytes == $y.whole_ram_bytes - $y.ram_bytes + $b[0].work_bytes + 49 * 10
        and near($x.share; $y.frontend_ms * 50 / 1000)
        and near($x.cycles_per_s; $y.frontend_ms * 50 / 1000 * 120e6)'
    mean=$(for seed in 0 1; do
        "$SOTTO" eval $out/runs/lda-mfcc_49x10-$seed tones.h5 --split validation --format json
    done | jq -s '[.[].accuracy] | add / 2')
    jq -e --argjson mean $mean '(.features[0].accuracy - $mean | fabs) < 1e-9' $out/a.json
    grep -q '<svg' $out/page.html
    # what is kept is not trained again, and not mistaken for other settings
    cp $run/metrics.jsonl $out/before
    "$SOTTO" features explore -q mfcc_49x10 "${tones[@]}" --probe lda --keep $out/runs
    cmp $out/before $run/metrics.jsonl
    run --separate-stderr "$SOTTO" features explore mfcc_49x10 "${tones[@]}" --probe lda \
        --keep $out/runs train.epochs=1
    [ "$status" -eq 2 ]
    [[ "$stderr" == *"begun with another config"* ]]
}

@test "explore: every probe takes every shape, in integers too" {
    "$SOTTO" features explore -q mfcc_25x10 logmel_40x101:mels=8,hop_ms=40,frontend=fixed "${tones[@]}" \
        --probe cnn,lda,logistic train.epochs=2 --format json >$out/a.json
    jq -e '.features | length == 6 and all(.accuracy >= 0 and .cycles_per_s > 0 and .probe_ms > 0)' \
        $out/a.json
}

@test "explore: what is wrong is named" {
    refused 2 "no feature preset is called 'mfcc_49x11'" features explore mfcc_49x11 "${tones[@]}"
    [[ "$stderr" == *"did you mean 'mfcc_49x10'"* ]]
    refused 2 "no key 'mel'" features explore mfcc_49x10:mel=20 "${tones[@]}"
    refused 2 "unknown board 'nucleo'" features explore data.pack=tones.h5 --target nucleo
    refused 2 "which board is not said" features explore data.pack=tones.h5
    refused 2 "data.pack is not given" features explore --target nucleo-l4r5zi
    refused 3 "nothing.h5" features explore data.pack=nothing.h5 --target nucleo-l4r5zi
    refused 2 "no probe is called 'svm'" features explore --probe svm "${tones[@]}"
    refused 2 "features are what is tried" features explore "${tones[@]}" features.mels=20
    refused 2 "--by" features explore "${tones[@]}" --by energy
}

@test "ablate: the planted band matters, and nothing else" {
    for how in permute mean; do
        "$SOTTO" features ablate logmel_40x101 planted.h5 --split train --how $how --format json \
            >$out/logmel.json
        [ "$(mattering bands <$out/logmel.json)" = 15-19 ]
        [ "$(mattering time <$out/logmel.json)" = "" ]
        jq -e '.accuracy > 0.98 and (.groups[] | select(.by == "all").without < 0.65)
            and (.groups[] | select(.group == "15-19" and .by == "bands")
            | .lo < 1400 and .hi > 1400 and .drop_lo > 0.2)' $out/logmel.json
        # of MFCC, whose coefficients all hear it
        "$SOTTO" features ablate mfcc_49x10 planted.h5 --split train --how $how --by bands \
            --format json >$out/mfcc.json
        [ "$(mattering bands <$out/mfcc.json)" = 20-24 ]
    done
}

@test "ablate: the classes add up to the whole, for any number of threads" {
    "$SOTTO" features ablate logmel_40x101 planted.h5 --split train --classes --groups 4 \
        --format json >$out/a.json
    jq -e '(.classes | length) == 2 * (4 + 4 + 1) and
        (.classes[] | select(.class == "with" and .by == "bands" and .group == "10-19").drop > 0.2)' \
        $out/a.json
    jq -e '([.classes[] | select(.by == "all") | .n * .without] | add / 102) as $mean
        | (.groups[] | select(.by == "all").without) - $mean | fabs < 1e-9' $out/a.json
    "$SOTTO" features ablate logmel_40x101 planted.h5 --split train --threads 1 >$out/1
    "$SOTTO" features ablate logmel_40x101 planted.h5 --split train --threads 3 >$out/3
    cmp $out/1 $out/3
}

@test "ablate: trained without it, a probe cannot do without the planted band alone" {
    "$SOTTO" features ablate -q logmel_40x101 planted.h5 --retrain --probe lda --seeds 2 --split train \
        --groups 4 train.batch=20 model.width=1 --keep $out/runs --format json >$out/a.json
    [ "$(mattering bands <$out/a.json)" = 10-19 ]
    [ "$(mattering time <$out/a.json)" = "" ]
    jq -e '.how == "retrain" and .seeds == 2 and .accuracy > 0.98' $out/a.json
    [ "$(ls $out/runs | grep -c -- '-bands-.*net$')" -eq 8 ]
    "$SOTTO" features ablate -q mfcc_25x10:hop_ms=20 planted.h5 --retrain --probe cnn --seeds 1 --split train \
        --by coefficients --groups 2 train.batch=20 train.epochs=2 data.keywords=with,without \
        data.unknown_share=0 data.silence_share=0 --format json |
        jq -e '[.groups[].group] == ["0-4", "5-9"]'
}

@test "ablate: what is wrong is named" {
    refused 3 "nothing.h5" features ablate mfcc_49x10 nothing.h5
    refused 3 "no-such-run" features ablate no-such-run planted.h5
    refused 2 "no feature preset is called 'mfcc'" features ablate mfcc planted.h5 --retrain
    refused 2 "no effect on a model that is trained" features ablate mfcc_49x10 planted.h5 train.epochs=2
    refused 2 "--by coefficients: the features have none" features ablate logmel_40x101 planted.h5 --by coefficients
    refused 2 "could be left out of training" features ablate mfcc_49x10 planted.h5 --retrain --by bands
    refused 2 "--by 'deltas'" features ablate mfcc_49x10 planted.h5 --by deltas
    refused 3 "none of the model's words" features ablate mfcc_49x10 tones.h5
    refused 2 "no split" features ablate mfcc_49x10 planted.h5 --split all
}
