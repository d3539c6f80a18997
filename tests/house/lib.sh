# What the house rules share. A rule is a script that defines
#   check   prints every violation it finds in the tree at . and nothing when there is none
#   sample  writes into an empty folder a small tree that breaks the rule
# and calls `house "title"`: the rule must be silent about the project and must object to the
# sample, so that no rule can pass because it looks at nothing. Output is TAP.

sources() { # C files of the tree at ., of the folders given (default: all)
    [ $# -gt 0 ] || set -- nn dsp data train quantize tests bench
    for d in "$@"; do
        [ ! -d "$d" ] || find "$d" -name '*.[ch]'
    done | LC_ALL=C sort
}

house() {
    root=$(cd "$(dirname "$0")/../.." && pwd)
    found=$(cd "$root" && check 2>&1)
    if [ -z "$found" ]; then
        echo "ok 1 - $1"
    else
        echo "not ok 1 - $1"
        printf '%s\n' "$found" | sed 's/^/# /'
    fi
    temp=$(mktemp -d)
    trap 'rm -rf "$temp"' EXIT
    (cd "$temp" && sample)
    found=$(cd "$temp" && check 2>&1)
    if [ -n "$found" ]; then
        echo "ok 2 - $1: objects to a bad sample"
    else
        echo "not ok 2 - $1: objects to a bad sample"
    fi
    echo "1..2"
}
