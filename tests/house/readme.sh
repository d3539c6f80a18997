#!/bin/sh
# README shows the help that the program prints and speaks of every command and make target.
# `tests/house/readme.sh --write` puts the present help into README.md.
. "$(dirname "$0")/lib.sh"

SOTTO=${SOTTO:-$(cd "$(dirname "$0")/../.." && pwd)/build/san/sotto}

if [ "${1:-}" = --write ]; then
    cd "$(dirname "$0")/../.." || exit 1
    help=$(mktemp)
    "$SOTTO" --help >"$help"
    awk -v help="$help" '
    /^```/ && on { on = 0 }
    !on
    /^\$ sotto --help$/ { on = 1; while ((getline line < help) > 0) print line }' README.md >README.new &&
        mv README.new README.md
    rm -f "$help"
    exit
fi

check() {
    [ -f README.md ] || { echo "README.md is missing"; return; }
    shown=$(awk '/^\$ sotto --help$/ { on = 1; next } on && /^```/ { exit } on' README.md)
    [ "$shown" = "$("$SOTTO" --help)" ] ||
        echo "README.md: the text below '\$ sotto --help' is not what the program prints"
    sed -n 's/^COMMAND(\([a-z0-9_]*\).*/\1/p' train/commands.def | tr _ ' ' |
        while read -r name; do
            grep -q "sotto $name\b" README.md || echo "README.md does not show 'sotto $name'"
        done
    for target in demo test deps bench; do
        grep -q "make $target\b" README.md || echo "README.md does not name 'make $target'"
    done
}

sample() {
    mkdir train
    echo 'COMMAND(eval, "measure")' >train/commands.def
    { echo '```'; echo '$ sotto --help'; "$SOTTO" --help; echo '```'; } >README.md
    echo 'make demo, make test, make deps, make bench' >>README.md
}

house "README shows the program's help and every command"
