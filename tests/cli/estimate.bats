# sotto estimate: costs of models on boards.
bats_require_minimum_version 1.5.0

setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
    root=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
    : "${SOTTO:=$root/build/sotto}"
    cat > small.net <<'NET'
x = input 49x10x1
c = conv2d(x) out=16 kernel=10x4 stride=2x2 pad=same
r = relu(c)
p = globalpool(r)
y = dense(p) out=10
NET
    printf 'x = input 200x200x4\nc = conv2d(x) out=64 kernel=3x3 pad=same\ny = globalpool(c)\n' > big.net
}

column() { # name: that column of the table in $output (TSV), whose header has the name
    awk -F '\t' -v want="$1" '
        { for (i = 1; i <= NF; i++) if ($i == want) { at = i; next } }
        at && NF >= at { print $at }' <<< "$output"
}

@test "an untrained architecture on all boards: at least thirty, every figure with error and basis" {
    run --separate-stderr "$SOTTO" estimate small.net --format json
    [ "$status" -eq 0 ]
    [ -z "$stderr" ]
    command -v jq >/dev/null || skip "jq is not there"
    [ "$(jq '.targets | length' <<< "$output")" -ge 30 ]
    [ "$(jq '.macs' <<< "$output")" -eq $((25 * 5 * 16 * 40 + 160)) ]
    jq -e '.targets[] | select(.latency_ms <= 0 or .latency_error_percent <= 0 or .source == "")' \
        <<< "$output" && return 1
    for figure in flash ram latency; do
        jq -e --arg f "$figure" 'all(.targets[]; .[$f + "_error_percent"] != null and
            (.[$f + "_basis"] | IN("exact", "measured", "published", "inferred")))' <<< "$output"
    done
    jq -e 'all(.targets[]; (.energy_uj == null) == (.energy_basis == ""))' <<< "$output"
}

@test "all boards are ranked: what fits first, then by time or by energy" {
    command -v jq >/dev/null || skip "jq is not there"
    run "$SOTTO" estimate small.net --target all --format json
    [ "$status" -eq 0 ]
    jq -e '[.targets[] | [.fits == false, .latency_ms]] | . == sort' <<< "$output"
    run "$SOTTO" estimate small.net --by energy --format json
    [ "$status" -eq 0 ]
    jq -e '[.targets[] | [.fits == false, .energy_uj // 1e30]] | . == sort' <<< "$output"
    jq -e '.targets[0].energy_uj > 0' <<< "$output"
    run "$SOTTO" estimate small.net --by beauty
    [ "$status" -eq 2 ]
}

@test "--fit: boards within the limits only; exit 4 when none is, and why" {
    command -v jq >/dev/null || skip "jq is not there"
    run --separate-stderr "$SOTTO" estimate big.net --fit --format json
    [ "$status" -eq 0 ]
    jq -e '(.targets | length > 0) and all(.targets[]; .fits)' <<< "$output"
    [[ $output != *bluepill* ]]
    run --separate-stderr "$SOTTO" estimate ds_cnn --latency-ms 150 --flash-kb 64 --ram-kb 20 --format json
    [ "$status" -eq 0 ]
    jq -e '(.targets | length > 0) and
           all(.targets[]; .latency_ms <= 150 and .flash_bytes <= 65536 and .ram_bytes <= 20480)' <<< "$output"
    run --separate-stderr "$SOTTO" estimate ds_cnn --duty 0.001 --format tsv
    [ "$status" -eq 4 ]
    [[ $stderr == *"no board of "*" holds the model within the limits"* ]]
    [[ $stderr == *"--duty 0.001"* ]]
    [ "$(column target | wc -l)" -eq 0 ]
    run "$SOTTO" estimate ds_cnn --target nucleo-l4r5zi --ram-kb 9
    [ "$status" -eq 4 ]
    run "$SOTTO" estimate ds_cnn --ram-kb -1
    [ "$status" -eq 2 ]
}

@test "the duty cycle is time by hop of the features; a bare graph has none" {
    command -v jq >/dev/null || skip "jq is not there"
    run "$SOTTO" estimate ds_cnn features.hop_ms=40 --target nucleo-l4r5zi --format json
    [ "$status" -eq 0 ]
    jq -e '.hop_ms == 80' <<< "$output" # an inference every two frames, about 100 ms
    jq -e '.targets[0] | (.latency_ms + 2 * .frontend_ms) / 80 / .duty - 1 | fabs < 1e-9' <<< "$output"
    run "$SOTTO" estimate ds_cnn features.hop_ms=40 --hop-ms 400 --target nucleo-l4r5zi --format json
    jq -e '.hop_ms == 400' <<< "$output"
    jq -e '.targets[0] | (.latency_ms + 10 * .frontend_ms) / 400 / .duty - 1 | fabs < 1e-9' <<< "$output"
    run "$SOTTO" estimate ds_cnn features.hop_ms=40 --hop-ms 50 --target nucleo-l4r5zi
    [ "$status" -eq 2 ]
    [[ $output == *"--hop-ms 50: the features of the model have a hop of 40 ms"* ]]
    run "$SOTTO" estimate small.net --target nucleo-l4r5zi --format json
    jq -e '.targets[0].duty == null' <<< "$output"
    run "$SOTTO" estimate small.net --target nucleo-l4r5zi --duty 50 # not known: not within
    [ "$status" -eq 4 ]
}

@test "--hop: work, RAM and duty of a streaming step; the duty is by hop of so many frames" {
    command -v jq >/dev/null || skip "jq is not there"
    run "$SOTTO" estimate gru --hop 2 --target nucleo-l4r5zi --format json
    [ "$status" -eq 0 ]
    jq -e '.stream == "state" and .hop_frames == 2 and .hop_ms > 0' <<< "$output"
    jq -e '.hop_ms as $hop | .targets[0] | (.latency_ms + 2 * (.frontend_ms // 0)) / $hop / .duty - 1
           | fabs < 1e-9' <<< "$output"
    step=$(jq .targets[0].latency_ms <<< "$output") macs=$(jq .macs <<< "$output")
    run "$SOTTO" estimate gru --target nucleo-l4r5zi --format json
    jq -e --argjson step "$step" --argjson macs "$macs" \
        '.macs > 12 * $macs and .targets[0].latency_ms > 11 * $step' <<< "$output"
    run "$SOTTO" estimate gru --hop 2 --target nucleo-l4r5zi --duty 0.001 --format json
    [ "$status" -eq 4 ]
    run "$SOTTO" estimate ds_cnn --hop 2 --target nucleo-l4r5zi --layers --format json
    [ "$status" -eq 0 ]
    jq -e '.stream == "window" and .ram_bytes > .work_bytes and .macs == ([.layers[].macs] | add)' <<< "$output"
    jq -e '.layers[0].layer == "kept rows"' <<< "$output"
}

@test "--hop: instructions of a step are those counted in the emulator, within a tenth" {
    command -v jq >/dev/null || skip "jq is not there"
    while IFS=$'\t' read -r model hop _ macs _ bytes counted _; do
        [ "$model" != model ] && [ "$hop" != 1 ] && [ "$hop" != 8 ] || continue
        run "$SOTTO" estimate "$model" --hop "$hop" --target nucleo-l4r5zi --layers --format json
        [ "$status" -eq 0 ]
        jq -e --argjson macs "$macs" --argjson bytes "$bytes" --argjson counted "$counted" \
            '.macs == $macs and .work_bytes == $bytes and
             (([.layers[].instructions] | add) / $counted - 1 | fabs < 0.1)' <<< "$output" ||
            { echo "$model, hop of $hop: $output"; return 1; }
    done < "$root/bench/stream_steps.tsv"
}

@test "--hop: what does not go with it is refused" {
    for wrong in "--hop 2 --runtime cmsis-nn" "--hop 2 --measure" "--hop -1" "--stream state" \
        "--hop 2 --stream no" "--hop 2 --stream state" "--hop 4000"; do
        run "$SOTTO" estimate small.net --target nucleo-l4r5zi $wrong
        [ "$status" -eq 2 ]
    done
}

@test "--runtime cmsis-nn: the model under TFLM; both beside each other; cores without CMSIS-NN" {
    command -v jq >/dev/null || skip "jq is not there"
    run "$SOTTO" estimate "$root/bench/nets/kws.net" --runtime sotto,cmsis-nn --target nucleo-l4r5zi --format json
    [ "$status" -eq 0 ]
    jq -e '.targets | length == 2 and .[0].runtime == "sotto" and .[1].runtime == "cmsis-nn"' <<< "$output"
    # published: 99.8 (microTVM), 94.3 (TFLM), arena 22,820 bytes here
    jq -e '.targets[1] | .latency_ms > 85 and .latency_ms < 110 and .ram_bytes > 22000 and .ram_bytes < 24000
           and .flash_bytes > 130000 and .latency_basis == "published"' <<< "$output"
    run "$SOTTO" estimate small.net --runtime cmsis-nn --target esp32-devkit --format json
    [ "$status" -eq 0 ]
    jq -e '.targets[0] | .latency_ms == null and .flash_bytes == null and .fits == false
           and (.why_not | test("CMSIS-NN"))' <<< "$output"
    run "$SOTTO" estimate small.net --runtime tvm
    [ "$status" -eq 2 ]
}

@test "tsv: a row a board, the order asked for" {
    run "$SOTTO" estimate small.net --target nucleo-h743zi,nucleo-l4r5zi --format tsv
    [ "$status" -eq 0 ]
    [ "$(column target | tr '\n' ' ')" = "nucleo-h743zi nucleo-l4r5zi " ]
}

@test "--layers: layer times add up to the time of the board" {
    run "$SOTTO" estimate small.net --target nucleo-l4r5zi --layers --format json
    [ "$status" -eq 0 ]
    command -v jq >/dev/null || skip "jq is not there"
    jq -e '([.layers[].latency_ms] | add) as $sum | .targets[0].latency_ms as $all
           | ($sum - $all) / $all | fabs < 1e-9' <<< "$output"
    [ "$(jq -r '[.layers[].layer] | join(" ")' <<< "$output")" = "c p y" ]
}

@test "a network that does not fit says what is too much" {
    run "$SOTTO" estimate big.net --target bluepill --format tsv
    [ "$status" -eq 0 ]
    [ "$(column fits)" = no ]
    [[ $(column why_not) == *"KiB of RAM too much"* ]]
}

@test "--list names the boards" {
    run "$SOTTO" estimate --list --format tsv
    [ "$status" -eq 0 ]
    [ "$(column target | wc -l)" -ge 33 ]
    [[ $output == *arduino-nano-33-ble* ]]
}

@test "an unknown board: exit 2, the nearest name, nothing on stdout" {
    run --separate-stderr "$SOTTO" estimate small.net --target nucleo-l4r5
    [ "$status" -eq 2 ]
    [ -z "$output" ]
    [[ $stderr == *"unknown board 'nucleo-l4r5'"* ]]
    [[ $stderr == *"nucleo-l4r5zi"* ]]
}

@test "a board of one's own from a file; its mistakes by line" {
    sed 's/^name = .*/name = mine/; s/^mhz = .*/mhz = 60/' \
        "$root/quantize/targets/nucleo-l4r5zi.ini" > mine.ini
    run "$SOTTO" estimate small.net --target mine.ini,nucleo-l4r5zi --format tsv
    [ "$status" -eq 0 ]
    mapfile -t ms < <(column latency_ms)
    awk -v a="${ms[0]}" -v b="${ms[1]}" 'BEGIN { exit !(a / b > 1.999 && a / b < 2.001) }'
    sed -i 's/^mhz = .*/mhz = quick/' mine.ini
    run "$SOTTO" estimate small.net --target mine.ini
    [ "$status" -eq 2 ]
    [[ $output == *"mine.ini:"[0-9]*"[clock] mhz = quick"* ]]
}

@test "bad input: no model, no such file, no model file, a broken architecture" {
    run "$SOTTO" estimate
    [ "$status" -eq 2 ]
    run "$SOTTO" estimate nothing.h5
    [ "$status" -eq 3 ]
    run "$SOTTO" estimate mini.net
    [ "$status" -eq 3 ]
    echo text > text.h5
    run "$SOTTO" estimate text.h5
    [ "$status" -eq 3 ]
    printf 'x = input 4x4x1\nc = conv2d(x) out=2 kernel=9x9 pad=valid\n' > broken.net
    run "$SOTTO" estimate broken.net
    [ "$status" -eq 2 ]
    [[ $output == *"broken.net:2"* ]]
}

@test "derived figures of the profiles are those of the kernels and the published times" {
    reference=${SOTTO_REFERENCE:-$root/../shared/reference}
    [ -d "$reference" ] || skip "the published figures are not here"
    command -v arm-none-eabi-gcc >/dev/null || skip "arm-none-eabi-gcc is not there"
    command -v qemu-system-arm >/dev/null || skip "qemu-system-arm is not there"
    [[ $(arm-none-eabi-gcc -dumpversion) == 12.* ]] || skip "the figures are of GCC 12"
    make -s -C "$root" build/release/bench/fit_latency build/release/bench/fit_instructions
    run "$root/bench/update_targets.sh" --check "$reference"
    [ "$status" -eq 0 ]
}

@test "one board held out after another: median 10 %, worst 25 % of the published times of CMSIS-NN" {
    reference=${SOTTO_REFERENCE:-$root/../shared/reference}
    [ -d "$reference" ] || skip "the published figures are not here"
    make -s -C "$root" build/release/bench/fit_latency
    cd "$root"
    run build/release/bench/fit_latency "$reference"
    [ "$status" -eq 0 ]
    [[ $output != *"no rule for it"* ]]
    awk '/mcu_latency_truth.csv/ { here = 1 } /rows [0-9]+, median/ && here {
             gsub(",", ""); n = $2; median = $5; worst = $10; here = 0 }
         END { exit !(n >= 15 && median <= 10 && worst <= 25 && worst > 0) }' <<< "$output"
}

@test "instructions of counted layers become rules; rows that are no numbers are refused" {
    make -s -C "$root" build/release/bench/fit_instructions
    fit=$root/build/release/bench/fit_instructions
    {
        echo "core,kernel_library,opt,net,op,in,kernel,out,macs,instructions,ins_per_mac"
        for core in Cortex-M0+:-O3 Cortex-M3:-O3 Cortex-M4:-O2 Cortex-M55:-O3; do
            for n in 10 20 40; do
                echo "${core%:*},CMSIS-NN (2026),${core#*:},n,FC,1x1x$n,1x1,1x1x8,$((8 * n)),$((80 * n)),10"
            done
        done
    } > qemu.csv
    {
        echo "isa,opt,op,variant,out,macs,pixels,rows,weights,instructions,net"
        for n in 10 20 40 80; do
            echo "a,-O2,dense,,100,$((100 * n)),1,100,$((100 * n)),$((300 * n + 2000)),small"
        done
        echo "a,-O2,frame,mfcc_49x10,0,0,0,0,0,50000,"
        echo "a,-O2,frame,mfcc_25x10,0,0,0,0,0,1000,"
        echo "a,-O2,frame,mfcc_20x49,0,0,0,0,0,90000,"
    } > counts.csv
    run "$fit" --ini qemu.csv counts.csv
    [ "$status" -eq 0 ]
    [[ $output == *"[sotto a]"*"dense = 3 0 20 0 0 0 4 0.0 0.0"* ]]
    [[ $output == *"[frontend a]"*"frame = "* ]]
    awk "/frontend a/ { here = 1 } here && /^error_percent/ { exit !(\$3 > 1) }" <<< "$output"
    [[ $output == *"[cmsis-nn armv7e-m]"*"dense = 10 "* ]]
    run "$fit" qemu.csv counts.csv
    [[ $output == *"networks 1, median 0.0 %, worst 0.0 %"* ]]
    echo "a,-O2,dense,,100,many,1,100,10,100,small" >> counts.csv
    run "$fit" qemu.csv counts.csv
    [ "$status" -eq 1 ]
    [[ $output == *"a number is missing"* ]]
    run "$fit" qemu.csv
    [ "$status" -eq 2 ]
}

@test "instructions estimated are those that the emulator counts, within 15 %" {
    for tool in arm-none-eabi-gcc qemu-system-arm jq; do
        command -v $tool >/dev/null || skip "$tool is not there"
    done
    [[ $(arm-none-eabi-gcc -dumpversion) == 12.* ]] || skip "the figures are of GCC 12"
    for model in ds_cnn tc_resnet8 "gru model.width=32" dnn; do
        run "$SOTTO" estimate $model --measure --target nucleo-g0b1re,bluepill,nucleo-l4r5zi --format json
        [ "$status" -eq 0 ]
        jq -e '(.measured | length == 3) and all(.measured[];
                  .instructions_estimated / .instructions | . > 0.85 and . < 1.15)' <<< "$output"
        jq -e 'all(.measured[]; .ram_bytes - .ram_estimated_bytes | . >= 0 and . <= 8)' <<< "$output"
    done
}
