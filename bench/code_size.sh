#!/usr/bin/env bash
# code_size.sh: bytes of code that each kind of kernel of quantize/runtime/ takes in an image: .text
# and .rodata of a linked program with that kernel alone (helpers of the compiler's library
# included), less the empty program. Of convolutions that is one shape, for which they are compiled. [code] of the core profiles is its output:
#   bench/code_size.sh            "profile code kind bytes" for -O2, and how far -Os lies from it
# base is a function that runs twelve layers, frontend what stands around a net (that of mfcc_49x10,
# without its tables). Cores without a compiler at hand get the figures of a
# core that has one, and an error of 100 %.
set -eu
cd "$(dirname "$0")/.."
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
command -v arm-none-eabi-gcc >/dev/null ||
    { echo "code_size.sh: arm-none-eabi-gcc is not there" >&2; exit 1; }

program() { # kernels: calls of them, each kept out of line
    local k
    echo "#include <stdint.h>"
    for k in "$@"; do echo "#include \"quantize/runtime/$k.h\""; done
    echo "void *memset(void *d, int v, unsigned n) { for (char *p = d; n; n--) *(volatile char *)p++ = (char)v; return d; }"
    echo "void *memcpy(void *d, const void *s, unsigned n) { for (char *p = d; n; n--) *(volatile char *)p++ = *(const char *)s++; return d; }"
    echo "extern volatile int8_t sink;"
    echo "volatile int8_t sink; void *volatile p; int8_t *volatile x, *volatile y;"
    for k in "$@"; do
        local call="sotto_$k((const sotto_${k}_t *)v, x, y)"
        case $k in
        add) call="sotto_add((const sotto_add_t *)v, x, x, y)" ;;
        conv2d_gemm) # 3x3, 16 to 24 channels
            echo "static const sotto_conv2d_gemm_t shape = {.grid = {25, 10, 16, 25, 10, 3, 3, 1, 1, 1, 1, 1, 1, 0},"
            echo ".gemm = {.n = 24, .k = 144}};"
            call="sotto_conv2d_gemm_as(&shape, &shape.grid, (const sotto_conv2d_gemm_t *)v, x, y, p)" ;;
        dwconv2d_taps) # 3x3, 64 channels
            echo "static const sotto_dwconv2d_taps_t shape = {.grid = {25, 5, 64, 25, 5, 3, 3, 1, 1, 1, 1, 1, 1, 0},"
            echo ".bands = 1, .depthwise = {.pairs = 5}};"
            call="sotto_dwconv2d_taps_as(&shape, &shape.grid, (const sotto_dwconv2d_taps_t *)v, x, y, p)" ;;
        esac
        echo "__attribute__((noinline)) static void run_$k(const void *v)"
        echo "{ $call; }"
    done
    echo "void reset(void) {"
    for k in "$@"; do echo "run_$k(p);"; done
    echo "for (;;) sink++; }"
}
pipeline() { # what stands around a net: front-end (with a level), windows, post-processing
    echo "#include <stdint.h>"
    echo "#include \"quantize/runtime/listener.h\""
    echo "#include \"quantize/runtime/posterior.h\""
    echo "void *memset(void *d, int v, unsigned n) { for (char *p = d; n; n--) *(volatile char *)p++ = (char)v; return d; }"
    echo "void *memcpy(void *d, const void *s, unsigned n) { for (char *p = d; n; n--) *(volatile char *)p++ = *(const char *)s++; return d; }"
    echo "void *memmove(void *d, const void *s, unsigned n) { return memcpy(d, s, n); }"
    echo "extern volatile int8_t sink; volatile int8_t sink; void *volatile p; int8_t *volatile y;"
    [ "$1" = 0 ] || { cat "$tmp/front.h"; echo "static sotto_listener l; static sotto_posterior_state s;"; }
    echo "void reset(void) {"
    [ "$1" = 0 ] || {
        echo "sotto_listener_init(&kws_frontend, &l, 49, p, p); sotto_posterior_init(p, &s, p);"
        echo "for (int32_t n = 320; n > 0;) {"
        echo "n -= sotto_listener_push(&kws_frontend, &l, 5, p, n, y);"
        echo "if (l.due) sink += (int8_t)sotto_posterior_push(p, &s, y).word; }"
    }
    echo "for (;;) sink++; }"
}
layers() { # a run function of $1 layers in a row
    local i
    echo "#include <stdint.h>"
    echo "static int8_t buffer[20000];"
    echo "static const int32_t p[12][21] = {{1}};"
    echo "__attribute__((noinline, noclone)) static void k(const void *v, const int8_t *x, int8_t *y)"
    echo '{ __asm__ volatile("" :: "r"(v), "r"(x), "r"(y) : "memory"); }'
    echo "void reset(void) {"
    for ((i = 0; i < $1; i++)); do echo "k(p[$i], buffer + $((i % 2 * 8000)), buffer + $(((i + 1) % 2 * 8000)));"; done
    echo "for (;;) __asm__ volatile(\"\"); }"
}
bytes() { # core opt, program on stdin: code and constants without p
    cat > "$tmp/a.c"
    arm-none-eabi-gcc -mcpu="$1" -mthumb "$2" -std=gnu11 -I. -ffunction-sections -fdata-sections \
        -nostartfiles -nostdlib -Wl,--gc-sections -Wl,-e,reset "$tmp/a.c" -lgcc -o "$tmp/a.elf"
    arm-none-eabi-size -A "$tmp/a.elf" | awk '$1 ~ /^\.text/ { n += $2 } END { print n + 0 }'
}
put() { # core key bytes: for the core, and for those that borrow its figures
    local as n=$3
    case $1 in
    cortex-m3) as="xtensa-lx6 xtensa-lx7 rv32imc rxv2" ;;
    cortex-m55) as="cortex-m85" ;;
    *) as="" ;;
    esac
    printf 'core-%s\tcode\t%s\t%d\n' "$1" "$2" "$n"
    [ "$2" != error_percent ] || n=100
    for borrower in $as; do printf 'core-%s\tcode\t%s\t%d\n' "$borrower" "$2" "$n"; done
}
make -s build/release/bench/frame_tables >&2
build/release/bench/frame_tables mfcc_49x10 > "$tmp/front.h"
for core in cortex-m0plus cortex-m3 cortex-m4 cortex-m7 cortex-m33 cortex-m55; do
    worst=0
    for kind in conv:conv2d_gemm depthwise:dwconv2d_taps dense:dense_pairs pool:avgpool add:add other:clamp frontend: base:; do
        for opt in -O2 -Os; do
            if [ "$kind" = frontend: ]; then
                n=$(($(pipeline 1 | bytes $core $opt) - $(pipeline 0 | bytes $core $opt)))
            elif [ "$kind" = base: ]; then
                n=$(($(layers 12 | bytes $core $opt) - $(layers 0 | bytes $core $opt)))
            else
                n=$(($(program "${kind#*:}" | bytes $core $opt) - $(program | bytes $core $opt)))
            fi
            [ $opt = -Os ] || o2=$n
        done
        put $core "${kind%:*}" "$o2"
        worst=$(awk -v a="$o2" -v b="$n" -v w="$worst" \
            'BEGIN { d = b / a - 1; d = d < 0 ? -d : d; print (d > w ? d : w) }')
    done
    put $core error_percent "$(awk -v w="$worst" 'BEGIN { print int(20 * w + 0.999) * 5 }')"
done
