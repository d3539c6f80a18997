#!/bin/bash
# The table of `make bench`: each stage of sotto beside what else would be run for it, in turns in one
# run, the better of ROUNDS each. Every figure of sotto's is also a command of its own: sotto bench.
#
# usage: bench/table.sh [STAGE...]   train infer int8 features import loop start; none: all
# Settings: SOTTO (build/sotto), ROUNDS (2), SOTTO_SPEECH_COMMANDS (a folder of clips, for import and
# loop), NODE_PATH (where onnxruntime-node is), PYTHON (/usr/bin/python3, with PyTorch, torchaudio,
# onnx), JEMALLOC (the library that tuned PyTorch preloads). A peer that is absent is named.
set -u
cd "$(dirname "$0")/.."
SOTTO=${SOTTO:-build/sotto} ROUNDS=${ROUNDS:-2} PYTHON=${PYTHON:-/usr/bin/python3}
clips=${SOTTO_SPEECH_COMMANDS:-../shared/speech_commands}
JEMALLOC=${JEMALLOC:-$(ls /usr/lib/*/libjemalloc.so.2 2>/dev/null | head -1)}
cores=$(nproc)
temp=$(mktemp -d)
trap 'rm -rf "$temp"' EXIT
printf '%-34s %12s %12s  %-22s %7s  %s\n' stage sotto peer 'of' ratio goal

# ---- figures ----

field() { sed -n "s/.*\"$1\": *\([-0-9.e+]*\).*/\1/p" | head -1; }
sotto() { # KEY ARGUMENT...
    key=$1
    shift
    "$SOTTO" bench "$@" --format json 2>/dev/null | field "$key"
}
torch() {
    LD_PRELOAD=$JEMALLOC MALLOC_CONF=dirty_decay_ms:-1,muzzy_decay_ms:-1 \
        "$PYTHON" bench/peers/torch_train.py "$@" 2>/dev/null | cut -d' ' -f1
}
onnxruntime() { # KIND BATCH THREADS
    [ -f "$temp/$1.onnx" ] || "$PYTHON" bench/peers/onnx_model.py "$1" "$temp/$1.onnx" 2>/dev/null
    node bench/peers/ort_infer.js "$temp/$1.onnx" "$2" "$3" 2>/dev/null
}
xnnpack() {
    [ -x "$temp/xnnpack" ] ||
        ${CC:-cc} -O2 -D_GNU_SOURCE bench/peers/xnnpack_infer.c -lXNNPACK -lpthreadpool -lcpuinfo \
            -lm -lpthread -o "$temp/xnnpack" 2>/dev/null
    "$temp/xnnpack" "$@" 2>/dev/null
}
python_features() { OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 "$PYTHON" bench/peers/features.py "$@" 2>/dev/null; }

better() { # high|low A B: the better of two numbers, of which one may be missing
    awk -v how="$1" -v a="$2" -v b="$3" 'BEGIN {
        print a == "" ? b : b == "" ? a : (how == "high") == (a + 0 > b + 0) ? a : b }'
}

# race high|low STAGE GOAL PEER "command of sotto's" "command of the peer's": a row.
race() {
    how=$1 stage=$2 goal=$3 peer=$4 ours='' theirs=''
    for _ in $(seq "$ROUNDS"); do
        ours=$(better "$how" "$ours" "$(eval "$5")")
        theirs=$(better "$how" "$theirs" "$(eval "$6")")
    done
    row "$stage" "$ours" "$theirs" "$peer" "$how" "$goal"
}
row() { # STAGE OURS THEIRS PEER high|low GOAL
    awk -v stage="$1" -v a="$2" -v b="$3" -v peer="$4" -v how="$5" -v goal="$6" '
    function shown(x) { return x == "" ? "-" : x < 100 ? sprintf("%.2f", x) : sprintf("%.0f", x) }
    BEGIN {
        ratio = a == "" || b == "" ? "-" : sprintf("%.2f", how == "high" ? a / b : b / a)
        printf "%-34s %12s %12s  %-22s %7s  %s\n", stage, shown(a), shown(b),
            b == "" ? peer " (absent)" : peer, ratio, goal
    }'
}

# ---- stages ----

train() {
    for model in ds_cnn bc_resnet tc_resnet8 gru; do
        for threads in 1 $([ "$cores" -gt 1 ] && echo 2); do
            race high "train $model, samples/s, ${threads}t" '>= 2' 'PyTorch, tuned' \
                "sotto samples_per_s train $model --threads $threads" "torch train $model $threads"
            eval "speed$threads=$ours"
        done
        [ "$cores" -gt 1 ] && row "train $model, 2 threads over 1" "$speed2" "$speed1" 'itself' high '>= 1.85'
    done
}
infer_kind() { # KIND OPTION GOAL
    for batch in 1 100; do
        for peer in onnxruntime xnnpack; do
            race low "$1 ds_cnn, us/clip, batch $batch" '>= 1' "$peer" \
                "sotto us_per_clip infer ds_cnn_mlperf $2 --batch $batch --threads 1" "$peer $1 $batch 1"
        done
    done
}
infer() { infer_kind float ''; }
int8() { infer_kind int8 --int8; }
features() {
    for preset in mfcc_49x10 logmel_40x101; do
        for peer in numpy torchaudio; do
            race high "$preset, clips/s" '>= 4' "$peer" "sotto clips_per_s features $preset" \
                "python_features $peer $preset"
        done
        race low "$preset, us/clip" '>= 0.6' 'its FFTs alone' "sotto us_per_clip features $preset" \
            "sotto fft_us features $preset"
    done
}
import() {
    [ -d "$clips" ] || { echo "import: no folder $clips (SOTTO_SPEECH_COMMANDS)"; return; }
    race low 'import, seconds' '>= 0.8' 'decoding alone' "sotto import_seconds import $clips" \
        "sotto decode_seconds import $clips"
}
# Training with loader, augmentation, features and validation against its steps alone.
loop() {
    [ -d "$clips" ] || { echo "loop: no folder $clips (SOTTO_SPEECH_COMMANDS)"; return; }
    "$SOTTO" data import "$clips" -q -o "$temp/sc.h5" >/dev/null || return
    run_loop() {
        rm -rf "$temp/run"
        "$SOTTO" train ds_cnn data.pack="$temp/sc.h5" train.epochs=3 train.warmup_epochs=1 -q --threads "$cores" \
            --format json -o "$temp/run" 2>/dev/null | field clips_per_s
    }
    race high "training loop, clips/s, ${cores}t" '>= 0.9' 'its steps alone' run_loop \
        "sotto samples_per_s train ds_cnn --shards 4 --threads $cores"
}
# Ten starts, since one is shorter than the clock of some shells.
start() {
    begin=$(date +%s%N)
    for _ in 1 2 3 4 5 6 7 8 9 10; do "$SOTTO" --help >/dev/null; done
    row 'start of sotto --help, ms' "$(awk "BEGIN { print ($(date +%s%N) - $begin) / 1e7 }")" 10 'the goal' low '>= 1'
}

[ $# -gt 0 ] || set -- train infer int8 features import loop start
echo "machine: $("$SOTTO" bench machine --format tsv | tr '\t\n' '= ')"
for stage in "$@"; do $stage; done
