#!/bin/sh
# Layout is what .clang-format decides.
. "$(dirname "$0")/lib.sh"

if ! command -v clang-format >/dev/null 2>&1; then
    echo "ok 1 - layout # SKIP clang-format is not installed"
    echo "1..1"
    exit 0
fi

check() {
    sources | xargs clang-format --dry-run --Werror 2>&1 | grep 'error:' |
        sed 's/: error:.*/: not laid out (make format)/' | sort -u
}

sample() {
    mkdir nn
    printf 'BasedOnStyle: LLVM\n' >.clang-format
    echo 'int  f( void ){return 1 ;}' >nn/a.c
}

house "layout is clang-format's"
