#!/bin/sh
# Nothing is left for later.
. "$(dirname "$0")/lib.sh"

check() {
    marks='TO''DO|FIX''ME|(^|[^X])X''XX([^X]|$)|not imple''mented'
    for f in $(sources) Makefile README.md $(find tests bench train -name '*.sh' 2>/dev/null); do
        [ ! -f "$f" ] || grep -HnE "$marks" "$f"
    done
}

sample() {
    mkdir nn
    echo "int a; /* TO""DO: free it */" >nn/a.c
}

house "no unfinished marks"
