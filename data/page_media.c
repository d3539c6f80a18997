/* page_media: pictures and sounds inside of a page: PNG (stored, not compressed), WAV, base64. */
#include "data/page.h"

#include <math.h>
#include <string.h>

static void add_base64(base_str *out, const uint8_t *s, size_t n)
{
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < n; i += 3) {
        const uint32_t v = (uint32_t)s[i] << 16 | (uint32_t)(i + 1 < n ? s[i + 1] : 0) << 8 |
                           (uint32_t)(i + 2 < n ? s[i + 2] : 0);
        const char four[4] = {digit[v >> 18], digit[v >> 12 & 63],
                              i + 1 < n ? digit[v >> 6 & 63] : '=',
                              i + 2 < n ? digit[v & 63] : '='};
        base_str_add_n(out, four, 4);
    }
}

static void add_u32(base_str *out, uint32_t v) /* big endian */
{
    const char b[4] = {(char)(v >> 24), (char)(v >> 16), (char)(v >> 8), (char)v};
    base_str_add_n(out, b, 4);
}

/* ---- PNG (ISO 15948) ---- */

static void add_chunk(base_str *out, const char *name, const char *data, size_t n)
{
    add_u32(out, (uint32_t)n);
    const size_t from = out->len;
    base_str_add_n(out, name, 4);
    base_str_add_n(out, data, n);
    if (!out->failed) add_u32(out, base_crc32(out->s + from, out->len - from));
}

/* A zlib stream (RFC 1950) of stored blocks (RFC 1951). */
static void add_stored(base_str *out, const char *s, size_t n)
{
    uint32_t a = 1, b = 0;
    base_str_add_n(out, "\x78\x01", 2);
    for (size_t at = 0; at < n;) {
        const size_t left = n - at, take = left < 65535 ? left : 65535;
        const char head[5] = {take == left, (char)take, (char)(take >> 8), (char)~take,
                              (char)(~take >> 8)};
        base_str_add_n(out, head, 5);
        base_str_add_n(out, s + at, take);
        at += take;
    }
    for (size_t i = 0; i < n; i++) {
        a = (a + (uint8_t)s[i]) % 65521;
        b = (b + a) % 65521;
    }
    add_u32(out, b << 16 | a);
}

/* 256 colours from dark blue over red to light yellow, linear between these. */
static void add_palette(base_str *out)
{
    static const uint8_t stop[5][3] = {
        {5, 5, 30}, {70, 20, 110}, {185, 50, 95}, {250, 140, 60}, {253, 250, 190}};
    char rgb[256 * 3];
    for (int i = 0; i < 256; i++) {
        const int k = i * 4 / 256, part = i * 4 % 256;
        for (int c = 0; c < 3; c++)
            rgb[3 * i + c] = (char)((stop[k][c] * (256 - part) + stop[k + 1][c] * part) / 256);
    }
    add_chunk(out, "PLTE", rgb, sizeof rgb);
}

static void add_pixels(base_str *out, const float *v, int rows, int columns)
{
    base_str raw = {0}, data = {0};
    float lo = INFINITY, hi = -INFINITY;
    for (int i = 0; i < rows * columns; i++) {
        if (!isfinite(v[i])) continue;
        lo = fminf(lo, v[i]);
        hi = fmaxf(hi, v[i]);
    }
    for (int r = rows - 1; r >= 0; r--) {
        base_str_add_n(&raw, "", 1); /* no filter */
        for (int k = 0; k < columns; k++) {
            const float x = v[r * columns + k];
            const char pixel = (char)(hi > lo && isfinite(x) ? 255 * (x - lo) / (hi - lo) : 0);
            base_str_add_n(&raw, &pixel, 1);
        }
    }
    if (!raw.failed) add_stored(&data, raw.s, raw.len);
    if (raw.failed || data.failed)
        out->failed = true;
    else
        add_chunk(out, "IDAT", data.s, data.len);
    base_str_free(&raw);
    base_str_free(&data);
}

void page_png(base_str *out, const float *v, int rows, int columns)
{
    base_str head = {0};
    add_u32(&head, (uint32_t)columns);
    add_u32(&head, (uint32_t)rows);
    base_str_add_n(&head, "\x08\x03\0\0", 5); /* 8 bits, palette */
    base_str_add_n(out, "\x89PNG\r\n\x1a\n", 8);
    if (!head.failed) add_chunk(out, "IHDR", head.s, head.len);
    add_palette(out);
    add_pixels(out, v, rows, columns);
    add_chunk(out, "IEND", "", 0);
    out->failed |= head.failed;
    base_str_free(&head);
}

void page_picture(base_str *out, const char *alt, const float *v, int rows, int columns)
{
    base_str png = {0};
    page_png(&png, v, rows, columns);
    out->failed |= png.failed;
    base_str_add(out, "<img alt=\"");
    page_text(out, alt);
    base_str_add(out, "\" src=\"data:image/png;base64,");
    if (!png.failed) add_base64(out, (const uint8_t *)png.s, png.len);
    base_str_add(out, "\">");
    base_str_free(&png);
}

/* ---- WAV ---- */

static void put_le(uint8_t *to, uint32_t v, int bytes)
{
    for (int i = 0; i < bytes; i++) to[i] = (uint8_t)(v >> (8 * i));
}

void page_sound(base_str *out, const int16_t *pcm, size_t n, int rate)
{
    const size_t bytes = 44 + 2 * n;
    uint8_t *wav = base_alloc(bytes, 1);
    if (!wav) {
        out->failed = true;
        return;
    }
    memcpy(wav, "RIFF....WAVEfmt ....", 20);
    put_le(wav + 4, (uint32_t)bytes - 8, 4);
    put_le(wav + 16, 16, 4);
    put_le(wav + 20, 1, 2); /* PCM */
    put_le(wav + 22, 1, 2); /* channel */
    put_le(wav + 24, (uint32_t)rate, 4);
    put_le(wav + 28, 2 * (uint32_t)rate, 4);
    put_le(wav + 32, 2, 2);
    put_le(wav + 34, 16, 2);
    memcpy(wav + 36, "data", 4);
    put_le(wav + 40, 2 * (uint32_t)n, 4);
    for (size_t i = 0; i < n; i++) put_le(wav + 44 + 2 * i, (uint16_t)pcm[i], 2);
    base_str_add(out, "<audio controls preload=\"none\" src=\"data:audio/wav;base64,");
    add_base64(out, wav, bytes);
    base_str_add(out, "\"></audio>");
    base_free(wav);
}
