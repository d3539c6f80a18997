#!/bin/bash
# Run every test and count: the unit tests given as arguments (cmocka, TAP), tests/cli/*.bats and
# tests/house/*.sh. Each is one job, as many at a time as there are processors; what a job printed
# is shown when something in it failed. The last line is "N passed, N failed[, N skipped]"; the
# status is 1 when anything failed. A job that crashes, is killed, times out or prints fewer
# results than it planned is a failure of its own.
#
# usage: tests/run.sh [UNIT_TEST...]     from the root of the tree; output of each is kept in build/test
set -u
cd "$(dirname "$0")/.." || exit 1
logs=build/test
rm -rf $logs
mkdir -p $logs
export SOTTO="$PWD/build/san/sotto"
export CMOCKA_MESSAGE_OUTPUT=TAP
export ASAN_OPTIONS="${ASAN_OPTIONS:-detect_leaks=1:abort_on_error=0}"
export UBSAN_OPTIONS="${UBSAN_OPTIONS:-print_stacktrace=1}"
export PATH="$PWD/tests/bin:$PATH" # jq -e that fails on nothing
# No test reads the user's settings or speaks to a terminal.
unset DATA
# Clips of their own; tests that need them skip where they are absent.
export SOTTO_SPEECH_COMMANDS="${SOTTO_SPEECH_COMMANDS:-$PWD/../shared/speech_commands}"

job() { # run one file, leave its output and status in $logs
    log=build/test/$(echo "$1" | sed 's|^build/||; s|/|.|g')
    case $1 in
    *.bats) timeout -k 10 900 bats --tap "$1" ;;
    *.sh) timeout -k 10 300 sh "$1" ;;
    *) timeout -k 10 600 "./$1" ;;
    esac >"$log.out" 2>&1 </dev/null
    echo $? >"$log.status"
}
export -f job

jobs=("$@")
for f in tests/cli/*.bats tests/house/*.sh; do
    [ -f "$f" ] && [ "${f##*/}" != lib.sh ] && jobs+=("$f")
done
printf '%s\n' "${jobs[@]}" | xargs -P "$(nproc 2>/dev/null || echo 2)" -I{} bash -c 'job "$1"' - {}

passed=0 failed=0 skipped=0
for j in "${jobs[@]}"; do
    log=$logs/$(echo "$j" | sed 's|^build/||; s|/|.|g')
    status=$(cat "$log.status" 2>/dev/null || echo 'not run')
    read -r ok bad skip planned < <(awk '
        /^ok / { if ($0 ~ /# *[Ss][Kk][Ii][Pp]/) skip++; else ok++ }
        /^not ok / { if ($0 ~ /# *[Ss][Kk][Ii][Pp]/) skip++; else bad++ } # cmocka skips so
        /^1\.\.[0-9]+/ { split($0, p, /\.\./); planned += p[2] }
        END { print ok + 0, bad + 0, skip + 0, planned + 0 }' "$log.out")
    why=
    if [ "$bad" -gt 0 ]; then
        why="$bad failed"
    elif [ "$status" != 0 ]; then
        why="exit status $status"
        bad=1
    elif [ $((ok + skip)) -lt "$planned" ] || [ $((ok + skip)) -eq 0 ]; then
        why="$((ok + skip)) results of $planned"
        bad=1
    fi
    passed=$((passed + ok)) failed=$((failed + bad)) skipped=$((skipped + skip))
    if [ -n "$why" ]; then
        echo "FAILED $j: $why"
        grep -v '^ok ' "$log.out" | head -n 200 | sed 's/^/    /'
    else
        echo "ok     $j: $ok$([ "$skip" -eq 0 ] || echo ", $skip skipped")"
        grep -iE '^(not )?ok .*# *skip' "$log.out" | sed 's/^/    /'
    fi
done

if [ "$skipped" -gt 0 ]; then
    echo "$passed passed, $failed failed, $skipped skipped"
else
    echo "$passed passed, $failed failed"
fi
[ "$failed" -eq 0 ]
