#!/bin/sh
# nn/ADDING.md is true: its edits, made in a copy of the tree, give an operator that passes the
# battery and a model that trains, and they are as many as it says. With the operator's backward
# broken the battery must object.
root=$(cd "$(dirname "$0")/../.." && pwd)
page=$root/nn/ADDING.md
temp=$(mktemp -d)
trap 'rm -rf "$temp"' EXIT
trap 'exit 1' HUP INT TERM
unset MAKEFLAGS MFLAGS MAKELEVEL # make may be what runs this
export CMOCKA_MESSAGE_OUTPUT=TAP
number=0

try() { # title, command: what it printed is shown when it fails
    number=$((number + 1))
    title=$1
    shift
    if "$@" >"$temp/talk" 2>&1; then
        echo "ok $number - $title"
    else
        echo "not ok $number - $title"
        sed 's/^/# /' "$temp/talk"
    fi
}

# Objects come along with their times: only what the edits touch is compiled again.
copy_tree() {
    mkdir "$temp/tree" && cd "$root" &&
        cp -a Makefile .ci .clang-format nn dsp data train quantize tests bench "$temp/tree" &&
        find build/flags build/gen build/san build/double -name '*.[cdo]' -o -name '*.mk' \
            -o -name '*.list' -o -name command | xargs -r cp -a --parents -t "$temp/tree"
    cd "$temp/tree"
}

# Makes the edits of the page in the tree at . and prints how many they were. A block of C belongs
# to the last line "New file `PATH`:" or "In `PATH`, after `START OF A LINE`:" before it.
edit() {
    awk '
    function stop(why) { print FILENAME ":" FNR ": " why > "/dev/stderr"; failed = 1; exit }
    function insert(    line, text, hits) {
        while ((getline line < file) > 0) {
            text = text line "\n"
            if (index(line, after) == 1) { text = text block; hits++ }
        }
        close(file)
        if (hits != 1) stop(hits + 0 " lines of " file " begin with " after)
        printf "%s", text > file
    }
    function create(    line) {
        if ((getline line < file) >= 0) stop(file " is there already")
        printf "%s", block > file
    }
    /^New file `[^`]*`:$/ { split($0, part, "`"); file = part[2]; after = "" }
    /^In `[^`]*`, after `[^`]*`:$/ { split($0, part, "`"); file = part[2]; after = part[4] }
    /^```$/ && on {
        if (after == "") create(); else insert()
        close(file); file = ""; on = 0; edits++
    }
    on { block = block $0 "\n" }
    /^```c$/ { if (file == "") stop("a block for no file"); on = 1; block = "" }
    END { if (!failed) print edits + 0; exit failed }' "$page"
}

differing() { diff -rq "$root/$1" "$1" | wc -l; } # files of a folder

# Files that differ now are the edits; how many is what the page and README say.
counted() {
    operator=$(differing nn) oracle=$(differing tests) model=$(differing train)
    echo "$1 blocks; files: $operator for the operator, $oracle oracle, $model for the model"
    [ "$1" -eq $((operator + oracle + model)) ] &&
        grep -q "^| an operator | $operator: .* and $oracle oracle" "$page" &&
        grep -q "^| a model | $model: " "$page" &&
        grep -q "An operator takes $operator edits and an oracle, a model $model" "$root/README.md" &&
        [ "$operator" -gt 0 ] && [ "$oracle" -gt 0 ] && [ "$model" -gt 0 ]
}

build() {
    make build/san/tests/test_battery build/san/tests/test_zoo build/double/tests/double_battery \
        build/san/sotto
}

# As many checks as another operator of its kind gets, all of them passed.
battery() { # program
    "$1" squareplus/ >"$temp/new" || { cat "$temp/new"; return 1; }
    "$1" hardswish/ >"$temp/old"
    [ "$(grep -c '^ok .*squareplus/' "$temp/new")" -eq "$(grep -c '^ok .*hardswish/' "$temp/old")" ] &&
        grep -q '^ok .*squareplus/gradient' "$temp/new"
}

rule() { sh "tests/house/$1.sh" >"$temp/rule" && ! grep '^not ok' -A 20 "$temp/rule"; }

zoo() {
    build/san/sotto model list --format tsv | grep "^sep_cnn	" && build/san/tests/test_zoo
}

# It costs what the page shows, and the same as text, without an edit.
text() {
    build/san/sotto model cost sep_cnn --format tsv >name &&
        sed -n '/^\$ sotto model cost sep_cnn$/,/^```$/p' "$page" | sed '1d;/^\.\.\.$/,$d' >shown &&
        [ -s shown ] && head -n "$(wc -l <shown)" name | diff shown - &&
        build/san/sotto model show sep_cnn -o my.net && grep 'squareplus(bn2) b=1$' my.net &&
        build/san/sotto model cost my.net --format tsv | diff name -
}

train() {
    tests/tones.pl tones && build/san/sotto data import -q tones -o tones.h5 &&
        build/san/sotto train -q sep_cnn data.pack=tones.h5 data.keywords=low,high train.epochs=1 \
            train.batch=20 train.warmup_epochs=0 -o run &&
        [ -s run/DONE ] && build/san/sotto eval -q run tones.h5 --split test
}

noticed() {
    sed -i 's/dx\[i\] += dy\[i\] \*/& (nn_real)1.01 */' nn/ops/squareplus.c
    grep -q '1\.01' nn/ops/squareplus.c || return 1
    make build/san/tests/test_battery || return 1
    ! build/san/tests/test_battery squareplus/ >"$temp/broken" &&
        grep '^not ok .*squareplus/gradient' "$temp/broken" &&
        grep '^ok .*squareplus/forward' "$temp/broken"
}

copy_tree || { echo "not ok 1 - the tree is copied"; exit 1; }
if ! edits=$(edit); then
    echo "not ok 1 - the edits of nn/ADDING.md fit the tree"
    exit 1
fi
try "nn/ADDING.md and README state the number of edits" counted "$edits"
# A new macro changes nothing for those who do not use it.
touch -r "$root/nn/nn.h" nn/nn.h
try "the tree with the operator and the model compiles" build
try "the operator passes the battery" battery build/san/tests/test_battery
try "and in double" battery build/double/tests/double_battery
for name in lists includes sizes format; do try "house rule: $name" rule $name; done
try "the model is in the zoo" zoo
try "the model costs what the page says, as text too" text
try "the model trains" train
try "with a wrong factor in its backward the operator fails" noticed
echo "1..$number"
