/* The thread takes a sample at each tick, an absolute instant; when it is late by more than half a
 * period it counts a gap and goes on with the next tick that lies ahead, so that samples are never
 * bunched up to make good for lost ones.
 */
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "backend/gpu_usage.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "bench/probe/load_state.h"
#include "bench/probe/proc_file.h"

struct mu_sampler {
    mu_sampler_options options;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_t thread;
    pthread_mutex_t rollup_lock; /* held while a rollup is read */
    bool is_closing, is_rollup_allowed;
    mu_load_sample *samples; /* [options.n_samples_max] */
    mu_sampler_facts facts;
    /* The thread's own */
    mu_process_tree tree;
    mu_load_counters counters;
    bool has_counters;
    mu_gpu_usage_reader *gpu; /* NULL: none */
};

static mu_fact tree_cpu_seconds(const mu_process_tree *tree) {
    mu_buf text = {0};
    mu_fact sum = mu_fact_unknown(MU_PROC_GONE);
    bool has_any = false;
    for (uint32_t i = 0; i < tree->n; i++) {
        mu_process_activity a;
        pid_t parent;
        if (mu_proc_file_read_of(tree->pids[i], "stat", &text) ||
            !mu_proc_stat_parse(text.data, (double)sysconf(_SC_CLK_TCK), &parent, &a)) {
            continue;
        }
        mu_fact one = mu_fact_add(a.user_s, a.system_s);
        sum = has_any ? mu_fact_add(sum, one) : one;
        has_any = true;
    }
    mu_buf_deinit(&text);
    return sum;
}

static void take_rollup(mu_sampler *s, mu_load_sample *sample) {
    static const char not_now[] = "not read inside a latency window";
    sample->pss = sample->pss_anon = sample->unreclaimable = mu_fact_unknown(not_now);
    pthread_mutex_lock(&s->rollup_lock);
    if (s->is_rollup_allowed && s->tree.n > 0) {
        mu_process_memory memory;
        mu_process_memory_read(&s->tree, &memory);
        sample->pss = memory.pss;
        sample->pss_anon = memory.pss_anon;
        sample->unreclaimable = memory.unreclaimable;
    }
    pthread_mutex_unlock(&s->rollup_lock);
}

static mu_fact gpu_fact(double value, bool is_known) {
    return is_known ? mu_fact_of(value) : mu_fact_unknown("not told by NVML");
}

static void take_gpu(mu_sampler *s, mu_load_sample *sample) {
    mu_gpu_usage u = {.utilization_percent = NAN};
    if (!s->gpu) return;
    if (mu_gpu_usage_read(s->gpu, &u, NULL) != MU_OK) u.memory_total_bytes = 0;
    sample->gpu_memory = gpu_fact((double)u.memory_used_bytes, u.memory_total_bytes > 0);
    sample->gpu_process =
        gpu_fact((double)u.process_bytes, s->options.root > 0 && u.process_bytes > 0);
    sample->gpu_busy = gpu_fact(u.utilization_percent / 100.0, !isnan(u.utilization_percent));
}

static void take_slow(mu_sampler *s, mu_load_sample *sample, bool *out_is_gone) {
    if (s->options.root > 0 && mu_process_tree_read(s->options.root, &s->tree, NULL) != MU_OK) {
        s->tree.n = 0;
        *out_is_gone = true;
    }
    mu_load_counters now;
    mu_load_counters_read(&now);
    if (s->has_counters) {
        mu_load_state state = mu_load_between(&s->counters, &now);
        sample->busy = state.busy;
        sample->steal = state.steal;
        sample->stalled_cpu = state.stalled_cpu;
        sample->stalled_memory = state.stalled_memory;
        sample->frequency_mhz = state.frequency_mhz;
    }
    s->counters = now;
    s->has_counters = true;
    take_rollup(s, sample);
    take_gpu(s, sample);
}

static void take_sample(mu_sampler *s, bool is_slow) {
    static const char between[] = "between two slow samples";
    bool is_gone = false;
    mu_load_sample sample = {.at_ns = mu_now_ns()};
    sample.pss = sample.pss_anon = sample.unreclaimable = mu_fact_unknown(between);
    sample.busy = sample.steal = sample.stalled_cpu = mu_fact_unknown(between);
    sample.stalled_memory = sample.frequency_mhz = mu_fact_unknown(between);
    sample.gpu_memory = sample.gpu_process = sample.gpu_busy =
        mu_fact_unknown(s->gpu ? between : "no GPU that NVML knows was named");
    if (is_slow) take_slow(s, &sample, &is_gone);
    sample.rss = sample.cpu_s = mu_fact_unknown("no process was named");
    if (s->options.root > 0) {
        sample.rss = mu_process_rss_fast(&s->tree);
        sample.cpu_s = tree_cpu_seconds(&s->tree);
    }

    struct timespec used;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    pthread_mutex_lock(&s->lock);
    mu_sampler_facts *f = &s->facts;
    f->cpu_s = (double)used.tv_sec + (double)used.tv_nsec / 1e9;
    f->is_root_gone |= is_gone;
    if (f->n_samples > 0) {
        double gap_s = (double)(sample.at_ns - s->samples[f->n_samples - 1].at_ns) / 1e9;
        if (gap_s > f->gap_s_max) f->gap_s_max = gap_s;
    }
    if (f->n_samples < s->options.n_samples_max) {
        s->samples[f->n_samples++] = sample;
    } else {
        f->n_dropped++;
    }
    pthread_mutex_unlock(&s->lock);
}

/* False: the sampler is being closed. */
static bool wait_until(mu_sampler *s, uint64_t until_ns) {
    struct timespec until = {.tv_sec = (time_t)(until_ns / 1000000000u),
                             .tv_nsec = (long)(until_ns % 1000000000u)};
    pthread_mutex_lock(&s->lock);
    while (!s->is_closing && pthread_cond_timedwait(&s->wake, &s->lock, &until) != ETIMEDOUT) {}
    bool goes_on = !s->is_closing;
    pthread_mutex_unlock(&s->lock);
    return goes_on;
}

static void count_gap(mu_sampler *s) {
    pthread_mutex_lock(&s->lock);
    s->facts.n_gaps++;
    pthread_mutex_unlock(&s->lock);
}

static void *run(void *ctx) {
    mu_sampler *s = ctx;
    bool is_low = setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), 19) == 0;
    pthread_mutex_lock(&s->lock);
    s->facts.is_low_priority = is_low;
    pthread_mutex_unlock(&s->lock);
    uint64_t fast_ns = s->options.fast_ms * 1000000ull, slow_ns = s->options.slow_ms * 1000000ull;
    uint64_t tick_ns = mu_now_ns(), slow_tick_ns = tick_ns;
    while (wait_until(s, tick_ns)) {
        uint64_t now_ns = mu_now_ns();
        if (now_ns - tick_ns > fast_ns / 2) count_gap(s);
        bool is_slow = now_ns >= slow_tick_ns;
        take_sample(s, is_slow);
        now_ns = mu_now_ns();
        tick_ns += fast_ns;
        if (tick_ns < now_ns) tick_ns += (now_ns - tick_ns + fast_ns - 1) / fast_ns * fast_ns;
        while (is_slow && slow_tick_ns <= now_ns) {
            slow_tick_ns += slow_ns;
        }
    }
    return NULL;
}

/* A GPU that cannot be watched is no reason not to measure: its series are unknown. */
static void open_gpu(mu_sampler *s) {
    const mu_gpu_usage_options options = {.pci_bus_id = s->options.gpu_pci_bus_id,
                                          .pid = (uint32_t)s->options.root,
                                          .library = s->options.nvml_library};
    if (!options.pci_bus_id) return;
    s->facts.has_gpu = mu_gpu_usage_open(&options, &s->gpu, NULL) == MU_OK;
}

mu_status mu_sampler_open(const mu_sampler_options *options, mu_sampler **out, mu_err *err) {
    mu_sampler *s = mu_alloc(sizeof(*s));
    if (!s) return mu_fail(err, MU_ERR_NOMEM, "sampler");
    s->options = *options;
    if (s->options.fast_ms == 0) s->options.fast_ms = 100;
    if (s->options.slow_ms == 0) s->options.slow_ms = 1000;
    if (s->options.n_samples_max == 0) s->options.n_samples_max = 36000;
    s->samples = MU_ALLOC(mu_load_sample, s->options.n_samples_max);
    if (!s->samples) {
        mu_free(s);
        return mu_fail(err, MU_ERR_NOMEM, "sampler: %u samples", options->n_samples_max);
    }
    s->facts.own_bytes = sizeof(*s) + s->options.n_samples_max * sizeof(*s->samples);
    open_gpu(s);
    pthread_mutex_init(&s->lock, NULL);
    pthread_mutex_init(&s->rollup_lock, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&s->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    errno = pthread_create(&s->thread, NULL, run, s);
    if (errno != 0) {
        mu_status status = mu_fail_os(err, MU_ERR_NOMEM, "sampler: thread");
        mu_gpu_usage_close(s->gpu);
        mu_free(s->samples);
        mu_free(s);
        return status;
    }
    *out = s;
    return MU_OK;
}

void mu_sampler_close(mu_sampler *s) {
    if (!s) return;
    pthread_mutex_lock(&s->lock);
    s->is_closing = true;
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->thread, NULL);
    pthread_cond_destroy(&s->wake);
    pthread_mutex_destroy(&s->rollup_lock);
    pthread_mutex_destroy(&s->lock);
    mu_gpu_usage_close(s->gpu);
    mu_free(s->samples);
    mu_free(s);
}

void mu_sampler_allow_rollup(mu_sampler *s, bool allowed) {
    pthread_mutex_lock(&s->rollup_lock);
    s->is_rollup_allowed = allowed;
    pthread_mutex_unlock(&s->rollup_lock);
}

uint32_t mu_sampler_copy(mu_sampler *s, uint32_t first, mu_load_sample *out, uint32_t cap) {
    pthread_mutex_lock(&s->lock);
    uint32_t n = first < s->facts.n_samples ? s->facts.n_samples - first : 0;
    if (n > cap) n = cap;
    if (n > 0) memcpy(out, s->samples + first, n * sizeof(*out));
    pthread_mutex_unlock(&s->lock);
    return n;
}

mu_sampler_facts mu_sampler_get_facts(mu_sampler *s) {
    pthread_mutex_lock(&s->lock);
    mu_sampler_facts facts = s->facts;
    pthread_mutex_unlock(&s->lock);
    return facts;
}

/* A column of one member of all samples. */
static json_t *column(const mu_load_sample *samples, uint32_t n, size_t offset) {
    json_t *values = json_array();
    for (uint32_t i = 0; i < n; i++) {
        const mu_fact *fact = (const void *)((const char *)&samples[i] + offset);
        json_array_append_new(values, fact->is_known ? json_real(fact->value) : json_null());
    }
    return values;
}

json_t *mu_sampler_json(mu_sampler *s) {
#define AT(member) offsetof(mu_load_sample, member)
    static const struct {
        const char *name;
        size_t offset;
        bool is_of_gpu;
    } columns[] = {
        {"rss", AT(rss), false},
        {"pss", AT(pss), false},
        {"pss_anon", AT(pss_anon), false},
        {"unreclaimable", AT(unreclaimable), false},
        {"cpu_s", AT(cpu_s), false},
        {"busy", AT(busy), false},
        {"steal", AT(steal), false},
        {"stalled_cpu", AT(stalled_cpu), false},
        {"stalled_memory", AT(stalled_memory), false},
        {"frequency_mhz", AT(frequency_mhz), false},
        {"gpu_memory", AT(gpu_memory), true},
        {"gpu_process", AT(gpu_process), true},
        {"gpu_busy", AT(gpu_busy), true},
    };
#undef AT
    mu_sampler_facts f = mu_sampler_get_facts(s);
    mu_load_sample *samples = MU_ALLOC(mu_load_sample, f.n_samples);
    if (!samples) return NULL;
    uint32_t n = mu_sampler_copy(s, 0, samples, f.n_samples);
    json_t *json =
        json_pack("{s:I, s:I, s:I, s:I, s:f, s:f, s:I, s:b, s:b}", "fast_ms",
                  (json_int_t)s->options.fast_ms, "slow_ms", (json_int_t)s->options.slow_ms, "gaps",
                  (json_int_t)f.n_gaps, "dropped", (json_int_t)f.n_dropped, "gap_s_max",
                  f.gap_s_max, "sampler_cpu_s", f.cpu_s, "sampler_bytes", (json_int_t)f.own_bytes,
                  "root_gone", (int)f.is_root_gone, "low_priority", (int)f.is_low_priority);
    json_t *times = json_array();
    for (uint32_t i = 0; i < n; i++) {
        json_array_append_new(times, json_integer((json_int_t)samples[i].at_ns));
    }
    if (json) json_object_set_new(json, "at_ns", times);
    for (size_t i = 0; json && i < MU_COUNTOF(columns); i++) {
        if (columns[i].is_of_gpu && !f.has_gpu) continue;
        json_object_set_new(json, columns[i].name, column(samples, n, columns[i].offset));
    }
    if (!json) json_decref(times);
    mu_free(samples);
    return json;
}
