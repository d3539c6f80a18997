#!/bin/bash
# The search behind train/models/murmur.c: variants of one scheme within a budget of int8 weights and
# MACs, trained for a few epochs each, compared on the validation split. Results are appended to
# bench/search.tsv as they come; what is there already is not trained again.
#
# usage: bench/search.sh PACK DIR [VARIANT...]     DIR takes the runs; no VARIANT: all below
#
# A variant is stem:c1,c2,c3,c4:n1,n2,n3,n4:kernel:stride:hop[:half[:key=value,...]]   channels of stem
# and stages, blocks a stage, taps of the convolutions over time, stride of the stem over time, hop of
# the features in ms, the stage whose first block halves time once more (0: none), and what else of
# [features] differs from the 40 log-mel bands of the recipe.
set -eu
cd "$(dirname "$0")/.."
pack=$1 runs=$2
shift 2
epochs=${EPOCHS:-30} weights=20000 macs=1500000 out=bench/search.tsv
[ $# -gt 0 ] || set -- \
    12:12,18,24,30:2,2,4,4:3:2:10 12:12,18,24,30:2,2,4,4:5:2:10 12:12,18,24,30:2,2,4,4:3:1:20 \
    12:12,16,24,32:2,2,3,4:5:2:10 12:12,20,32,40:2,2,3,3:3:2:10:3 16:12,16,20,28:2,2,3,4:3:2:10 \
    16:16,24,32,40:1,2,3,3:{3,5}:2:10:3 16:16,24,32,40:1,2,3,3:3:1:20:3 \
    16:16,24,32,40:1,2,3,3:3:2:10:3:{mfcc=40,f_lo=60,f_hi=4000,window_ms=25,window_ms=40\,fft=1024}

graph() { # a variant as graph text
    awk -v v="$1" -v classes=10 '
    function node(s) { print s; last = s; sub(/ =.*/, "", last); return last }
    function block(x, n, cin, cout, sf, d, kernel, st,    a, y) {
        a = node(n ".freq = dwconv2d(" x ") kernel=" (st > 1 ? "3x3" : "1x3") " stride=" st "x" sf \
                 " pad=" (st > 1 ? "1,1" : "0,0") ",1,1 bias=no")
        if (cin != cout) {
            a = node(n ".bn = batchnorm(" a ")")
            a = node(n ".in = conv2d(" a ") out=" cout " kernel=1x1 bias=no")
        }
        a = node(n ".ssn = batchnorm(" a ") bands=5")
        y = node(n ".mean = mean(" a ") axes=1")
        y = node(n ".time = dwconv2d(" y ") kernel=" kernel "x1 dilation=" d "x1 bias=no")
        y = node(n ".time.bn = batchnorm(" y ")")
        y = node(n ".silu = silu(" y ")")
        y = node(n ".out = conv2d(" y ") out=" cout " kernel=1x1 bias=no")
        y = node(n ".drop = dropout(" y ") rate=0.1 channels=yes")
        a = node(n ".cast = add(" a ", " y ")")
        if (cin == cout && sf == 1) a = node(n ".skip = add(" a ", " x ")")
        return node(n ".relu = relu(" a ")")
    }
    BEGIN {
        split(v, f, ":"); split(f[2], c, ","); split(f[3], n, ",")
        print "x = input " int(1000 / f[6]) + 1 "x40x1"
        x = node("stem = conv2d(x) out=" f[1] " kernel=5x5 stride=" f[5] "x2 pad=2,2,2,2 bias=no")
        x = node("stem.bn = batchnorm(" x ")"); x = node("stem.relu = relu(" x ")")
        split("1 2 2 1", stride, " "); split("1 2 4 8", dilation, " ")
        for (s = 1; s <= 4; s++)
            for (i = 1; i <= n[s]; i++)
                x = block(x, "s" s "." i, i > 1 ? c[s] : s > 1 ? c[s - 1] : f[1], c[s],
                          i > 1 ? 1 : stride[s], f[4] == 3 || s < 3 ? dilation[s] : dilation[s - 1],
                          f[4], i == 1 && s == f[7] ? 2 : 1)
        x = node("head.dw = dwconv2d(" x ") kernel=5x5 pad=2,2,0,0 bias=no")
        x = node("head = conv2d(" x ") out=48 kernel=1x1 bias=no")
        x = node("head.bn = batchnorm(" x ")"); x = node("head.relu = relu(" x ")")
        x = node("pool = globalpool(" x ")")
        print "y = dense(" x ") out=" classes
    }'
}

[ -f $out ] || printf 'variant\tparameters\tmacs\tepochs\tvalidation\n' >$out
mkdir -p "$runs"
for v in "$@"; do
    name=$(echo "$v" | tr ':=,' '_.-') net=$runs/$name.net run=$runs/$name-$epochs
    grep -q "^$v	[0-9]*	[0-9]*	$epochs	" $out && continue
    graph "$v" >"$net"
    cost=$("${SOTTO:-build/sotto}" model cost "$net" --format json)
    n() { echo "$cost" | sed -n "s/.*\"$1\": *\([0-9]*\).*/\1/p" | head -1; }
    if [ "$(n weight_bytes)" -gt $weights ] || [ "$(n macs)" -gt $macs ]; then
        printf '%s\t%s\t%s\t0\tover budget\n' "$v" "$(n parameters)" "$(n macs)" >>$out
        continue
    fi
    IFS=: read -r _ _ _ _ _ hop _ more <<<"$v"
    IFS=, read -r -a features <<<"hop_ms=$hop${more:+,$more}"
    "${SOTTO:-build/sotto}" train -q train/recipes/murmur.ini model.file="$net" data.pack="$pack" \
        "${features[@]/#/features.}" train.epochs="$epochs" train.warmup_epochs=2 \
        --threads "${THREADS:-2}" -o "$run"
    accuracy=$(sed -n 's/.*"val_accuracy": *\([0-9.]*\).*/\1/p' "$run/DONE")
    printf '%s\t%s\t%s\t%s\t%s\n' "$v" "$(n parameters)" "$(n macs)" "$epochs" "$accuracy" >>$out
done
