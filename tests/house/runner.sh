#!/bin/sh
# tests/run.sh counts what happened: failures, crashes, tests that stop short or print nothing.
# Its own copy runs over programs that do so.
here=$(cd "$(dirname "$0")/.." && pwd)
temp=$(mktemp -d)
trap 'rm -rf "$temp"' EXIT
mkdir -p "$temp/tests/house" "$temp/tests/cli"
cp "$here/run.sh" "$temp/tests/"
cd "$temp" || exit 1

program() { # name, body
    printf '#!/bin/sh\n%s\n' "$2" >"$1"
    chmod +x "$1"
}
program good 'echo 1..2; echo ok 1 - a; echo "ok 2 - b # SKIP no such tool"'
program skip 'echo 1..2; echo ok 1 - a; echo "not ok 2 # SKIP b"'
program bad 'echo 1..2; echo ok 1 - a; echo not ok 2 - b; exit 1'
program crash 'echo 1..2; echo ok 1 - a; kill -SEGV $$'
program leak 'echo 1..1; echo ok 1 - a; exit 23'
program short 'echo 1..3; echo ok 1 - a'
program silent ':'
program tests/house/rule.sh 'echo ok 1 - a; echo 1..1'

n=0
expect() { # last line, status, arguments of run.sh
    line=$1 status=$2
    shift 2
    n=$((n + 1))
    out=$(tests/run.sh "$@" 2>&1)
    got=$?
    last=$(printf '%s\n' "$out" | tail -n 1)
    if [ "$last" = "$line" ] && [ $got = "$status" ]; then
        echo "ok $n - $line"
    else
        echo "not ok $n - '$line', status $status; got '$last', status $got"
    fi
}
expect '2 passed, 0 failed, 1 skipped' 0 good
expect '2 passed, 0 failed, 1 skipped' 0 skip
expect '2 passed, 1 failed' 1 bad
expect '2 passed, 1 failed' 1 crash
expect '2 passed, 1 failed' 1 leak
expect '2 passed, 1 failed' 1 short
expect '1 passed, 1 failed' 1 silent
expect '1 passed, 1 failed' 1 ./no_such_program
expect '6 passed, 5 failed, 1 skipped' 1 good bad crash leak short silent

# `COMMAND | jq -e` fails where the command printed nothing, and else as jq says.
PATH=$here/bin:$PATH
told() { printf '%s' "$1" | jq -e .a >/dev/null 2>&1; }
if ! (PATH=${PATH#*:} && command -v jq >/dev/null); then
    echo "ok 10 - jq -e # SKIP jq is not installed"
elif told '{"a": true}' && ! told '{"a": false}' && ! told '' && ! told '{'; then
    echo "ok 10 - jq -e fails where nothing was printed"
else
    echo "not ok 10 - jq -e fails where nothing was printed"
fi
echo 1..10
