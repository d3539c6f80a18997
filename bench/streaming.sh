#!/bin/sh
# streaming.sh DIR [MODEL ...]: what a hop of new frames takes, on an emulated Cortex-M4 (-O2):
# executed instructions of a step and of a whole run, multiply-accumulates, and bytes of memory.
# DIR holds int8 models, MODEL.ptq.h5. In window mode every step is compared with a run on the
# window, bit for bit, on the frames of the models' golden inputs. SOTTO: the program.
# bench/stream_steps.tsv is its output, with which tests compare `sotto estimate --hop`.
set -eu
dir=$1
shift
[ $# -gt 0 ] || set -- ds_cnn tc_resnet8 bc_resnet matchboxnet crnn gru lstm svdf
sotto=${SOTTO:-build/sotto}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

cat > "$tmp/m4.ld" <<'END'
ENTRY(reset)
MEMORY { F : ORIGIN = 0, LENGTH = 4M R : ORIGIN = 0x20000000, LENGTH = 4M }
SECTIONS { .text : { LONG(0x20400000) LONG(reset | 1) KEEP(*(.text*)) *(.rodata*) } > F
.bss : { *(.data*) *(.bss*) *(COMMON) } > R /DISCARD/ : { *(.ARM*) } }
END
cat > "$tmp/m4.c" <<'END'
#include "model.h"
enum { FRAME = KWS_STREAM_INPUT_SIZE / KWS_STREAM_HOP, STEPS = 60, NS = 40 /* of a tick at 25 MHz */ };
static volatile uint32_t *const systick = (volatile uint32_t *)0xE000E010u;
static kws_stream stream;
static int8_t window[KWS_INPUT_SIZE], out[KWS_STREAM_OUTPUT_SIZE], whole[KWS_OUTPUT_SIZE];
static void call(uint32_t operation, const void *argument)
{
    register uint32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
}
static void put(uint32_t v)
{
    char digits[12], *p = digits + 11;
    *p = 0;
    do *--p = (char)('0' + v % 10);
    while (v /= 10);
    call(4, p);
    call(4, "\t");
}
static void start(void)
{
    systick[0] = 0;
    systick[1] = 0xFFFFFF;
    systick[2] = 0;
    systick[0] = 5;
}
static uint32_t instructions(void)
{
    return (0xFFFFFF - systick[2]) * NS;
}
void reset(void);
void reset(void)
{
    uint64_t sum = 0;
    uint32_t run = 0, differ = 0;
    const int frames = KWS_INPUT_SIZE / FRAME;
    memset(window, KWS_INPUT_ZERO, sizeof window);
    kws_stream_reset(&stream);
    for (int i = 0, at = 0; i < STEPS; i++) {
        memmove(window, window + KWS_STREAM_INPUT_SIZE, sizeof window - KWS_STREAM_INPUT_SIZE);
        for (int k = 0; k < KWS_STREAM_HOP; k++, at = (at + 1) % frames)
            memcpy(window + sizeof window - KWS_STREAM_INPUT_SIZE + k * FRAME, kws_golden_in[0] + at * FRAME,
                   FRAME);
        start();
        kws_stream_step(&stream, window + sizeof window - KWS_STREAM_INPUT_SIZE, out);
        sum += instructions();
        if (!COMPARE && i > 0) continue;
        start();
        kws_run(window, whole);
        run = instructions();
        differ += COMPARE && memcmp(whole, out, sizeof whole) != 0;
    }
    put((uint32_t)(sum / STEPS));
    put(run);
    put(differ);
    const uint32_t done = 0x20026;
    call(0x18, (const void *)(uintptr_t)done);
    for (;;) {
    }
}
END
printf 'model\thop\tmode\thop_macs\trun_macs\tstream_bytes\thop_instructions\trun_instructions\tdiffer\n'
for model; do
    for hop in 1 2 4 8; do
        "$sotto" export "$dir/$model.ptq.h5" --net --hop $hop -o "$tmp/model.h" > "$tmp/facts"
        fact() { awk -v k="$1" '$1 == k { print $2 }' "$tmp/facts"; }
        compare=0
        [ "$(fact stream)" != window ] || compare=1
        arm-none-eabi-gcc -mcpu=cortex-m4 -mthumb -O2 -std=gnu11 -DCOMPARE=$compare -nostartfiles \
            -I "$tmp" -T "$tmp/m4.ld" "$tmp/m4.c" -o "$tmp/m4.elf" 2> "$tmp/log" ||
            { cat "$tmp/log" >&2; exit 1; }
        printf '%s\t%d\t%s\t%s\t%s\t%s\t' "$model" $hop "$(fact stream)" "$(fact hop_macs)" \
            "$(fact run_macs)" "$(fact stream_bytes)"
        qemu-system-arm -M mps2-an386 -nographic -monitor none -serial null -icount shift=0 \
            -semihosting-config enable=on,target=native -kernel "$tmp/m4.elf" < /dev/null 2>&1
        echo
    done
done
