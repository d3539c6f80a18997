# Firmware: projects that build and run in the emulator, what they refuse, and the bits of host and
# microcontroller. Words are tones (tests/tones.pl).

bats_require_minimum_version 1.5.0

setup_file() {
    cd "$BATS_FILE_TMPDIR"
    root=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
    : "${SOTTO:=$root/build/sotto}"
    "$root/tests/tones.pl" tones
    "$SOTTO" data import -q tones -o tones.h5
    "$SOTTO" train -q ds_cnn data.pack=tones.h5 data.keywords=low,high model.width=8 \
        train.epochs=2 train.batch=20 train.warmup_epochs=0 -o run
    "$SOTTO" quantize -q run --calibrate tones.h5 -o small.h5 >/dev/null
}

setup() {
    cd "$BATS_FILE_TMPDIR"
    root=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
    : "${SOTTO:=$root/build/sotto}"
    dir=$BATS_TEST_TMPDIR/project
    unset MAKEFLAGS MFLAGS MAKELEVEL # make may be what runs this
}

need() { # programs, without which a test is skipped
    for program in "$@"; do
        command -v "$program" >/dev/null || skip "$program is not there"
    done
}

refused() { # STATUS TEXT COMMAND...: it fails so, says so, and leaves no folder
    want=$1 text=$2
    shift 2
    run --separate-stderr "$SOTTO" "$@"
    echo "status $status: $stderr"
    [ "$status" -eq "$want" ]
    [[ "$stderr" == *"$text"* ]]
    [ -z "$output" ]
    [ -z "$(find "$BATS_TEST_TMPDIR" -name 'project*')" ]
}

value() { # name: its value in the lines of $output
    awk -F '\t' -v name="$1" '$1 == name { print $2 }' <<<"$output"
}

tone() { # rate channels samples: a wav file on stdout, half of it silent, half a square wave
    perl -e 'my ($rate, $channels, $n) = @ARGV;
        my @s = map { ($_ < $n / 2 ? 0 : $_ % 20 < 10 ? 8000 : -8000) } 0 .. $n - 1;
        my $data = pack "s<*", map { my $v = $_; map { $v } 1 .. $channels } @s;
        print "RIFF", pack("V", 36 + length $data), "WAVEfmt ", pack("VvvVVvv", 16, 1, $channels,
            $rate, $rate * 2 * $channels, 2 * $channels, 16), "data", pack("V", length $data), $data' "$@"
}

@test "a project for the emulator builds, runs, and says what it takes" {
    need arm-none-eabi-gcc qemu-system-arm
    "$SOTTO" export -q small.h5 --firmware "$dir" --board mps2-an386 >/dev/null
    run --separate-stderr make -s -C "$dir" run
    echo "$output $stderr"
    [ "$status" -eq 0 ]
    [ -z "$stderr" ]
    [ "$(value selftest)" = ok ]
    [ "$(value inference)" -gt 10000 ]
    [ "$(value stack)" -gt 50 ]
    [ "$(value stack)" -lt 2000 ]
    [ "$(value frame)" -gt 20000 ]
    # ten inferences a second, fifty frames
    [ "$(value second)" -gt $((10 * $(value inference) + 50 * $(value frame) * 9 / 10)) ]
    [ "$(value second)" -lt $((12 * ($(value inference) + $(value posterior)) + 55 * $(value frame))) ]
    # the stages are the inference
    [ "$(awk -F '\t' '$1 == "stage" { n += $3 } END { print n }' <<<"$output")" = "$(value inference)" ]
    run make -s -C "$dir" size
    [[ "$output" == *.rodata* ]]
}

@test "a damaged table is seen by the program" {
    need arm-none-eabi-gcc qemu-system-arm
    "$SOTTO" export -q small.h5 --firmware "$dir" --board mps2-an386 >/dev/null
    sed -i '0,/^    \(-*[0-9]*\),/s//    7\1,/' "$dir/model.h"
    run make -s -C "$dir" run
    echo "$output"
    [ "$status" -ne 0 ]
    [[ "$output" == *"a table is not what was exported"* ]]
}

# A header with the whole way from samples to words, which finds loud blocks: what the program makes
# of it is known to the sample.
stub() {
    cat >"$1" <<'H'
#include <stdint.h>
#include <string.h>
#define KWS_HOP 320
#define KWS_FEATURE_RATE 16000
#define KWS_STAGES 2
#define KWS_FRONTEND 3
#define KWS_POSTERIOR 4
typedef struct sotto_detection { int32_t word, score; } sotto_detection;
typedef struct kws_t { int32_t filled, loud; sotto_detection last; } kws_t;
static inline const char *kws_label(int i) { return i == 0 ? "loud" : "?"; }
static inline const char *kws_stage_name(int i) { return i == 0 ? "wait" : "decide"; }
static inline int kws_selftest(kws_t *s) { return s == 0; }
static const struct { int hop, ahead; struct { int window; } bands; } kws_frontend = {160, 0, {160}};
static inline void kws_init(kws_t *s) { memset(s, 0, sizeof *s); }
static inline sotto_detection kws_result(const kws_t *s) { return s->last; }
static inline int kws_push(kws_t *s, const int16_t *pcm, int n)
{
    volatile uint8_t deep[1000];
    (void)(deep[0] = 0); // the lowest byte of a deep stack
    for (int i = 0; i < n; i++) s->loud += pcm[i] > 4000;
    s->filled += n;
    if (s->filled < KWS_HOP) return 0;
    SOTTO_PROBE(0);
    for (int i = 0; i < 1000; i++) __asm__ volatile("nop");
    SOTTO_PROBE(1);
    s->last.word = s->loud > 0 ? 0 : -1;
    s->last.score = s->loud;
    SOTTO_PROBE(2);
    s->filled = s->loud = 0;
    return 1;
}
H
}

@test "samples in, words out: a recording is heard block by block, at the right times" {
    need arm-none-eabi-gcc qemu-system-arm perl
    tone 16000 1 3200 >"$BATS_TEST_TMPDIR/half.wav" # 0.2 s, loud from 0.1 s on
    "$SOTTO" export -q small.h5 --firmware "$dir" --board mps2-an385 \
        --wav "$BATS_TEST_TMPDIR/half.wav" >/dev/null
    stub "$dir/model.h"
    run --separate-stderr make -s -C "$dir" run
    echo "$output $stderr"
    [ "$status" -eq 0 ]
    [ "$(awk -F '\t' '$1 == "heard" { print $2, $3, $4 }' <<<"$output" | tr '\n' ' ')" = \
        "0.120 loud 160 0.140 loud 160 0.160 loud 160 0.180 loud 160 0.200 loud 160 " ]
    wait=$(awk -F '\t' '$2 == "wait" { print $3 }' <<<"$output") # 1000 turns of a loop of 3 to 5
    [ "$wait" -ge 3000 ]
    [ "$wait" -le 5010 ]
    [ "$(value stack)" -ge 1000 ]
    [ "$(value stack)" -le 1200 ]
    [ "$(value second)" -gt $((50 * wait)) ]
    run --separate-stderr make -s -C "$dir" run WAV= # noise, not as loud
    [ -z "$(value heard)" ]
    [ "$(value second)" -gt $((50 * wait)) ]
}

@test "make run refuses a recording that the model cannot hear" {
    need arm-none-eabi-gcc qemu-system-arm perl
    "$SOTTO" export -q small.h5 --firmware "$dir" --board mps2-an386 >/dev/null
    tone 8000 1 800 >"$dir/slow.wav"
    tone 16000 2 800 >"$dir/stereo.wav"
    echo no sound >"$dir/text.wav"
    for bad in "slow.wav:8000 samples a second, the model takes 16000" "stereo.wav:2 channels" \
        "text.wav:no wav file" "absent.wav:missing"; do
        run --separate-stderr make -s -C "$dir" run WAV="${bad%%:*}"
        echo "$stderr"
        [ "$status" -ne 0 ]
        [[ "$stderr" == *"${bad%%:*}: "*"${bad#*:}"* ]]
        [ ! -e "$dir/audio.new" ]
    done
    tone 16000 1 800 >"$dir/good.wav"
    run --separate-stderr make -s -C "$dir" run WAV=good.wav
    [ "$status" -eq 0 ]
}

@test "--wav takes any recording and converts it" {
    need perl
    tone 8000 2 800 >"$BATS_TEST_TMPDIR/slow.wav"
    "$SOTTO" export -q small.h5 --firmware "$dir" --board mps2-an386 \
        --wav "$BATS_TEST_TMPDIR/slow.wav" >/dev/null
    [ "$(od -An -tu2 -j22 -N2 "$dir/audio.wav" | tr -d ' ')" = 1 ]
    [ "$(od -An -tu4 -j24 -N4 "$dir/audio.wav" | tr -d ' ')" = 16000 ]
    rm -r "$dir"
    echo no sound >"$BATS_TEST_TMPDIR/text.wav"
    refused 3 text.wav export small.h5 --firmware "$dir" --board mps2-an386 \
        --wav "$BATS_TEST_TMPDIR/text.wav"
}

@test "another board gets the frame of a program and a page" {
    "$SOTTO" export -q small.h5 --firmware "$dir" --board nucleo-l4r5zi --format json >"$BATS_TEST_TMPDIR/j"
    grep -q '"emulated": false' "$BATS_TEST_TMPDIR/j"
    [ "$(ls "$dir" | tr '\n' ' ')" = "README.md main.c model.h " ]
    grep -q STM32L4R5ZI "$dir/README.md"
    ! grep -q '@[A-Z]*@' "$dir"/*
    need gcc
    gcc -std=c99 -Wall -Wextra -Werror -c "$dir/main.c" -o "$BATS_TEST_TMPDIR/main.o"
    stub "$dir/model.h"
    gcc -std=c99 -DSOTTO_PROBE\(i\)= -Wall -Wextra -Werror -c "$dir/main.c" -o "$BATS_TEST_TMPDIR/main.o"
}

@test "nothing of a project is left half-written" {
    refused 2 "unknown board 'mps2-an38'" export small.h5 --firmware "$dir" --board mps2-an38
    refused 2 "did you mean mps2-an38" export small.h5 --firmware "$dir" --board mps2-an38
    refused 2 "did you mean nucleo-l4r5zi" export small.h5 --firmware "$dir" --board nucleo-l4r5z
    refused 2 "--board is missing" export small.h5 --firmware "$dir"
    refused 2 "--firmware takes no -o" export small.h5 --firmware "$dir" --board virt -o "$dir.h"
    refused 2 "what to write is missing" export small.h5
    refused 2 "--board is of --firmware" export small.h5 --board virt -o "$dir.h"
    refused 3 "absent.wav" export small.h5 --firmware "$dir" --board virt --wav absent.wav
    refused 1 "cannot be made" export small.h5 --firmware "$dir/no/such" --board virt
    mkdir "$dir"
    echo mine >"$dir/notes"
    run --separate-stderr "$SOTTO" export small.h5 --firmware "$dir" --board virt
    [ "$status" -eq 2 ]
    [[ "$stderr" == *"is not empty"*hint:* ]]
    [ "$(ls "$dir")" = notes ]
    rm "$dir/notes" # an empty folder may be taken
    "$SOTTO" export -q small.h5 --firmware "$dir/" --board virt >/dev/null
    [ -s "$dir/Makefile" ]
    [ "$(find "$BATS_TEST_TMPDIR" -mindepth 1 -maxdepth 1 -name 'project*')" = "$dir" ]
}

@test "estimate --measure: sizes of the ELF file, instructions of the emulator" {
    need arm-none-eabi-gcc qemu-system-arm jq
    mkdir "$BATS_TEST_TMPDIR/tmp"
    export TMPDIR="$BATS_TEST_TMPDIR/tmp"
    "$SOTTO" estimate small.h5 --measure --layers --target nucleo-l4r5zi,bluepill --format json >"$dir.json"
    [ -z "$(ls "$TMPDIR")" ]
    jq -e '[.measured[].target] == ["nucleo-l4r5zi", "bluepill"]' "$dir.json"
    jq -e '[.measured[].machine] == ["mps2-an386", "mps2-an385"]' "$dir.json"
    jq -e '.measured[0].basis == "measured here"' "$dir.json"
    # tables of the file are what the model has, but for alignment and constants of shapes
    jq -e '.measured[0].table_bytes > .weight_bytes' "$dir.json"
    jq -e '.measured[0] | .flash_bytes == .code_bytes + .table_bytes and .code_bytes > 500' "$dir.json"
    jq -e '.measured[0].ram_bytes > 490 and .measured[0].stack_bytes > 50' "$dir.json"
    jq -e '(.measured[0].instructions - ([.measured_stages[] | select(.target == "nucleo-l4r5zi")
        | .instructions] | add)) | fabs < 100' "$dir.json"
    "$SOTTO" export -q small.h5 --firmware "$dir" --board mps2-an386 >/dev/null
    run make -s -C "$dir" run
    [ "$(jq '.measured[0].instructions' "$dir.json")" = "$(value inference)" ]
}

@test "estimate --measure: sizes are those of the symbols that another tool finds" {
    need arm-none-eabi-gcc arm-none-eabi-nm qemu-system-arm jq perl
    "$SOTTO" estimate small.h5 --measure -t nucleo-l4r5zi --format json >"$dir.json"
    "$SOTTO" export -q small.h5 --net --firmware "$dir" --board mps2-an386 >/dev/null
    make -s -C "$dir"
    symbols() { # types, names: bytes of all such symbols
        arm-none-eabi-nm -S "$dir/firmware.elf" | perl -ane '
            BEGIN { ($types, $names) = splice @ARGV, 0, 2 }
            $n += hex $F[1] if @F == 4 && $F[2] =~ $types && $F[3] =~ $names;
            END { print $n }' "$1" "$2"
    }
    tables=$(symbols '[rR]' '^kws_\d+_') ram=$(symbols '[bB]' '^(buffer|out)')
    echo "tables $tables, RAM $ram: $(jq -c '.measured[0]' "$dir.json")"
    jq -e --argjson n "$tables" '.measured[0].table_bytes / $n | . > 0.97 and . < 1.1' "$dir.json"
    jq -e --argjson n "$ram" '.measured[0].ram_bytes - $n | . > 480 and . < 600' "$dir.json" # and the input
    rm -r "$dir"
    "$SOTTO" export -q small.h5 --firmware "$dir" --board mps2-an386 >/dev/null
    make -s -C "$dir"
    ram=$(symbols '[bB]' '^(buffer|state)')
    jq -e --argjson n "$ram" '.measured_with_front_end[0] | .ram_bytes - $n | . >= 0 and . < 16' "$dir.json"
    jq -e '.targets[0].whole_ram_bytes - .measured_with_front_end[0].ram_bytes | . >= -16 and . <= 0' "$dir.json"
    jq -e '.targets[0] as $t | $t.whole_flash_bytes / .measured_with_front_end[0].flash_bytes |
        . < 1 + $t.whole_flash_error_percent / 100 and . > 1 / (1 + $t.whole_flash_error_percent / 100)' "$dir.json"
    state=$("$SOTTO" export -q small.h5 -o "$BATS_TEST_TMPDIR/x.h" --format json | jq '.work_bytes + .state_bytes')
    jq -e --argjson n "$state" '.targets[0].whole_ram_bytes - $n | fabs <= 4' "$dir.json"
    jq -e '.measured_with_front_end[0].flash_bytes - .measured[0].flash_bytes | . > 4000 and . < 14000' \
        "$dir.json"
}

@test "estimate --measure: an architecture that nobody trained" {
    need arm-none-eabi-gcc qemu-system-arm jq
    "$SOTTO" estimate ds_cnn model.width=8 data.keywords=low,high --measure -t nucleo-l4r5zi \
        --format json >"$dir.json"
    "$SOTTO" estimate small.h5 --measure -t nucleo-l4r5zi --format json >"$dir.trained"
    # weights decide nothing but a few branches
    jq -e --slurpfile t "$dir.trained" '.measured[0].instructions / $t[0].measured[0].instructions
        | . > 0.98 and . < 1.02' "$dir.json"
}

@test "estimate --measure: what is missing is named" {
    mkdir "$BATS_TEST_TMPDIR/empty"
    run --separate-stderr env PATH="$BATS_TEST_TMPDIR/empty" "$SOTTO" estimate small.h5 --measure -t bluepill
    echo "$stderr"
    [ "$status" -eq 1 ]
    [[ "$stderr" == *"arm-none-eabi-gcc is not there"*"apt-get install gcc-arm-none-eabi"* ]]
    refused 2 "--opt" estimate small.h5 --measure --opt -O9 -t bluepill
    refused 3 "float" estimate run/model.h5 --measure -t bluepill
}

fake() { # name, body: a program of this name, first in PATH
    mkdir -p "$BATS_TEST_TMPDIR/bin" "$BATS_TEST_TMPDIR/tmp"
    printf '#!/bin/sh\n%s\n' "$2" >"$BATS_TEST_TMPDIR/bin/$1"
    chmod +x "$BATS_TEST_TMPDIR/bin/$1"
    export PATH="$BATS_TEST_TMPDIR/bin:$PATH" TMPDIR="$BATS_TEST_TMPDIR/tmp"
}

@test "estimate --measure: Ctrl-C ends the compiler and leaves no folder" {
    fake arm-none-eabi-gcc 'exec sleep 60'
    start=$SECONDS
    "$SOTTO" estimate small.h5 -m -t bluepill >"$dir.out" 2>"$dir.err" &
    until [ -n "$(ls "$TMPDIR")" ] || [ $((SECONDS - start)) -gt 20 ]; do sleep 0.1; done
    kill -TERM $!
    status=0
    wait $! || status=$?
    cat "$dir.err"
    [ "$status" -eq 130 ]
    [ $((SECONDS - start)) -lt 30 ]
    [ -z "$(ls "$TMPDIR")" ]
}

@test "estimate --measure: what compiler and emulator complain of is passed on" {
    fake arm-none-eabi-gcc 'echo "main.c:1: error: no such luck" >&2; echo more >&2; exit 1'
    refused 1 "no such luck" estimate small.h5 -m -t bluepill
    [ -z "$(ls "$TMPDIR")" ]
    fake arm-none-eabi-gcc 'for a; do out=$a; done; echo nothing >"$out"'
    refused 1 "made no 32-bit ELF file" estimate small.h5 -m -t bluepill
    fake arm-none-eabi-gcc 'for a; do out=$a; done
        head -c 52 /dev/zero >"$out"; printf "\177ELF\001" | dd of="$out" conv=notrunc status=none'
    fake qemu-system-arm 'echo "selftest	a table is not what was exported"'
    run --separate-stderr "$SOTTO" estimate small.h5 -m -t bluepill
    [ "$status" -eq 6 ]
    [[ "$stderr" == *"self-test on mps2-an385: a table is not"* ]]
    fake qemu-system-arm 'echo "no such machine" >&2; exit 1'
    refused 1 "ended with 1: no such machine" estimate small.h5 -m -t bluepill
    fake qemu-system-arm ':'
    refused 1 "it said nothing" estimate small.h5 -m -t bluepill
    [ -z "$(ls "$TMPDIR")" ]
}

@test "host and microcontroller give the same bits: M0, M4, M55" {
    need arm-none-eabi-gcc qemu-system-arm
    [ -x "$root/build/san/tests/mcu/clips" ] || skip "build/san/tests/mcu/clips is not built"
    PACK=$PWD/tones.h5 MODE=san CLIPS=20 OPTS=-O2 CORES="m0 m4 m55" run --separate-stderr \
        "$root/tests/mcu.sh" "$PWD/small.h5"
    echo "$output $stderr"
    [ "$status" -eq 0 ]
    [ "$(awk -F '\t' '$8 == "equal" && $4 > 9 && $5 == 0 && $6 > 0' <<<"$output" | wc -l)" -eq 3 ]
}

@test "the comparison sees a bit" {
    need arm-none-eabi-gcc qemu-system-arm
    [ -x "$root/build/san/tests/mcu/clips" ] || skip "build/san/tests/mcu/clips is not built"
    clips=$BATS_TEST_TMPDIR/clips
    mkdir "$clips"
    "$root/build/san/tests/mcu/clips" small.h5 - 5 "$clips"
    "$SOTTO" export -q small.h5 --firmware "$dir" --board mps2-an386 $(cat "$clips/options") >/dev/null
    mv "$clips"/*.bin "$dir"
    run make -s -C "$dir" run MAIN="$root/tests/mcu/vectors.c"
    [ "$(value inferences) $(value different)" = "5 0" ]
    cp "$dir/want.bin" "$clips/want.bin"
    outputs=$(awk '$2 == "KWS_OUTPUT_SIZE" { print $3 }' "$dir/model.h")
    for at in 1 "$((outputs + 8 + outputs))" "$((3 * (outputs + 8) - 4))"; do # an output, a word, a score
        cp "$clips/want.bin" "$dir/want.bin"
        printf '\x55' | dd of="$dir/want.bin" bs=1 seek="$at" conv=notrunc status=none
        run make -s -C "$dir" run MAIN="$root/tests/mcu/vectors.c"
        [ "$status" -ne 0 ]
        [[ "$output" == *"different	1"* ]]
    done
}

@test "instructions are counted alike by SysTick and by a plugin of the emulator" {
    need arm-none-eabi-gcc qemu-system-arm gcc
    SOTTO="$SOTTO" run --separate-stderr "$root/bench/instructions.sh" "$PWD/small.h5" mps2-an386
    echo "$output $stderr"
    [ "$status" -eq 0 ]
    [ "$(wc -l <<<"$output")" -ge 6 ]
}

@test "the same on RISC-V, bits and instructions" {
    need riscv64-unknown-elf-gcc qemu-system-riscv32 gcc
    [ -x "$root/build/san/tests/mcu/clips" ] || skip "build/san/tests/mcu/clips is not built"
    SOTTO="$SOTTO" run --separate-stderr "$root/bench/instructions.sh" "$PWD/small.h5" virt
    echo "$output $stderr"
    [ "$status" -eq 0 ]
    PACK=- MODE=san CLIPS=5 OPTS=-Os CORES=rv32imc run --separate-stderr "$root/tests/mcu.sh" "$PWD/small.h5"
    echo "$output $stderr"
    [ "$status" -eq 0 ]
}
