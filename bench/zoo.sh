#!/bin/bash
# Trains models of the zoo by their recipes and tests them; the table in README.md is made of what
# this appends to bench/zoo.tsv. A model and seed that is there already is not trained again, an
# interrupted run goes on.
#
# usage: bench/zoo.sh PACK DIR MODEL[:SEED[:key=value,...]]...     DIR takes the runs
#        bench/zoo.sh --table      the results as rows of README.md
set -eu
cd "$(dirname "$0")/.."
out=bench/zoo.tsv

table() {
    awk -F'\t' '
    function thousands(n) { return n < 1000 ? n : sprintf("%d,%03d", n / 1000, n % 1000) }
    NR == 1 { for (i = 1; i <= NF; i++) col[$i] = i; next }
    {
        key = $col["model"] ($col["settings"] == "" ? "" : " " $col["settings"])
        if (!(key in runs)) order[++many] = key
        n = ++runs[key]; a = 100 * $col["correct"] / $col["n"]; sum[key] += a; squares[key] += a * a
        if (n == 1) {
            lo[key] = 100 * $col["lo"]; hi[key] = 100 * $col["hi"]; first[key] = a
            size[key] = $col["parameters"]; macs[key] = $col["macs"]
            time[key] = $col["seconds"]
        }
    }
    END {
        for (i = 1; i <= many; i++) {
            k = order[i]; n = runs[k]; split(k, name, " "); command = "sotto train " k
            gsub(/,/, " ", command)
            spread = n > 1 ? sprintf("%.2f ± %.2f (%d)", sum[k] / n,
                sqrt((squares[k] - sum[k] * sum[k] / n) / (n - 1)), n) : ""
            shown = name[1] == "murmur" ? "**murmur**" : name[1]
            if (match(k, /model.size=[ml]/)) shown = shown " " substr(k, RSTART + 11, 1)
            printf "| %s | %s | %.2f M | %.2f %% [%.2f, %.2f] | %s | %.0f min | `%s` |\n", shown,
                thousands(size[k]), 1e-6 * macs[k], first[k], lo[k], hi[k], spread, time[k] / 60,
                command " data.pack=sc.h5 -o runs/" name[1]
        }
    }' $out | sort -t'|' -k5,5nr
}
if [ "${1-}" = --table ]; then
    table
    exit
fi

pack=$1 dir=$2
shift 2
mkdir -p "$dir"
[ -f $out ] ||
    printf 'model\tsettings\tseed\tparameters\tmacs\tn\tcorrect\tlo\thi\tvalidation\tseconds\tclips_per_s\n' >$out
number() { sed -n "s/.*\"$1\": *\(-\{0,1\}[0-9.e+-]*\).*/\1/p" "$2" | head -1; }
for job in "$@"; do
    IFS=: read -r model seed settings <<<"$job"
    seed=${seed:-0} settings=${settings:-}
    run=$dir/$model${settings:+.$(echo "$settings" | tr ',=/' '___')}.s$seed
    grep -q "^$model	$settings	$seed	" $out && continue
    IFS=, read -r -a extra <<<"$settings"
    args=("$model" data.pack="$pack" --seed "$seed" "${extra[@]}" -o "$run")
    [ -d "$run" ] && args=(--resume "$run")
    if [ ! -f "$run/DONE" ]; then
        "${SOTTO:-build/sotto}" train "${args[@]}" --threads "${THREADS:-2}" --format json \
            >"$run.json" 2>>"$run.log" || { echo "$job failed: see $run.log" >&2 && continue; }
    fi
    "${SOTTO:-build/sotto}" eval "$run" "$pack" --split test --format json >"$run.test.json"
    printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$model" "$settings" "$seed" \
        "$(number parameters "$run.json")" "$(number macs "$run.json")" "$(number n "$run.test.json")" \
        "$(number correct "$run.test.json")" "$(number accuracy_lo "$run.test.json")" \
        "$(number accuracy_hi "$run.test.json")" "$(number val_accuracy "$run.json")" \
        "$(number seconds "$run.json")" "$(number clips_per_s "$run.json")" >>$out
done
