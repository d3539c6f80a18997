/* The thread pool of nn/base.h: workers sleep on a condition variable, jobs are taken by an atomic
 * counter, the caller works too. A run is identified by its generation number, so that a worker
 * that wakes late joins the run in progress or none. */
#include "nn/base.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

enum { BACKGROUND = 10 }; /* added to the nice value */

struct base_pool {
    int threads, started;
    pthread_t *thread;
    pthread_mutex_t lock;
    pthread_cond_t wake, done;
    unsigned generation;
    int busy; /* workers inside the present run */
    bool quit;
    void (*fn)(void *ctx, int job);
    void *ctx;
    int jobs;
    atomic_int next;
};

static void take_jobs(base_pool *p)
{
    for (int job; (job = atomic_fetch_add(&p->next, 1)) < p->jobs;) p->fn(p->ctx, job);
}

static void *worker(void *arg)
{
    base_pool *p = arg;
    unsigned seen = 0;
    pthread_mutex_lock(&p->lock);
    for (;;) {
        while (!p->quit && p->generation == seen) pthread_cond_wait(&p->wake, &p->lock);
        if (p->quit) break;
        seen = p->generation;
        pthread_mutex_unlock(&p->lock);
        take_jobs(p);
        pthread_mutex_lock(&p->lock);
        if (--p->busy == 0) pthread_cond_signal(&p->done);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

base_status base_pool_new(int threads, base_pool **pool, base_err *err)
{
    base_pool *p = calloc(1, sizeof *p);
    *pool = NULL;
    if (!p) return base_nomem(err, sizeof *p);
    p->threads = threads < 1 ? 1 : threads;
    p->thread = calloc((size_t)p->threads, sizeof *p->thread);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->wake, NULL);
    pthread_cond_init(&p->done, NULL);
    for (; p->thread && p->started < p->threads - 1; p->started++)
        if (pthread_create(&p->thread[p->started], NULL, worker, p) != 0) break;
    if (p->started < p->threads - 1) {
        base_pool_free(p);
        return base_fail(err, BASE_FAILED, "cannot start %d threads", threads);
    }
    *pool = p;
    return BASE_OK;
}

void base_pool_free(base_pool *p)
{
    if (!p) return;
    pthread_mutex_lock(&p->lock);
    p->quit = true;
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
    for (int i = 0; i < p->started; i++) pthread_join(p->thread[i], NULL);
    pthread_cond_destroy(&p->done);
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->lock);
    free(p->thread);
    free(p);
}

int base_pool_threads(const base_pool *p)
{
    return p ? p->threads : 1;
}

void base_pool_run(base_pool *p, int jobs, void (*fn)(void *ctx, int job), void *ctx)
{
    if (!p || p->threads == 1 || jobs == 1) {
        for (int i = 0; i < jobs; i++) fn(ctx, i);
        return;
    }
    pthread_mutex_lock(&p->lock);
    p->fn = fn;
    p->ctx = ctx;
    p->jobs = jobs;
    atomic_store(&p->next, 0);
    p->busy = p->started;
    p->generation++;
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
    take_jobs(p);
    pthread_mutex_lock(&p->lock);
    while (p->busy > 0) pthread_cond_wait(&p->done, &p->lock);
    pthread_mutex_unlock(&p->lock);
}

void base_thread_background(void)
{
    id_t self = (id_t)gettid(); /* Linux has priorities of threads */
    setpriority(PRIO_PROCESS, self, getpriority(PRIO_PROCESS, self) + BACKGROUND);
}

int base_cores(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
    int n = CPU_COUNT(&set);
    return n < 1 ? 1 : n;
}
