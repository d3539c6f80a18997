#!/bin/sh
# clang has nothing to warn of either: what the program, its tests and measures are made of, with the
# Makefile's warnings. gcc's are seen by whoever builds. bench/peers/ needs what only `make deps` brings.
. "$(dirname "$0")/lib.sh"

if ! command -v clang >/dev/null 2>&1; then
    echo "ok 1 - clang warns of nothing # SKIP clang is not installed"
    echo "1..1"
    exit 0
fi

check() {
    warn=$(sed -n '/^WARN *:=/,/[^\\]$/p' "$root/Makefile" | sed 's/^WARN *:=//; s/\\$//')
    found=$(sed -n 's/^PKG_CFLAGS *:= //p' "$root/build/flags/build.mk")
    # shellcheck disable=SC2086 # one argument a flag
    sources | grep '\.c$' | grep -v -e '^quantize/firmware/' -e '^bench/device/' -e '^bench/peers/' -e mcu/vectors |
        xargs -P "$(nproc)" -n 4 clang $warn -I. $found -fsyntax-only 2>&1 | grep -E 'warning:|error:'
}

sample() {
    mkdir nn
    echo 'double f(void); double f(void) { return 0.5f; }' >nn/a.c
}

house "clang warns of nothing"
