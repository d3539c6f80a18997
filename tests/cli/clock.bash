# Commands by another clock, with libfaketime: `load clock`.

need_clock() {
    command -v faketime >/dev/null || skip "faketime is absent"
}

# The environment of a command whose clock is -1d or +400d from that of the machine, or what the file
# of @FILE says at the moment: env $(clock -1d) COMMAND. As where a clock is set, time that only goes
# forward is as ever, and so are stamps of files. AddressSanitizer would be the first library loaded.
clock() {
    echo LD_PRELOAD="$(faketime -f +0d printenv LD_PRELOAD)" FAKETIME_DONT_FAKE_MONOTONIC=1 \
        NO_FAKE_STAT=1 FAKETIME_NO_CACHE=1 ASAN_OPTIONS="${ASAN_OPTIONS:-}:verify_asan_link_order=0"
    case $1 in
    @*) echo FAKETIME_TIMESTAMP_FILE="$PWD/${1#@}" ;;
    *) echo FAKETIME="$1" ;;
    esac
}
