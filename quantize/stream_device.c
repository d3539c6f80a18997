/* stream_device: an int8 model on a recording as a device runs it: one front-end in integers goes
 * over all samples and gives inputs; the net takes a few of them at a time, on all threads, or goes
 * on by steps of new frames.
 */
#include "quantize/runtime/listener.h"
#include "quantize/stream.h"

enum { TURN = 64, SAMPLES = 256 };

typedef struct device {
    const quant_listener *l;
    const sotto_frontend_t *fe;
    const q8_stream *steps; /* or NULL: whole windows, by */
    q8_host *host;
    quant_heard *h;
    const float *pcm;
    int64_t at; /* the next sample */
    sotto_listener listener;
    int32_t *memory, *scratch;
    size_t size, work_size; /* of an input, of what a job works in */
    int jobs, n;            /* inputs of this turn */
    int64_t done;
    int8_t *in, *work; /* of a turn; of all jobs */
} device;

/* Samples until there are TURN inputs, or no more samples. */
static void listen(device *d)
{
    const int32_t hop = d->l->pipeline->hop_frames;
    d->n = 0;
    while (d->n < TURN && d->at < d->h->samples) {
        int16_t x[SAMPLES];
        const int64_t left = d->h->samples - d->at;
        const int32_t some = left < SAMPLES ? (int32_t)left : SAMPLES;
        int8_t *in = d->in + (size_t)d->n * d->size;
        dsp_to_pcm16(x, d->pcm + d->at, (size_t)some);
        d->at += d->steps ? sotto_listener_push_new(d->fe, &d->listener, hop, x, some, in)
                          : sotto_listener_push(d->fe, &d->listener, hop, x, some, in);
        d->n += d->listener.due;
    }
}

static void infer(void *ctx, int job)
{
    device *d = ctx;
    int8_t *work = d->work + (size_t)job * d->work_size;
    for (int i = job; i < d->n; i += d->jobs) {
        const int8_t *in = d->in + (size_t)i * d->size;
        int8_t *out = d->h->out + (d->done + i) * d->h->classes;
        if (d->steps)
            q8_stream_step(d->steps, in, out, work);
        else
            q8_host_run(d->host, in, out, work);
    }
}

static void hear(device *d, base_pool *pool)
{
    sotto_listener_init(d->fe, &d->listener, d->l->pipeline->first_frame, d->memory, d->scratch);
    if (d->steps) q8_stream_reset(d->steps, d->work);
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
    const q8_stream *steps = l->pipeline->stream;
    device d = {.l = l, .fe = fe, .steps = steps, .host = host, .h = h, .pcm = pcm};
    base_pool *pool = NULL;
    d.jobs = l->threads > 0 && !steps ? l->threads : 1; /* steps are one after another */
    d.size = steps ? steps->hop_bytes : q8_input_size(l->subject->q8);
    d.work_size = steps ? steps->net.work + 1 : q8_host_work(host) + 1;
    d.memory = base_alloc((size_t)sotto_frontend_memory(fe), sizeof *d.memory);
    d.scratch = base_alloc((size_t)sotto_frontend_scratch(fe), sizeof *d.scratch);
    d.in = base_alloc(TURN * d.size, 1);
    d.work = base_alloc((size_t)d.jobs * d.work_size, 1);
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
