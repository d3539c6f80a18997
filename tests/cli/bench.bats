# sotto bench: every stage has a command whose figures can be read by programs.
bats_require_minimum_version 1.5.0

setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
    root=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
    : "${SOTTO:=$root/build/sotto}"
}

positive() { # KEY: of the JSON in $output, a number above 0
    value=$(sed -n "s/.*\"$1\": *\([-0-9.e+]*\).*/\1/p" <<<"$output")
    awk -v v="$value" 'BEGIN { exit !(v > 0) }' || { echo "$1 is '$value' in: $output"; return 1; }
}

@test "training steps: samples a second, and what was measured" {
    run --separate-stderr "$SOTTO" bench train dnn --batch 10 --shards 2 --threads 1 --seconds 0.01 --format json
    [ "$status" -eq 0 ]
    positive samples_per_s
    positive gmac_per_s
    positive net_bytes
    [[ $output == *'"batch": 10'* && $output == *'"shards": 2'* && $output == *'"threads": 1'* ]]
    [[ $output == *'"parameters": 79354'* ]]
}

@test "a .net file and settings of an architecture are taken" {
    printf 'x = input 4x3x1\nf = flatten(x)\ny = dense(f) out=5\n' >my.net
    run "$SOTTO" bench train my.net --batch 4 --shards 1 --seconds 0.01 --format json
    [ "$status" -eq 0 ]
    [[ $output == *'"parameters": 65'* && $output == *'"macs": 60'* ]]
    run "$SOTTO" bench train dnn model.width=8 --batch 4 --shards 1 --seconds 0.01 --format json
    [ "$status" -eq 0 ]
    [[ $output != *'"parameters": 79354'* ]]
}

@test "inference: float, and int8 at a level" {
    run "$SOTTO" bench infer dnn --batch 3 --seconds 0.01 --format json
    [ "$status" -eq 0 ]
    positive us_per_clip
    [[ $output == *'"kind": "float"'* ]]
    run "$SOTTO" bench infer dnn --int8 --level plain --batch 3 --threads 2 --seconds 0.01 --format json
    [ "$status" -eq 0 ]
    positive us_per_clip
    [[ $output == *'"kind": "int8"'* && $output == *'"level": "plain"'* ]]
}

@test "what cannot be measured is refused" {
    run "$SOTTO" bench infer dnn --level plain
    [ "$status" -eq 2 ]
    [[ $output == *"--level plain has no effect on a float model"* ]]
    run "$SOTTO" bench infer dnn --int8 --level sse9
    [ "$status" -eq 2 ]
    [[ $output == *"sse9"*"plain, avx2, avx512vnni"* ]]
    run "$SOTTO" bench infer nowhere.h5
    [ "$status" -eq 3 ]
    printf 'x = input 5000\ns = softmax(x)\ny = dense(s) out=2\n' >wide.net
    run "$SOTTO" bench infer wide.net --int8
    [ "$status" -ne 0 ]
    [[ $output == *"softmax 's': rows of 5000 values; the int8 form takes 4095"* ]]
    run "$SOTTO" bench train dnn --batch 4 --shards 5
    [ "$status" -eq 2 ]
    [[ $output == *"--shards"*"5"* ]]
    run "$SOTTO" bench features mfcc_1x1
    [ "$status" -eq 2 ]
}

@test "features and augmentation: time of a clip, and the share of the transforms" {
    run "$SOTTO" bench features --seconds 0.01 --format json
    [ "$status" -eq 0 ]
    [[ $output == *'"preset": "mfcc_49x10"'* ]]
    positive clips_per_s
    positive fft_share
    run "$SOTTO" bench augment --seconds 0.01 --format json
    [ "$status" -eq 0 ]
    positive speed_us
    positive room_us
}

@test "import against decoding; nothing stays" {
    mkdir -p words/yes words/no tmp
    for i in 1 2 3 4; do
        for w in yes no; do
            python3 - "words/$w/s${i}_nohash_0.wav" <<'P' || skip "python3 is not installed"
import random, struct, sys, wave
w = wave.open(sys.argv[1], "wb")
w.setparams((1, 2, 16000, 0, "NONE", ""))
w.writeframes(b"".join(struct.pack("<h", random.randint(-999, 999)) for _ in range(16000)))
P
        done
    done
    TMPDIR=$PWD/tmp run "$SOTTO" bench import words --format json
    [ "$status" -eq 0 ]
    [[ $output == *'"files": 8'* ]]
    positive files_per_s
    positive decode_share
    [ -z "$(ls -A tmp)" ]
    run "$SOTTO" bench import nowhere
    [ "$status" -eq 3 ]
    [[ $output == *nowhere* ]]
}

@test "the machine: peak, product, memory" {
    run "$SOTTO" bench machine --seconds 0.01 --format json
    [ "$status" -eq 0 ]
    positive peak_gflops
    positive gemm_gflops
    positive triad_gb_per_s
}
