# The program as a whole: help, exit codes, talk on the right stream.

bats_require_minimum_version 1.5.0

setup() {
    cd "$BATS_TEST_TMPDIR"
    : "${SOTTO:?run through tests/run.sh, or set SOTTO to the program}"
    root="$BATS_TEST_DIRNAME/../.."
}

commands() { # "data import", one a line
    sed -n 's/^COMMAND(\([a-z_]*\).*/\1/p' "$root/train/commands.def" | tr _ ' '
}

@test "sotto --help is the result: stdout, status 0, names every command" {
    run --separate-stderr "$SOTTO" --help
    [ "$status" -eq 0 ]
    [ -z "$stderr" ]
    while read -r name; do
        [[ "$output" == *"  $name "* ]]
    done < <(commands)
    help="$output"
    run "$SOTTO" -h
    [ "$output" = "$help" ]
}

@test "every command explains itself with -h and --help" {
    while read -r name; do
        # shellcheck disable=SC2086
        run --separate-stderr "$SOTTO" $name -h </dev/null
        [ "$status" -eq 0 ]
        [ -z "$stderr" ]
        [[ "$output" == "Usage: sotto $name "* ]]
        [[ "$output" != *"(null)"* ]]
        help="$output"
        # shellcheck disable=SC2086
        run "$SOTTO" $name --help </dev/null
        [ "$output" = "$help" ]
    done < <(commands)
}

@test "every command refuses an option it does not have" {
    while read -r name; do
        # shellcheck disable=SC2086
        run --separate-stderr "$SOTTO" $name --no-such-option </dev/null
        [ "$status" -eq 2 ]
        [ -z "$output" ]
        [[ "$stderr" == "sotto: unknown option '--no-such-option' of sotto $name"* ]]
        # shellcheck disable=SC2086
        run --separate-stderr "$SOTTO" $name --hepl </dev/null
        [ "$status" -eq 2 ]
        [[ "$stderr" == *"hint: did you mean --help?" ]]
    done < <(commands)
}

@test "a command without arguments takes none, and says so" {
    run --separate-stderr "$SOTTO" registry ls v1
    [ "$status" -eq 2 ]
    [ "$stderr" = "sotto: sotto registry ls: one argument too many: 'v1'
hint: usage: sotto registry ls [OPTION...]" ]
    run --separate-stderr "$SOTTO" pipeline kws.ini other.ini
    [[ "$stderr" == *"hint: usage: sotto pipeline [OPTION...] kws.ini [section.key=value...]" ]]
}

@test "a config or model that is not there comes with what to do" {
    for command in "pipeline none.ini" "train none.ini -o r" "problem check r none.ini" \
        "sweep new none.ini -o s"; do
        # shellcheck disable=SC2086
        run --separate-stderr "$SOTTO" $command
        [ "$status" -eq 3 ]
        [[ "$stderr" == "sotto: cannot open 'none.ini'"*"hint: \`sotto init none.ini\` makes "* ]]
    done
    run --separate-stderr "$SOTTO" eval none none.h5
    [ "$status" -eq 3 ]
    [[ "$stderr" == "sotto: there is no model at 'none'"*"hint: a model is a file or a run"* ]]
    [ ! -e r ] && [ ! -e s ]
}

@test "an unknown command is a usage error with the nearest one" {
    run --separate-stderr "$SOTTO" trian
    [ "$status" -eq 2 ]
    [ -z "$output" ]
    [ "$stderr" = "sotto: unknown command 'trian'
hint: did you mean sotto train?" ]
    run --separate-stderr "$SOTTO" data improt x
    [ "$status" -eq 2 ]
    [ "$stderr" = "sotto: unknown command 'data improt'
hint: did you mean sotto data import?" ]
    run --separate-stderr "$SOTTO"
    [ "$status" -eq 2 ]
    [ -z "$output" ]
}

@test "the first word of a family lists its commands" {
    run --separate-stderr "$SOTTO" data -h
    [ "$status" -eq 0 ]
    [[ "$output" == *"  data import "* ]]
    [[ "$output" != *"  train "* ]]
    run --separate-stderr "$SOTTO" data
    [ "$status" -eq 2 ]
    [ -z "$output" ]
}

@test "help that cannot be written is a failure" {
    run --separate-stderr bash -c '"$SOTTO" --help >/dev/full'
    [ "$status" -eq 1 ]
    [[ "$stderr" == "sotto: cannot write to standard output: No space left on device" ]]
    while read -r name; do
        run --separate-stderr bash -c '"$SOTTO" $1 -h >/dev/full' - "$name"
        [ "$status" -eq 1 ]
    done < <(commands)
}

@test "sotto --help takes less than 10 ms to start" {
    release="$root/build/sotto"
    [ -x "$release" ] || skip "no release build"
    # Processor time, which other jobs on the machine disturb least; the best of five rounds.
    best=1000000
    for _ in 1 2 3 4 5; do
        TIMEFORMAT='%U %S'
        used=$({ time for _ in 1 2 3 4 5 6 7 8 9 10; do "$release" --help >/dev/null; done; } 2>&1)
        us=$(echo "$used" | awk '{ print int(($1 + $2) * 1e5) }')
        [ "$us" -ge "$best" ] || best=$us
    done
    echo "$best us a start"
    [ "$best" -lt 10000 ]
}
