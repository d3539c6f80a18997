# sotto data stream makes a recording of a pack, sotto stream listens to it; and the post-processing
# of the runtime on bare Cortex-M in an emulator. Words are tones (tests/tones.pl).

bats_require_minimum_version 1.5.0

load out

setup_file() {
    cd "$BATS_FILE_TMPDIR"
    : "${SOTTO:?run through tests/run.sh, or set SOTTO to the program}"
    "$BATS_TEST_DIRNAME/../tones.pl" tones
    "$SOTTO" data import -q tones -o tones.h5
    "$SOTTO" train -q ds_cnn data.pack=tones.h5 data.keywords=low,high model.width=8 \
        train.epochs=60 train.batch=20 train.warmup_epochs=0 train.lr=0.005 \
        train.label_smoothing=0 -o run
    "$SOTTO" quantize -q run --calibrate tones.h5 -o run.int8.h5
    "$SOTTO" data stream tones.h5 --keywords low,high --minutes 3 --seed 5 --snr 30 \
        --labels long.tsv -o long.wav --format json >made.json
}

@test "data stream: as many labels as it says, the same for the same seed" {
    [ "$(wc -l <long.tsv)" = "$(jq '.keywords + .other_words' made.json)" ]
    [ "$(grep -c _unknown_ long.tsv)" = "$(jq .other_words made.json)" ]
    jq -e '.seconds == 180 and .keywords > 10 and .other_words > 10' made.json
    [ "$(stat -c %s long.wav)" -eq $((44 + 2 * 180 * 16000)) ]
    awk -F '\t' '{ if ($1 < end + 1.49 || $2 < $1 + 0.99 || $2 > 180) exit 1; end = $2 }' long.tsv
    set -- data stream tones.h5 --keywords low,high --minutes 3 --snr 30
    "$SOTTO" "$@" --seed 5 --labels "$out/a.tsv" -o "$out/a.wav"
    cmp long.wav "$out/a.wav"
    cmp long.tsv "$out/a.tsv"
    "$SOTTO" "$@" --seed 6 --labels "$out/a.tsv" -o "$out/a.wav"
    ! cmp -s long.wav "$out/a.wav"
}

@test "data stream: what it refuses" {
    set -- data stream tones.h5 -o "$out/a.wav"
    refused 2 "--labels" "$@"
    set -- "$@" --labels "$out/a.tsv"
    refused 2 "--minutes" "$@" --minutes 0
    refused 2 "--snr" "$@" --snr 200
    refused 2 "--unknown-share" "$@" --unknown-share 1.5
    refused 2 "--gap" "$@" --gap -1
    refused 3 "no test clip of yes,no" "$@"
    refused 3 "no keyword" "$@" --keywords low,high,other
    refused 2 "'tst' is no split" "$@" --keywords low --split tst
}

@test "stream: words are found, the counts agree with each other" {
    for model in run run.int8.h5; do
        "$SOTTO" stream -q $model long.wav --labels long.tsv --threshold 0.5 --detections \
            --format json >"$out/a.json"
        jq -e --slurpfile made made.json '.words == $made[0].keywords and .hits <= .words
            and .false_rejection_rate < 0.1 and .false_alarms < .words / 2
            and .hits + .false_alarms == .detected and .detected == (.detections | length)
            and .inferences == 1791 and .times_real_time > 1' "$out/a.json"
        jq -e '([.confusion[] | .low + .high + ._unknown_ + ._silence_] | add) == .detected
            and ([.confusion[] | ._unknown_ + ._silence_] | add) == 0' "$out/a.json"
        # a hit is within its label
        jq -r '.detections[] | [.seconds, .word] | @tsv' "$out/a.json" >"$out/found"
        awk -F '\t' 'NR == FNR { s[NR] = $1; e[NR] = $2; w[NR] = $3; n = NR; next }
            { for (i = 1; i <= n; i++)
                if (w[i] == $2 && s[i] <= $1 && $1 <= e[i] + 0.75) { hits++; w[i] = ""; break } }
            END { print hits + 0 }' long.tsv "$out/found" >"$out/hits"
        [ "$(cat "$out/hits")" = "$(jq .hits "$out/a.json")" ]
    done
}

@test "stream: results do not depend on threads, and are TSV and a table too" {
    "$SOTTO" stream -q run.int8.h5 long.wav --threshold 0.5 --threads 1 | grep -v times_real >"$out/one"
    "$SOTTO" stream -q run.int8.h5 long.wav --threshold 0.5 --threads 3 | grep -v times_real >"$out/three"
    cmp "$out/one" "$out/three"
    grep -q "^file	seconds	word	score" "$out/one"
    grep -q "^long.wav	.*	high	0\." "$out/one"
    "$SOTTO" stream run.int8.h5 long.wav long.wav --threshold 0.5 --format table |
        grep -c "^long.wav .* low " >"$out/n"
    [ "$(cat "$out/n")" -eq $((2 * $(grep -c "^long.wav	.*	low	" "$out/one"))) ]
}

@test "stream: a higher threshold detects less, suppression and the curve do what they say" {
    found() { "$SOTTO" stream -q run.int8.h5 long.wav --format json "$@" | jq .detected; }
    [ "$(found --threshold 0.2)" -ge "$(found --threshold 0.9)" ]
    [ "$(found --threshold 0.5 --suppress-ms 0)" -gt "$(found --threshold 0.5 --suppress-ms 2000)" ]
    [ "$(found --threshold 0.5 --suppress-ms 60000)" -le 3 ]
    "$SOTTO" stream -q run.int8.h5 long.wav --labels long.tsv --threshold 0.5 --roc --format json >"$out/a"
    jq -e '(.roc | length) == 255 and (.roc[127].threshold == 0.5)
        and .roc[127].false_rejection_rate == .false_rejection_rate
        and .roc[127].false_alarms_per_hour == .false_alarms_per_hour
        and (.roc | all(.false_rejection_rate >= 0 and .false_rejection_rate <= 1))' "$out/a"
    jq -e '. as $a | .operating_points | all(. as $p | $p.threshold == null or
        ($p.false_rejection_rate == ([$a.roc[] |
            select(.false_alarms_per_hour <= $p.false_alarms_per_hour_most) |
            .false_rejection_rate] | min)))' "$out/a"
}

@test "stream: an int8 model gets the features of a device, or those of eval" {
    heard() { "$SOTTO" stream -q run.int8.h5 long.wav --labels long.tsv --threshold 0.5 --format json "$@"; }
    heard >"$out/fixed"
    heard --float-features >"$out/float"
    jq -e '.features == "fixed" and .hits > 10' "$out/fixed"
    jq -e --slurpfile f "$out/fixed" '.features == "float" and (.hits - $f[0].hits | fabs) <= 2 and
        .inferences == $f[0].inferences' "$out/float"
    heard --threads 2 | jq -c 'del(.times_real_time)' >"$out/two"
    jq -c 'del(.times_real_time)' "$out/fixed" | cmp - "$out/two"
    "$SOTTO" stream -q run long.wav --labels long.tsv --format json | jq -e '.features == "float"'
}

@test "stream: steps of new frames" {
    "$SOTTO" train -q ds_cnn data.pack=tones.h5 data.keywords=low,high model.width=8 \
        train.epochs=60 train.batch=20 train.warmup_epochs=0 train.lr=0.005 \
        train.label_smoothing=0 features.level=none -o "$BATS_TEST_TMPDIR/flat"
    model="$BATS_TEST_TMPDIR/flat.h5"
    "$SOTTO" quantize -q "$BATS_TEST_TMPDIR/flat" --calibrate tones.h5 -o "$model" >/dev/null
    heard() { "$SOTTO" stream -q "$model" long.wav --labels long.tsv --threshold 0.5 --format json "$@"; }
    heard >"$out/windows"
    heard --hop 5 >"$out/steps" # 100 ms, as without
    jq -e '.stream == "window" and .hop_ms == 100' "$out/steps"
    jq -e --slurpfile s "$out/steps" '.hits > 10 and (.hits - $s[0].hits | fabs) <= 2' "$out/windows"
    rm "$out"/*
    refused 2 "level = max" stream run.int8.h5 long.wav --hop 5
    refused 2 "steps of 5 frames are 100 ms" stream "$model" long.wav --hop 5 --hop-ms 80
    refused 2 "none of its choices" stream "$model" long.wav --hop 5 --stream some
    refused 2 "--hop 5: steps are those of an int8 model" stream "$BATS_TEST_TMPDIR/flat" long.wav --hop 5
}

@test "stream: the operating curve as a picture" {
    command -v gnuplot >/dev/null || skip "gnuplot is not installed"
    "$SOTTO" stream -q run.int8.h5 long.wav --labels long.tsv --plot "$out/a.svg" >/dev/null
    grep -q '</svg>' "$out/a.svg"
    rm "$out/a.svg"
    refused 2 "neither a .png nor a .svg" stream run.int8.h5 long.wav --labels long.tsv --plot "$out/a.pdf"
    refused 2 "--plot needs --labels" stream run.int8.h5 long.wav --plot "$out/a.svg"
}

@test "stream: another rate is resampled, channels are averaged" {
    # every sample four times: two channels at 32 kHz
    perl -e 'binmode STDIN; binmode STDOUT; local $/; my @v = unpack("s<*", substr(<STDIN>, 44));
        my $n = 8 * @v;
        print pack("a4Va4a4VvvVVvva4V", "RIFF", 36 + $n, "WAVE", "fmt ", 16, 1, 2, 32000, 128000,
        4, 16, "data", $n), pack("s<*", map { ($_) x 4 } @v)' <long.wav >"$BATS_TEST_TMPDIR/32.wav"
    for wav in long.wav "$BATS_TEST_TMPDIR/32.wav"; do
        "$SOTTO" stream -q run.int8.h5 "$wav" --labels long.tsv --threshold 0.5 --format json
    done >"$out/a"
    jq -se '.[1].audio_seconds == 180 and .[0].hits > 10 and .[1].hits > 10
        and .[1].inferences == .[0].inferences' "$out/a"
}

@test "stream: recordings and labels that are none" {
    bad="$BATS_TEST_TMPDIR/bad"
    mkdir "$bad"
    : >"$bad/empty.wav"
    echo "no audio" >"$bad/text.wav"
    head -c 20000 long.wav >"$bad/cut.wav"
    perl -e 'print pack("a4Va4a4VvvVVvva4V", "RIFF", 36 + 200, "WAVE", "fmt ", 16, 1, 1, 16000, 32000,
        2, 16, "data", 200), "\0" x 200' >"$bad/short.wav"
    for name in empty text cut; do refused 3 "$name.wav" stream run.int8.h5 "$bad/$name.wav"; done
    refused 3 "short.wav: 0.01 s of audio: less than the 0.99 s" stream run.int8.h5 "$bad/short.wav"
    refused 3 "none.wav" stream run.int8.h5 none.wav
    refused 3 "long.wav" stream long.wav long.wav
    printf '1\t2\tlow\n2\t3\thihg\n' >"$bad/l.tsv"
    refused 3 "l.tsv:2: 'hihg' is no label of the model" stream run.int8.h5 long.wav --labels "$bad/l.tsv"
    [[ "$stderr" == *"did you mean 'high'?"* ]]
    printf '1\tlow\n' >"$bad/l.tsv"
    refused 3 "l.tsv:1: not 'start end word'" stream run.int8.h5 long.wav --labels "$bad/l.tsv"
    refused 2 "--labels are of one recording, not of 2" stream run.int8.h5 long.wav long.wav --labels long.tsv
}

@test "stream: settings out of their range" {
    set -- stream run.int8.h5 long.wav
    refused 2 "--threshold 1.1 is outside of 0 .. 1" "$@" --threshold 1.1
    refused 2 "--threshold" "$@" --threshold -0.1
    refused 2 "--hop-ms 30: the features of the model have a hop of 20 ms" "$@" --hop-ms 30
    refused 2 "--average-ms" "$@" --average-ms 30000
    refused 2 "--suppress-ms" "$@" --suppress-ms -5
    refused 2 "--min-count 6: only 5 inferences" "$@" --min-count 6
    refused 2 "--roc needs --labels" "$@" --roc
    refused 2 "--tolerance-ms" "$@" --labels long.tsv --tolerance-ms -1
}

@test "the runtime detects on Cortex-M0 and M4, in an emulator, what it detects here" {
    for tool in arm-none-eabi-gcc qemu-system-arm; do
        command -v $tool >/dev/null || skip "$tool is not installed"
    done
    cd "$BATS_TEST_DIRNAME/../.."
    ${CC:-gcc} -std=c99 -O2 -I. tests/device/posterior.c -o "$out/host"
    "$out/host" >"$out/here"
    [ "$(wc -l <"$out/here")" -gt 100 ]
    for how in "m0 -Os mps2-an385" "m0 -O3 mps2-an385" "m4 -Os mps2-an386" "m4 -O3 mps2-an386"; do
        read -r core opt machine <<<"$how"
        arm-none-eabi-gcc -mcpu=cortex-$core -mthumb $opt -std=gnu11 -I. -nostartfiles -nostdlib \
            -T bench/device/count.ld tests/device/posterior.c -lgcc -o "$out/a.elf"
        timeout 60 qemu-system-arm -M $machine -nographic -monitor none -serial null \
            -semihosting-config enable=on,target=native -kernel "$out/a.elf" </dev/null >"$out/there" 2>&1
        cmp "$out/here" "$out/there"
    done
}
