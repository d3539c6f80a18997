#!/bin/sh
# A function fits a screen and a half (80 lines), a file stays readable (600 lines).
. "$(dirname "$0")/lib.sh"

check() {
    for f in $(sources); do
        awk -v file="$f" '
        /^{/ { start = NR; name = before }
        /^}/ && start {
            if (NR - start + 1 > 80)
                print file ":" start ": a function of " NR - start + 1 " lines: " name
            start = 0
        }
        { before = $0 }
        END { if (NR > 600) print file ": " NR " lines" }' "$f"
    done
}

sample() {
    mkdir nn
    { printf 'int f(void)\n{\n'; yes '    g();' | head -n 100; echo '}'; } >nn/long.c
}

house "functions of at most 80 lines, files of at most 600"
