#!/usr/bin/env bash
# mcu.sh: host and microcontroller give the same bits. Every model becomes C, is compiled for every
# core at every optimization, and runs on clips in the emulator; each output is compared with that of
# the host's plain kernels. A row a run (TSV); exit 1 when a clip differs or a run fails.
#   tests/mcu.sh [MODEL.h5|ARCHITECTURE...]    an architecture of the zoo gets random weights
# Without models: the whole zoo, trained where $SOTTO_RUNS/<name>*.ptq.h5 is there.
# Environment: PACK=sc.h5 (clips of its test split; -: noise; without: $SOTTO_RUNS/sc.h5, else real
# clips of ../shared where they are, else noise), CLIPS (100; a tenth of it for Res15, whose
# inference takes 3 G instructions), CORES (m0 m3 m4 m7 m33 m55 rv32imc), OPTS (-Os -O2 -O3), MODE (release or san: which build), JOBS.
set -u
cd "$(dirname "$0")/.." || exit 1
export MODE=${MODE:-release} OPTS=${OPTS:--Os -O2 -O3}
cores=${CORES:-m0 m3 m4 m7 m33 m55 rv32imc}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM
unset MAKEFLAGS MFLAGS MAKELEVEL # make may be what runs this

# The clips.
clips=${CLIPS:-100} pack=${PACK:-}
real=${SOTTO_SPEECH_COMMANDS:-../shared/speech_commands}
[ -n "$pack" ] || [ ! -f "${SOTTO_RUNS:-}/sc.h5" ] || pack=$SOTTO_RUNS/sc.h5
if [ -z "$pack" ] && [ -d "$real" ]; then
    pack=$tmp/sc.h5
    test=()
    [ ! -d "${real}_test" ] || test=(--test "${real}_test")
    build/$MODE/sotto data import -q "$real" "${test[@]}" -o "$pack" || exit 1
fi
pack=${pack:--}
[ "$pack" != - ] || echo "mcu.sh: no clips are there, the inputs are noise" >&2

# The models.
if [ $# -eq 0 ]; then
    for name in $(sed -n 's/^ZOO_MODEL(\(.*\))/\1/p' train/models.def); do
        trained=("${SOTTO_RUNS:-/nowhere}/$name".*ptq.h5)
        [ -f "${trained[0]}" ] && set -- "$@" "${trained[0]}" || set -- "$@" "$name"
    done
fi

# One model on one core, all optimizations. Code for a Cortex-M0 runs on a Cortex-M3, which executes
# the same instructions and has the memory.
core() { # model, folder of its clips, core
    local board flags=() dir=$2/$3 opt status=0
    case $3 in
    m0 | m3) board=mps2-an385 ;;
    m4) board=mps2-an386 ;;
    m7) board=mps2-an500 ;;
    m33) board=mps2-an505 ;;
    m55) board=mps3-an547 ;;
    rv32imc) board=virt ;;
    *) echo "mcu.sh: no core $3" >&2; return 1 ;;
    esac
    build/$MODE/sotto export -q "$2/model.h5" --firmware "$dir" --board $board >/dev/null || return 1
    [ "$3" != m0 ] ||
        flags=(FLAGS="$(sed -n 's/^FLAGS *:= //p' "$dir/Makefile" | sed 's/cortex-m3/cortex-m0/')")
    ln "$2/in.bin" "$2/want.bin" "$dir"
    for opt in $OPTS; do
        timeout 3000 make -s -C "$dir" run "MAIN=$PWD/tests/mcu/vectors.c" OPT="$opt" "${flags[@]}" \
            >"$dir/said" 2>"$dir/errors" || status=1
        awk -F '\t' -v OFS='\t' -v model="$1" -v core="$3" -v opt="$opt" '
            { v[$1] = $2 }
            END {
                result = "equal"
                if (v["different"] + 0 || v["selftest"] != "") result = "DIFFERENT"
                if (v["clips"] + 0 == 0) result = "FAILED"
                print model, core, opt, v["clips"], v["different"], v["instructions"], result
            }' "$dir/said"
        grep -q '^clips' "$dir/said" || tail -n 3 "$dir/errors" >&2
    done
    rm -rf "$dir"
    return $status
}
export -f core

printf 'model\tcore\topt\tclips\tdifferent\tinstructions\tresult\n'
result=0
for model in "$@"; do
    name=${model##*/}
    name=${name%.h5}
    dir=$tmp/$name
    mkdir "$dir"
    n=$clips
    case $name in res15*) n=$(((clips + 9) / 10)) ;; esac
    build/$MODE/tests/mcu/clips "$model" "$pack" $n "$dir" || { result=1; continue; }
    printf '%s\n' $cores | xargs -P "${JOBS:-$(nproc)}" -I{} bash -c 'core "$@"' - "$name" "$dir" {} ||
        result=1
    rm -rf "$dir"
done
exit $result
