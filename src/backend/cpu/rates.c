/* Memory is read by all threads at once, each its own part, from a buffer far larger than the
 * caches. Every figure is the best of several passes: these are limits, and a limit that a
 * neighbour on the machine lowered would flatter what is compared with it.
 */
#include "backend/cpu/rates.h"

#include "backend/cpu/cpu_backend.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/cpu.h"
#include "base/pool.h"

#if defined(__x86_64__)
#include "backend/cpu/x86/levels.h"
#endif

enum {
    READ_BYTES = 512 << 20, /* 16 times a 32 MiB L3 */
    N_PASSES = 7,
    LOOP_PASSES = 400000, /* about 10 ms of the f32 loop */
};

static const char PAGES_NAME[] = "muai-rates";

static float read_ref(const float *data, size_t n) {
    float sum[16] = {0};
    for (size_t i = 0; i < n; i += 16) {
        for (size_t j = 0; j < 16; j++) {
            sum[j] += data[i + j];
        }
    }
    return sum[0] + sum[7] + sum[15];
}

static float f32_ref(uint32_t n_passes) {
    float sum[16] = {0};
    for (uint32_t i = 0; i < n_passes; i++) {
        for (size_t j = 0; j < 16; j++) {
            sum[j] = sum[j] * 0.999f + 0.001f;
        }
    }
    return sum[0] + sum[7] + sum[15];
}

static mu_rate_loops loops_for(const mu_cpu_level *max) {
    mu_rate_loops loops = {.read = read_ref, .f32 = {16 * 2, f32_ref}};
#if defined(__x86_64__)
    mu_x86_rate_loops(&loops, mu_cpu_level_index(max));
#else
    (void)max;
#endif
    return loops;
}

typedef struct rate_job {
    mu_pool *pool;
    const mu_rate_loops *loops;
    const mu_rate_loop *loop; /* NULL: read memory */
    float *data;
    size_t n_per_thread; /* floats */
    float *sinks;        /* [n_threads] */
} rate_job;

static void run_job(void *ctx, uint32_t thread, uint32_t n_threads) {
    (void)n_threads;
    const rate_job *job = ctx;
    job->sinks[thread] +=
        job->loop ? job->loop->run(LOOP_PASSES)
                  : job->loops->read(job->data + thread * job->n_per_thread, job->n_per_thread);
}

/* Touch the pages by the threads that will read them. */
static void fill(void *ctx, uint32_t thread, uint32_t n_threads) {
    (void)n_threads;
    const rate_job *job = ctx;
    float *data = job->data + thread * job->n_per_thread;
    for (size_t i = 0; i < job->n_per_thread; i++) {
        data[i] = 1.0f;
    }
}

/* Seconds of the fastest pass of all threads. */
static double fastest_seconds(rate_job *job) {
    double fastest = 0.0;
    mu_pool_run(job->pool, run_job, job); /* warm up */
    for (int i = 0; i < N_PASSES; i++) {
        uint64_t start = mu_now_ns();
        mu_pool_run(job->pool, run_job, job);
        double seconds = (double)(mu_now_ns() - start) * 1e-9;
        if (i == 0 || seconds < fastest) fastest = seconds;
    }
    return fastest;
}

static double rate_of(rate_job *job, const mu_rate_loop *loop) {
    if (!loop->run) return 0.0;
    job->loop = loop;
    double ops = loop->ops_per_pass * LOOP_PASSES * mu_pool_n_threads(job->pool);
    return ops / fastest_seconds(job) * 1e-9;
}

mu_status mu_cpu_rates_measure(mu_device_id device, uint32_t n_threads, const mu_cpu_level *isa_max,
                               mu_machine_rates *out, mu_err *err) {
    (void)device; /* there is one CPU */
    n_threads = mu_cpu_threads(n_threads);
    mu_rate_loops loops = loops_for(isa_max);
    rate_job job = {.loops = &loops};
    job.n_per_thread = READ_BYTES / sizeof(float) / n_threads / 256 * 256;
    size_t bytes = job.n_per_thread * n_threads * sizeof(float);
    job.data = mu_pages_open(bytes, PAGES_NAME);
    job.sinks = MU_ALLOC(float, n_threads);
    mu_status status = job.data && job.sinks
                           ? mu_pool_open(n_threads, &job.pool, err)
                           : mu_fail(err, MU_ERR_NOMEM, "%zu MiB to measure memory", bytes >> 20);
    if (status == MU_OK) {
        mu_pool_run(job.pool, fill, &job);
        out->dram_gb_s = (double)bytes / fastest_seconds(&job) * 1e-9;
        out->f32_gflop_s = rate_of(&job, &loops.f32);
        out->bf16_gflop_s = rate_of(&job, &loops.bf16);
        out->int8_gop_s = rate_of(&job, &loops.int8);
        out->int4_gop_s = rate_of(&job, &loops.int4);
    }
    mu_pool_close(job.pool);
    mu_free(job.sinks);
    mu_pages_close(job.data, bytes, PAGES_NAME);
    return status;
}
