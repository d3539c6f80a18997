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

@test "an untrained architecture on all boards: at least twelve, with errors and basis" {
    run --separate-stderr "$SOTTO" estimate small.net --format json
    [ "$status" -eq 0 ]
    [ -z "$stderr" ]
    command -v jq >/dev/null || skip "jq is not there"
    [ "$(jq '.targets | length' <<< "$output")" -ge 12 ]
    [ "$(jq '.macs' <<< "$output")" -eq $((25 * 5 * 16 * 40 + 160)) ]
    [ "$(jq '[.targets[] | select(.latency_ms > 0 and .latency_error_percent > 0 and .basis != "")] | length' <<< "$output")" \
      -eq "$(jq '.targets | length' <<< "$output")" ]
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
    [ "$(column target | wc -l)" -ge 20 ]
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
    make -s -C "$root" build/release/bench/fit_latency
    run "$root/bench/update_targets.sh" --check "$reference"
    [ "$status" -eq 0 ]
}
