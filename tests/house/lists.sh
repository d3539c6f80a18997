#!/bin/sh
# The registries name exactly the files there are.
. "$(dirname "$0")/lib.sh"

names() { sed -n "s/^$1(\([a-z0-9_]*\).*/\1/p" "$2" | LC_ALL=C sort; }
files() { ls $1 2>/dev/null | sed 's/.*\///; s/\.c$//; s/^cmd_//' | LC_ALL=C sort; }

# A command with a header has further files of its name: cmd_estimate_measure.c of cmd_estimate.h.
commands() {
    parts=$(for h in */cmd_*.h; do [ -f "$h" ] && ls "${h%.h}"_*.c 2>/dev/null; done)
    ls */cmd_*.c 2>/dev/null | grep -vxF "${parts:-none}" |
        sed 's/.*\///; s/\.c$//; s/^cmd_//' | LC_ALL=C sort
}

# Sizes of one architecture may share a file.
models() { cat "$@" 2>/dev/null | sed -n 's/^const zoo_model zoo_\([a-z0-9_]*\) = .*/\1/p' | LC_ALL=C sort; }

same() { # title, list, files
    a=$(mktemp) && b=$(mktemp)
    printf '%s\n' "$2" >"$a"
    printf '%s\n' "$3" >"$b"
    LC_ALL=C comm -23 "$a" "$b" | sed "s|^..*|$1 names &, which has no file|"
    LC_ALL=C comm -13 "$a" "$b" | sed "s|^..*|& has a file, but $1 does not name it|"
    rm -f "$a" "$b"
}

check() {
    same nn/ops.def "$(names NN_OP nn/ops.def)" "$(files 'nn/ops/*.c')"
    same train/models.def "$(names ZOO_MODEL train/models.def)" "$(models train/models/*.c)"
    for f in train/models/*.c; do
        [ ! -f "$f" ] || [ -f "${f%.c}.h" ] || [ -n "$(models "$f")" ] ||
            echo "$f defines no architecture and has no header for those that do"
    done
    same train/commands.def "$(names COMMAND train/commands.def)" "$(commands)"
}

sample() {
    mkdir -p nn/ops train
    echo 'NN_OP(relu)' >nn/ops.def
    : >nn/ops/tanh.c
    : >train/commands.def
    : >train/models.def
}

house "ops.def, models.def and commands.def name the files there are"
