# Of test files whose tests write into $out: `load out`.

setup() {
    cd "$BATS_FILE_TMPDIR"
    out="$BATS_TEST_TMPDIR/out"
    mkdir "$out"
}

refused() { # STATUS TEXT COMMAND...: it fails so, says so, and leaves nothing in $out
    want=$1 text=$2
    shift 2
    run --separate-stderr "$SOTTO" "$@"
    echo "status $status: $stderr"
    [ "$status" -eq "$want" ]
    [[ "$stderr" == *"$text"* ]]
    [ -z "$output" ]
    [ -z "$(find "$out" -mindepth 1)" ]
}
