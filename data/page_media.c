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

typedef const uint8_t page_palette[5][3];

static page_palette sizes = {
    {5, 5, 30}, {70, 20, 110}, {185, 50, 95}, {250, 140, 60}, {253, 250, 190}};
static page_palette signs = {
    {10, 50, 130}, {80, 150, 210}, {240, 240, 240}, {235, 120, 80}, {140, 10, 40}};

/* 256 colours, linear between those of a palette. */
static void add_palette(base_str *out, page_palette stop)
{
    char rgb[256 * 3];
    for (int i = 0; i < 256; i++) {
        const int k = i * 4 / 256, part = i * 4 % 256;
        for (int c = 0; c < 3; c++)
            rgb[3 * i + c] = (char)((stop[k][c] * (256 - part) + stop[k + 1][c] * part) / 256);
    }
    add_chunk(out, "PLTE", rgb, sizeof rgb);
}

static void add_pixels(base_str *out, const float *v, int rows, int columns, float lo, float hi)
{
    base_str raw = {0}, data = {0};
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

static void put_png(base_str *out, const float *v, int rows, int columns, page_palette palette,
                    float lo, float hi)
{
    base_str head = {0};
    add_u32(&head, (uint32_t)columns);
    add_u32(&head, (uint32_t)rows);
    base_str_add_n(&head, "\x08\x03\0\0", 5); /* 8 bits, palette */
    base_str_add_n(out, "\x89PNG\r\n\x1a\n", 8);
    if (!head.failed) add_chunk(out, "IHDR", head.s, head.len);
    add_palette(out, palette);
    add_pixels(out, v, rows, columns, lo, hi);
    add_chunk(out, "IEND", "", 0);
    out->failed |= head.failed;
    base_str_free(&head);
}

static void put_picture(base_str *out, const char *alt, const base_str *png)
{
    out->failed |= png->failed;
    base_str_add(out, "<img alt=\"");
    page_text(out, alt);
    base_str_add(out, "\" src=\"data:image/png;base64,");
    if (!png->failed) add_base64(out, (const uint8_t *)png->s, png->len);
    base_str_add(out, "\">");
}

void page_png(base_str *out, const float *v, int rows, int columns)
{
    float lo = INFINITY, hi = -INFINITY;
    for (int i = 0; i < rows * columns; i++) {
        if (!isfinite(v[i])) continue;
        lo = fminf(lo, v[i]);
        hi = fmaxf(hi, v[i]);
    }
    put_png(out, v, rows, columns, sizes, lo, hi);
}

void page_picture(base_str *out, const char *alt, const float *v, int rows, int columns)
{
    base_str png = {0};
    page_png(&png, v, rows, columns);
    put_picture(out, alt, &png);
    base_str_free(&png);
}

void page_picture_signed(base_str *out, const char *alt, const float *v, int rows, int columns)
{
    float most = 1e-6f;
    for (int i = 0; i < rows * columns; i++)
        if (isfinite(v[i])) most = fmaxf(most, fabsf(v[i]));
    base_str png = {0};
    put_png(&png, v, rows, columns, signs, -most, most);
    put_picture(out, alt, &png);
    base_str_free(&png);
}

/* ---- WAV ---- */

static void put_le(uint8_t *to, uint32_t v, int bytes)
{
    for (int i = 0; i < bytes; i++) to[i] = (uint8_t)(v >> (8 * i));
}

/* A WAV file of n samples with a format tag (1: PCM, 7: mu-law), samples zero. */
static uint8_t *new_wav(size_t n, int rate, int tag, uint32_t width, size_t *bytes)
{
    *bytes = 44 + width * n;
    uint8_t *wav = base_alloc(*bytes, 1);
    if (!wav) return NULL;
    memcpy(wav, "RIFF....WAVEfmt ....", 20);
    put_le(wav + 4, (uint32_t)*bytes - 8, 4);
    put_le(wav + 16, 16, 4);
    put_le(wav + 20, (uint32_t)tag, 2);
    put_le(wav + 22, 1, 2); /* channel */
    put_le(wav + 24, (uint32_t)rate, 4);
    put_le(wav + 28, width * (uint32_t)rate, 4);
    put_le(wav + 32, width, 2);
    put_le(wav + 34, 8 * width, 2);
    memcpy(wav + 36, "data", 4);
    put_le(wav + 40, width * (uint32_t)n, 4);
    return wav;
}

/* Adds wav and frees it. */
static void put_wav(base_str *out, uint8_t *wav, size_t bytes)
{
    base_str_add(out, "<audio controls preload=\"none\" src=\"data:audio/wav;base64,");
    if (wav) add_base64(out, wav, bytes);
    base_str_add(out, "\"></audio>");
    out->failed = out->failed || !wav;
    base_free(wav);
}

void page_sound(base_str *out, const int16_t *pcm, size_t n, int rate)
{
    size_t bytes;
    uint8_t *wav = new_wav(n, rate, 1, 2, &bytes);
    for (size_t i = 0; wav && i < n; i++) put_le(wav + 44 + 2 * i, (uint16_t)pcm[i], 2);
    put_wav(out, wav, bytes);
}

/* Sign, three bits of exponent, four of mantissa; all bits are turned over. */
static uint8_t mu_law(int v)
{
    const int bias = 132, most = 32635;
    const int size = (v < 0 ? (v < -most ? most : -v) : v > most ? most : v) + bias;
    int exponent = 7;
    while (exponent > 0 && size < 1 << (exponent + 7)) exponent--;
    return (uint8_t) ~((v < 0) << 7 | exponent << 4 | (size >> (exponent + 3) & 15));
}

void page_sound_small(base_str *out, const int16_t *pcm, size_t n, int rate)
{
    size_t bytes;
    uint8_t *wav = new_wav(n, rate, 7, 1, &bytes);
    for (size_t i = 0; wav && i < n; i++) wav[44 + i] = mu_law(pcm[i]);
    put_wav(out, wav, bytes);
}
