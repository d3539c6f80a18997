# .onnx files from the shell: float and int8 models become files that onnx.checker takes, what cannot
# be is refused, and nothing is left half-written. Words are tones (tests/tones.pl), so that a run
# takes seconds.

bats_require_minimum_version 1.5.0

load out

setup_file() {
    cd "$BATS_FILE_TMPDIR"
    : "${SOTTO:?run through tests/run.sh, or set SOTTO to the program}"
    "$BATS_TEST_DIRNAME/../tones.pl" tones
    "$SOTTO" data import -q tones -o tones.h5
    "$SOTTO" train -q ds_cnn data.pack=tones.h5 data.keywords=low,high model.width=8 \
        train.epochs=1 train.batch=20 train.warmup_epochs=0 -o run
    "$SOTTO" quantize -q run --calibrate tones.h5 -o a.int8.h5 >/dev/null
}

checker() { # PYTHON FILE: an expression of the model m holds, and the checker takes it
    /usr/bin/python3 -c 'import onnx' 2>/dev/null || skip "onnx.checker is absent (python3-onnx)"
    /usr/bin/python3 -c "
import onnx
m = onnx.load('$2')
onnx.checker.check_model(m, full_check=True)
text = {p.key: p.value for p in m.metadata_props}
count = lambda name: sum(n.op_type == name for n in m.graph.node)
assert ($1), m"
}

@test "a run and its model file give the same bytes, by name and by --format" {
    "$SOTTO" export run -o "$out/a.onnx" --format json >"$out/a.json"
    [ "$(jq -r .kind "$out/a.json")" = float ]
    [ "$(jq -r .file "$out/a.json")" = "$out/a.onnx" ]
    [ "$(jq -r .file_bytes "$out/a.json")" = "$(stat -c %s "$out/a.onnx")" ]
    "$SOTTO" export -q run/model.h5 --format onnx -o "$out/b" >/dev/null
    cmp "$out/a.onnx" "$out/b"
}

@test "int8 is int8" {
    "$SOTTO" export a.int8.h5 -o "$out/a.onnx" --format json >"$out/a.json"
    [ "$(jq -r .kind "$out/a.json")" = int8 ]
    "$SOTTO" export -q run -o "$out/f.onnx" >/dev/null
    grep -aq QuantizeLinear "$out/a.onnx"
    ! grep -aq QuantizeLinear "$out/f.onnx" || false
}

@test "the checker takes a float model, with labels and features" {
    "$SOTTO" export -q run -o "$out/a.onnx" >/dev/null
    checker "text['sotto.labels'].split('\n') == ['low', 'high', '_unknown_', '_silence_'] and
        'mfcc' in text['sotto.features'] and 'sotto.hash' not in text and count('Conv') == 9 and
        count('QuantizeLinear') == 0 and m.opset_import[0].version == 13" "$out/a.onnx"
}

@test "the checker takes an int8 model, which says its hash" {
    "$SOTTO" export -q a.int8.h5 -o "$out/a.onnx" >/dev/null
    "$SOTTO" export a.int8.h5 -o "$out/a.h" --format json >"$out/a.json"
    checker "text['sotto.hash'] == '$(jq -r .model_hash "$out/a.json")' and count('Conv') == 9 and
        count('QuantizeLinear') > 10 and m.producer_name == 'sotto'" "$out/a.onnx"
}

@test "what is no model, and what cannot be written, is refused" {
    refused 3 "nowhere" export nowhere -o "$out/b.onnx"
    refused 3 "tones.h5" export tones.h5 -o "$out/b.onnx"
    head -c 1000 a.int8.h5 >"$BATS_TEST_TMPDIR/cut.h5"
    refused 3 "cut.h5" export "$BATS_TEST_TMPDIR/cut.h5" -o "$out/b.onnx"
    refused 2 "header, tflite, onnx" export run --format onnxx -o "$out/b.onnx"
    refused 1 "nowhere/b.onnx" export run -o "$out/nowhere/b.onnx"
    refused 1 "/dev/full" export run --format onnx -o /dev/full
    refused 2 "-o" export run --format onnx
}

@test "a .h by name is still a header, and --format wins over the name" {
    "$SOTTO" export -q a.int8.h5 --format tflite -o "$out/a.onnx" >/dev/null
    [ "$(head -c 8 "$out/a.onnx" | tail -c 4)" = TFL3 ]
    "$SOTTO" export -q a.int8.h5 --format header -o "$out/b.onnx" >/dev/null
    grep -q kws_selftest "$out/b.onnx"
}
