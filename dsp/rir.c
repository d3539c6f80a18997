/* Rooms: impulse responses by images of the source, and clips convolved with them.
 *
 * A wall mirrors the source; an image that is r reflections away and at distance d arrives d / c
 * later at size beta^r / d, beta the reflection coefficient. Along each axis of a shoebox the
 * images lie at 2 k L + s (|2k| reflections) and 2 k L - s (|2k - 1|).
 *
 * Convolution: response and clip are multiplied as one FFT each. Only the clip's own span of the
 * result is wanted, so the FFT may be short enough that other parts wrap around.
 */
#include "dsp/dsp.h"

#include "dsp/fft.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double pi = 3.14159265358979323846, sound = 343; /* m/s */

/* ---- a room ---- */

static double between(double lo, double hi, base_rng *rng)
{
    return lo + (hi - lo) * base_rng_uniform(rng);
}

static double distance(const double *a, const double *b)
{
    double x = a[0] - b[0], y = a[1] - b[1], z = a[2] - b[2];
    return sqrt(x * x + y * y + z * z);
}

dsp_room dsp_room_draw(double rt60_lo, double rt60_hi, base_rng *rng)
{
    static const double lo[3] = {3, 3, 2.4}, hi[3] = {8, 6, 3.5}, apart = 0.5;
    dsp_room room = {.rt60 = between(rt60_lo, rt60_hi, rng)};
    for (int i = 0; i < 3; i++) room.size[i] = between(lo[i], hi[i], rng);
    for (int i = 0; i < 3; i++) room.source[i] = between(apart, room.size[i] - apart, rng);
    do
        for (int i = 0; i < 3; i++) room.microphone[i] = between(apart, room.size[i] - apart, rng);
    while (distance(room.source, room.microphone) < apart);
    return room;
}

/* The images along one axis. */
typedef struct axis {
    int n;
    double *offset; /* from the microphone, squared */
    int *hits;      /* reflections */
} axis;

static base_status new_axis(double size, double source, double microphone, double reach, axis *a,
                            base_err *err)
{
    int most = (int)(reach / (2 * size)) + 2;
    a->offset = base_alloc(4 * (size_t)most + 2, sizeof *a->offset);
    a->hits = base_alloc(4 * (size_t)most + 2, sizeof *a->hits);
    if (!a->offset || !a->hits) return base_nomem(err, 48 * (size_t)most);
    for (int k = -most; k <= most; k++)
        for (int side = 0; side < 2; side++) {
            double x = 2 * k * size + (side ? -source : source) - microphone;
            if (fabs(x) > reach) continue;
            a->offset[a->n] = x * x;
            a->hits[a->n++] = side ? abs(2 * k - 1) : abs(2 * k);
        }
    return BASE_OK;
}

/* Every image within reach of the microphone, by the size it has (size[r] / d) and the sample at
 * which it arrives. */
static void add_images(const axis a[3], const double *size, double direct, int rate, float *h,
                       size_t n)
{
    double reach = direct + (double)n * sound / rate;
    for (int i = 0; i < a[0].n; i++)
        for (int j = 0; j < a[1].n; j++) {
            double plane = a[0].offset[i] + a[1].offset[j];
            const double *row = size + a[0].hits[i] + a[1].hits[j];
            if (plane > reach * reach) continue;
            for (int k = 0; k < a[2].n; k++) {
                double d = sqrt(plane + a[2].offset[k]);
                double at = (d - direct) * rate / sound + 0.5;
                if (at < (double)n) h[(size_t)at] += (float)(row[a[2].hits[k]] / d);
            }
        }
}

/* Sums of images that all push the same way have a drift that no room has: Allen and Berkley's
 * filter, zeros at 0 Hz, poles at rate / 160 (100 Hz at 16 kHz). */
static void high_pass(float *h, size_t n)
{
    const double w = 2 * pi / 160, r = exp(-w);
    double y1 = 0, y2 = 0;
    for (size_t i = 0; i < n; i++) {
        double y = (double)h[i] + 2 * r * cos(w) * y1 - r * r * y2;
        h[i] = (float)(y - (1 + r) * y1 + r * y2);
        y2 = y1;
        y1 = y;
    }
}

static base_status check_room(const dsp_room *room, int rate, base_err *err)
{
    const double *s = room->source, *m = room->microphone;
    if (rate < 1 || !(room->rt60 > 0))
        return base_fail(err, BASE_USAGE, "a room with rt60 = %g s at %d Hz", room->rt60, rate);
    for (int i = 0; i < 3; i++)
        if (!(s[i] >= 0 && s[i] <= room->size[i] && m[i] >= 0 && m[i] <= room->size[i]))
            return base_fail(err, BASE_USAGE,
                             "source at %g m and microphone at %g m in a room of %g m", s[i], m[i],
                             room->size[i]);
    if (distance(s, m) > 0) return BASE_OK;
    return base_fail(err, BASE_USAGE, "source and microphone are at the same place of the room");
}

/* The octant of directions, all others mirror it: how many walls of a room of size l sound meets on
 * each metre of its way. */
enum { GRID = 24 };
static void fill_walls(const double *l, double *walls)
{
    for (int i = 0; i < GRID; i++)
        for (int j = 0; j < GRID; j++) {
            double z = (i + 0.5) / GRID, r = sqrt(1 - z * z), phi = (j + 0.5) / GRID * pi / 2;
            walls[i * GRID + j] = r * cos(phi) / l[0] + r * sin(phi) / l[1] + z / l[2];
        }
}

/* Energy that is still to come, up to a factor, when every wall met has cost exp(-loss / x) and
 * sound has gone x metres. */
static double to_come(const double *walls, double loss)
{
    double sum = 0;
    for (int i = 0; i < GRID * GRID; i++) sum += exp(-loss * walls[i]) / walls[i];
    return sum;
}

/* The loss at which it is down by this much. */
static double loss_at(const double *walls, double db, double longest)
{
    double lo = 0, hi = db / 10 * log(10) * longest, want = to_come(walls, 0) * pow(10, -db / 10);
    for (int i = 0; i < 40; i++) {
        double middle = (lo + hi) / 2;
        if (to_come(walls, middle) > want)
            lo = middle;
        else
            hi = middle;
    }
    return lo;
}

/* The reflection coefficient at which sound decays from -5 to -35 dB in half of rt60. Sabine's and
 * Eyring's formulas suppose that sound goes all ways in turn; images do not, and those along the
 * longest side last longest. */
static double reflection(const dsp_room *room)
{
    const double *l = room->size;
    double walls[GRID * GRID], longest = fmax(l[0], fmax(l[1], l[2]));
    fill_walls(l, walls);
    double loss = loss_at(walls, 35, longest) - loss_at(walls, 5, longest);
    return exp(-loss / (sound * room->rt60));
}

base_status dsp_room_response(const dsp_room *room, int rate, float *h, size_t n, base_err *err)
{
    BASE_TRY(check_room(room, rate, err));
    double direct = distance(room->source, room->microphone);
    double reach = direct + (double)n * sound / rate, beta = reflection(room);
    axis a[3] = {0};
    base_status status = BASE_OK;
    size_t most = 1;
    for (int i = 0; i < 3 && status == BASE_OK; i++) {
        status = new_axis(room->size[i], room->source[i], room->microphone[i], reach, &a[i], err);
        most += (size_t)(reach / room->size[i]) + 5;
    }
    double *size = base_alloc(most, sizeof *size);
    if (status == BASE_OK && !size) status = base_nomem(err, most * sizeof *size);
    if (status == BASE_OK) {
        for (size_t r = 0; r < most; r++) size[r] = direct * pow(beta, (double)r);
        memset(h, 0, n * sizeof *h);
        add_images(a, size, direct, rate, h, n);
        high_pass(h, n);
    }
    for (int i = 0; i < 3; i++) base_free(a[i].offset), base_free(a[i].hits);
    base_free(size);
    return status;
}

/* ---- convolution ---- */

struct dsp_rirs {
    size_t count, samples;
    int fft;
    size_t *direct;
    float *spectra; /* [count, fft + 2] */
};

struct dsp_reverb {
    const dsp_rirs *rirs;
    dsp_fft *fft;
};

size_t dsp_rir_direct(const float *h, size_t n)
{
    size_t at = 0;
    for (size_t i = 1; i < n; i++)
        if (fabsf(h[i]) > fabsf(h[at])) at = i;
    return at;
}

/* The part of a response that can be heard within a clip. */
static dsp_rir audible(const dsp_rir *r, size_t samples)
{
    size_t first = r->direct > samples ? r->direct - samples : 0;
    size_t end = r->n - r->direct > samples ? r->direct + samples : r->n;
    return (dsp_rir){r->h + first, end - first, r->direct - first};
}

/* A length of at least n that has small factors only: 5, 6, 7 or 8 times a power of two. */
static int fft_length(size_t n)
{
    size_t unit = 1;
    while (8 * unit < n) unit *= 2;
    return (int)((n + unit - 1) / unit * unit);
}

/* The spectra, each scaled by 1 / fft so that the inverse needs no more. */
static base_status fill_spectra(dsp_rirs *b, const dsp_rir *list, base_err *err)
{
    dsp_fft *fft;
    BASE_TRY(dsp_fft_new(b->fft, &fft, err));
    float *in = dsp_fft_input(fft);
    for (size_t i = 0; i < b->count; i++) {
        dsp_rir r = audible(&list[i], b->samples);
        memset(in, 0, (size_t)b->fft * sizeof *in);
        memcpy(in, r.h, r.n * sizeof *in);
        dsp_gain(in, 1 / (float)b->fft, r.n);
        size_t size = ((size_t)b->fft / 2 + 1) * 2;
        memcpy(b->spectra + i * size, dsp_fft_run(fft), size * sizeof *in);
        b->direct[i] = r.direct;
    }
    dsp_fft_free(fft);
    return BASE_OK;
}

base_status dsp_rirs_new(const dsp_rir *list, size_t count, size_t samples, dsp_rirs **rirs,
                         base_err *err)
{
    *rirs = NULL;
    dsp_rirs *b = base_alloc(1, sizeof *b);
    if (!b) return base_nomem(err, sizeof *b);
    *b = (dsp_rirs){.count = count, .samples = samples};
    size_t longest = 2;
    for (size_t i = 0; i < count; i++) {
        dsp_rir r = audible(&list[i], samples);
        size_t after = r.n - r.direct, around = r.direct > after ? r.direct : after;
        if (samples + around > longest) longest = samples + around;
    }
    b->fft = fft_length(longest);
    b->direct = base_alloc(count, sizeof *b->direct);
    b->spectra = base_alloc(count, ((size_t)b->fft / 2 + 1) * 2 * sizeof *b->spectra);
    base_status status = b->direct && b->spectra
                             ? fill_spectra(b, list, err)
                             : base_nomem(err, count * (size_t)b->fft * sizeof *b->spectra);
    if (status == BASE_OK)
        *rirs = b;
    else
        dsp_rirs_free(b);
    return status;
}

void dsp_rirs_free(dsp_rirs *rirs)
{
    if (!rirs) return;
    base_free(rirs->direct);
    base_free(rirs->spectra);
    base_free(rirs);
}

size_t dsp_rirs_count(const dsp_rirs *rirs)
{
    return rirs->count;
}

base_status dsp_reverb_new(const dsp_rirs *rirs, dsp_reverb **reverb, base_err *err)
{
    dsp_reverb *r = base_alloc(1, sizeof *r);
    if (!r) return base_nomem(err, sizeof *r);
    r->rirs = rirs;
    base_status status = dsp_fft_new(rirs->fft, &r->fft, err);
    if (status == BASE_OK)
        *reverb = r;
    else
        base_free(r);
    return status;
}

void dsp_reverb_free(dsp_reverb *reverb)
{
    if (!reverb) return;
    dsp_fft_free(reverb->fft);
    base_free(reverb);
}

void dsp_reverb_run(dsp_reverb *reverb, size_t which, float *pcm)
{
    const dsp_rirs *b = reverb->rirs;
    size_t n = b->samples, half = (size_t)b->fft / 2 + 1;
    const float *h = b->spectra + which * half * 2;
    float *in = dsp_fft_input(reverb->fft), *x = dsp_fft_spectrum(reverb->fft);
    memcpy(in, pcm, n * sizeof *in);
    memset(in + n, 0, ((size_t)b->fft - n) * sizeof *in);
    dsp_fft_run(reverb->fft);
    for (size_t k = 0; k < half; k++) {
        float re = x[2 * k] * h[2 * k] - x[2 * k + 1] * h[2 * k + 1];
        x[2 * k + 1] = x[2 * k] * h[2 * k + 1] + x[2 * k + 1] * h[2 * k];
        x[2 * k] = re;
    }
    dsp_fft_inverse(reverb->fft);
    const float *out = in + b->direct[which];
    double before = dsp_energy(pcm, n), after = dsp_energy(out, n);
    memcpy(pcm, out, n * sizeof *pcm);
    if (after > 0) dsp_gain(pcm, (float)sqrt(before / after), n);
}
