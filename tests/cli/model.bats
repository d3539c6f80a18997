# The zoo from the shell: list, show, cost, and that they agree.

bats_require_minimum_version 1.5.0

setup() {
    cd "$BATS_TEST_TMPDIR"
    : "${SOTTO:?run through tests/run.sh, or set SOTTO to the program}"
}

value() { # name: of the values in $output (TSV)
    awk -F '\t' -v want="$1" '$1 == want { print $2 }' <<< "$output"
}

@test "cost: MLPerf Tiny's DS-CNN, 12 classes" {
    command -v jq >/dev/null || skip "jq is not there"
    run --separate-stderr "$SOTTO" model cost ds_cnn_mlperf --classes 12 --format json
    [ "$status" -eq 0 ]
    [ -z "$stderr" ]
    [ "$(jq -c . <<< "$output")" = "$(jq -c . <<< '{"parameters": 23756, "macs": 2656768,
        "weight_bytes": 22016, "activation_bytes": 16502, "activation_bytes_float": 66008}')" ]
}

@test "cost: classes of data.keywords unless said otherwise" {
    run "$SOTTO" model cost dnn
    [ "$(value parameters)" -eq $((79644 - 2 * 145)) ]
    run "$SOTTO" model cost dnn data.keywords=yes,no
    [ "$(value parameters)" -eq $((79644 - 8 * 145)) ]
    run "$SOTTO" model cost dnn "data.keywords=yes,, no,"
    [ "$(value parameters)" -eq $((79644 - 8 * 145)) ]
    run "$SOTTO" model cost dnn "data.keywords=yes no,up"
    [ "$status" -eq 2 ]
    [[ "$output" == *"'yes no' in the list of words is no word"* ]]
    run "$SOTTO" model cost dnn data.keywords=yes,no --classes 12
    [ "$(value parameters)" -eq 79644 ]
}

@test "cost --layers: a row a node, sums are those of the model, memory is that of estimate" {
    command -v jq >/dev/null || skip "jq is not there"
    "$SOTTO" model cost bc_resnet --layers --format json > cost.json
    jq -e '([.layers[].parameters] | add) == .parameters and ([.layers[].macs] | add) == .macs
           and .layers[0] == {name: "x", op: "input", shape: "101x40x1", parameters: 0, macs: 0,
                              outputs: 4040}
           and .layers[1].shape == "101x20x16" and .layers[1].parameters == 400' cost.json
    "$SOTTO" estimate bc_resnet -t nucleo-l4r5zi --format json > estimate.json
    [ "$(jq .activation_bytes cost.json)" -eq "$(jq .ram_bytes estimate.json)" ]
    # int8 has a table of 256 bytes for each silu
    tables=$(jq '256 * ([.layers[] | select(.op == "silu")] | length)' cost.json)
    [ "$tables" -gt 0 ]
    # on a device depthwise taps are in pairs, and the taps of other convolutions in fours
    padding=$(jq '[.layers[] | select(.op | endswith("conv2d")) | . + {channels: (.shape | split("x")
                   | last | tonumber)} | .taps = .parameters / .channels | .channels *
                   if .op == "conv2d" then (4 - .taps % 4) % 4 else .taps % 2 end] | add' cost.json)
    [ "$padding" -gt 0 ]
    [ "$(($(jq .weight_bytes cost.json) + tables + padding))" -eq \
        "$(jq .weight_bytes estimate.json)" ]
    [ "$(jq .macs cost.json)" -eq "$(jq .macs estimate.json)" ]
}

@test "show, then cost of the file: the numbers of the name and of the list, for all of the zoo" {
    "$SOTTO" model list --format tsv > list.tsv
    [ "$(wc -l < list.tsv)" -gt 10 ]
    tail -n +2 list.tsv | cut -f 1,2,4,5 > sizes.tsv
    while IFS=$'\t' read -r name size parameters macs; do
        "$SOTTO" model show "$name" "model.size=$size" -o x.net
        "$SOTTO" model cost x.net --layers > file
        "$SOTTO" model cost "$name" "model.size=$size" --layers > name
        diff file name
        diff <(printf 'parameters\t%s\nmacs\t%s\n' "$parameters" "$macs") <(head -2 file)
    done < sizes.tsv
}

@test "a size brings its features, a preset of one's own stays" {
    "$SOTTO" model show gru model.size=s | head -1 | grep -q 'input 25x10x1'
    "$SOTTO" model show gru model.size=m | head -1 | grep -q 'input 49x10x1'
    "$SOTTO" model show gru model.size=m features.preset=mfcc_40x98 | head -1 |
        grep -q 'input 98x40x1'
    "$SOTTO" train gru model.size=m --print-config > m.ini
    grep -qx 'hop_ms = 20' m.ini
    grep -qx 'normalize = feature' m.ini
    grep -qx 'size = m' m.ini
}

@test "training by name takes the recipe, or the features of an architecture without one" {
    "$SOTTO" train ds_cnn --print-config | grep -qx 'unknown_share = 0.25'
    "$SOTTO" train tc_resnet14 --print-config > tc.ini
    grep -qx 'arch = tc_resnet14' tc.ini
    grep -qx 'mfcc = 40' tc.ini
    run "$SOTTO" train ds_cm --print-config
    [ "$status" -eq 2 ]
    [[ "$output" == *"did you mean 'ds_cnn'"* ]]
    run "$SOTTO" train ds_cm.ini --print-config
    [ "$status" -eq 3 ]
    mkdir ds_cnn
    "$SOTTO" model cost ds_cnn > beside_a_folder
    grep -q parameters beside_a_folder
    "$SOTTO" train ds_cnn --print-config | grep -qx 'unknown_share = 0.25'
}

@test "bad input: names, widths, sizes, classes, files" {
    refuse() { # status, fragment, arguments
        local want=$1 fragment=$2
        shift 2
        run --separate-stderr "$SOTTO" model "$@"
        [ "$status" -eq "$want" ]
        [ -z "$output" ]
        [[ "$stderr" == *"$fragment"* ]]
    }
    for command in cost show; do
        refuse 2 "did you mean 'ds_cnn'" $command ds_cn
        refuse 2 "fc1" $command dnn model.width=0.3
        refuse 2 "model.width" $command dnn model.width=-1
        refuse 2 "ds_cnn_mlperf comes in s" $command ds_cnn_mlperf model.size=m
        refuse 2 "s|m|l" $command dnn model.size=xl
        refuse 2 "model.blocks = 3: dnn" $command dnn model.blocks=3
        refuse 2 "conv1" $command cnn features.preset=mfcc_49x10 features.mfcc=3
        refuse 3 "nothing.net" $command nothing.net
        echo 'x = input 4x4x1; c = conv2d(x) out=2 kernel=9x9 pad=valid' > broken.net
        refuse 2 "broken.net:1" $command broken.net
        echo 'x = input 4; y = dense(x) out=2' > good.net
        refuse 2 "no effect" $command good.net model.width=2
    done
    refuse 2 "--classes" cost dnn --classes -1
    refuse 2 "--classes" cost good.net --classes 4
    refuse 2 "" cost
    echo 'x = input 4' > input.net
    refuse 2 "no layer" cost input.net
}

@test "a value that a key does not take is refused with its section named once" {
    run "$SOTTO" model cost ds_cnn augment.mixup_alpha=-1
    [ "$status" = 2 ]
    [[ $output == *" augment.mixup_alpha = '-1': expected 0 .. "* ]]
}
