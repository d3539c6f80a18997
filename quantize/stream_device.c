/* stream_device: an int8 model on a recording as a device runs it: one front-end in integers goes
 * over all samples and gives inputs; the net takes a few of them at a time, on all threads.
 */
#include "quantize/runtime/listener.h"
#include "quantize/stream.h"

enum { TURN = 64, SAMPLES = 256 };

typedef struct device {
    const quant_listener *l;
    const sotto_frontend_t *fe;
    q8_host *host;
    quant_heard *h;
    const float *pcm;
    int64_t at; /* the next sample */
    sotto_listener listener;
    int32_t *memory, *scratch;
    size_t size; /* of an input */
    int jobs, n; /* inputs of this turn */
    int64_t done;
    int8_t *in, *work; /* of a turn; of all jobs */
} device;

/* Samples until there are TURN inputs, or no more samples. */
static void listen(device *d)
{
    d->n = 0;
    while (d->n < TURN && d->at < d->h->samples) {
        int16_t x[SAMPLES];
        const int64_t left = d->h->samples - d->at;
        const int32_t some = left < SAMPLES ? (int32_t)left : SAMPLES;
        dsp_to_pcm16(x, d->pcm + d->at, (size_t)some);
        d->at += sotto_listener_push(d->fe, &d->listener, d->l->pipeline->hop_frames, x, some,
                                     d->in + (size_t)d->n * d->size);
        d->n += d->listener.due;
    }
}

static void infer(void *ctx, int job)
{
    device *d = ctx;
    int8_t *work = d->work + (size_t)job * q8_host_work(d->host);
    for (int i = job; i < d->n; i += d->jobs)
        q8_host_run(d->host, d->in + (size_t)i * d->size, d->h->out + (d->done + i) * d->h->classes,
                    work);
}

static void hear(device *d, base_pool *pool)
{
    sotto_listener_init(d->fe, &d->listener, d->l->pipeline->first_frame, d->memory, d->scratch);
    for (listen(d); d->n > 0; listen(d)) {
        base_pool_run(pool, d->jobs, infer, d);
        d->done += d->n;
        if (d->l->progress) d->l->progress(d->l->ctx, d->done, d->h->n);
    }
}

base_status quant_hear_device(const quant_listener *l, q8_host *host, const float *pcm,
                              quant_heard *h, base_err *err)
{
    const sotto_frontend_t *fe = dsp_fixed_frontend(l->pipeline->frontend);
    device d = {.l = l, .fe = fe, .host = host, .h = h, .pcm = pcm};
    base_pool *pool = NULL;
    d.jobs = l->threads > 0 ? l->threads : 1;
    d.size = q8_input_size(l->subject->q8);
    d.memory = base_alloc((size_t)sotto_frontend_memory(fe), sizeof *d.memory);
    d.scratch = base_alloc((size_t)sotto_frontend_scratch(fe), sizeof *d.scratch);
    d.in = base_alloc(TURN * d.size, 1);
    d.work = base_alloc((size_t)d.jobs * q8_host_work(host) + 1, 1);
    const bool ok = d.memory && d.scratch && d.in && d.work;
    const base_status status =
        ok ? base_pool_new(d.jobs, &pool, err) : base_nomem(err, TURN * d.size);
    if (status == BASE_OK) {
        hear(&d, pool);
        base_pool_free(pool);
    }
    base_free(d.memory);
    base_free(d.scratch);
    base_free(d.in);
    base_free(d.work);
    return status;
}
