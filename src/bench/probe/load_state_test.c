/* Started with an argument this program is the sampler that is stopped for a while. */
#include "bench/probe/load_state.h"

#include <math.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/clock.h"

static bool is_near(mu_fact fact, double value) {
    return fact.is_known && fabs(fact.value - value) < 1e-9;
}

static void proc_stat_is_read(void **state) {
    (void)state;
    mu_load_counters c = {0};
    mu_proc_cpu_parse("cpu  100 20 30 400 50 6 7 8 9 10\ncpu0 1 2 3 4\nintr 5 6\nctxt 777\n"
                      "procs_running 3\n",
                      100, &c);
    assert_true(is_near(c.busy_s, 1.63) && is_near(c.idle_s, 4.5) && is_near(c.steal_s, 0.08));
    assert_true(is_near(c.switches, 777) && is_near(c.running, 3));
    static const char *const bad[] = {"",
                                      "cpu",
                                      "cpu ",
                                      "cpu  1 2 3",
                                      "cpu0 1 2 3 4 5 6 7 8",
                                      "cpu  a b c d e f g h",
                                      "x\ncpu  1 2 3 4 5 6 7 8"};
    for (size_t i = 0; i < MU_COUNTOF(bad); i++) {
        mu_proc_cpu_parse(bad[i], 100, &c);
        assert_false(c.busy_s.is_known || c.steal_s.is_known || c.switches.is_known);
        assert_non_null(c.busy_s.why);
    }
    mu_proc_cpu_parse("cpu  1 2 3 4 5 6 7\n", 1, &c); /* before there was steal */
    assert_true(c.busy_s.is_known && !c.steal_s.is_known);
}

static void pressure_is_read(void **state) {
    (void)state;
    assert_true(is_near(mu_pressure_parse("some avg10=1.00 avg60=0.00 avg300=0.00 total=354\n"
                                          "full avg10=0.00 avg60=0.00 avg300=0.00 total=9\n"),
                        354));
    assert_true(is_near(mu_pressure_parse("full avg10=0 total=9\nsome avg10=0 total=5\n"), 5));
    static const char *const bad[] = {"", "some", "full total=9\n", "some avg10=1\nfull total=9\n",
                                      "some total=x\n"};
    for (size_t i = 0; i < MU_COUNTOF(bad); i++) {
        assert_false(mu_pressure_parse(bad[i]).is_known);
    }
}

static void two_readings_make_shares(void **state) {
    (void)state;
    mu_load_counters begin = {.at_ns = 1000000000,
                              .busy_s = mu_fact_of(10),
                              .idle_s = mu_fact_of(20),
                              .steal_s = mu_fact_of(1),
                              .stalled_cpu_us = mu_fact_of(100),
                              .throttled = mu_fact_of(4),
                              .frequency_mhz = mu_fact_unknown("no cpufreq")};
    mu_load_counters end = begin;
    end.at_ns = 3000000000;
    end.busy_s.value += 2;
    end.idle_s.value += 1.5;
    end.steal_s.value += 0.5;
    end.stalled_cpu_us.value += 500000;
    end.throttled.value += 1;
    mu_load_state s = mu_load_between(&begin, &end);
    assert_true(s.seconds == 2.0);
    assert_true(is_near(s.busy, 0.5) && is_near(s.steal, 0.125));
    assert_true(is_near(s.stalled_cpu, 0.25) && is_near(s.throttled, 1));
    assert_false(s.frequency_mhz.is_known || s.stalled_io.is_known);
    assert_string_equal(s.frequency_mhz.why, "no cpufreq");
    json_t *json = mu_load_state_json(&s);
    assert_true(json_real_value(json_object_get(json, "busy")) == 0.5);
    assert_true(json_is_null(json_object_get(json, "frequency_mhz")));
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(json, "unknown"), "frequency_mhz")),
        "no cpufreq");
    json_decref(json);

    end.idle_s.value = begin.idle_s.value - 0.1; /* went back */
    assert_true(is_near(mu_load_between(&begin, &end).busy, 2 / 2.4));
    end.steal_s.value = begin.steal_s.value;
    assert_true(is_near(mu_load_between(&begin, &end).busy, 1));
    end.idle_s.value = begin.idle_s.value + 1.5;
    end.steal_s.value = begin.steal_s.value + 0.5;
    s = mu_load_between(&begin, &begin);
    assert_false(s.busy.is_known || s.stalled_cpu.is_known);
    end.steal_s = begin.steal_s = mu_fact_unknown("none");
    s = mu_load_between(&begin, &end);
    assert_true(is_near(s.busy, 2 / 3.5) && !s.steal.is_known);
}

static void this_machine_has_a_load(void **state) {
    (void)state;
    mu_load_counters begin, end;
    mu_load_counters_read(&begin);
    uint64_t until_ns = mu_now_ns() + 100000000;
    while (mu_now_ns() < until_ns) { /* be busy */
    }
    mu_load_counters_read(&end);
    mu_load_state s = mu_load_between(&begin, &end);
    assert_true(s.busy.is_known && s.busy.value > 0.0 && s.busy.value <= 1.0);
    assert_true(s.seconds >= 0.1);
}

static mu_sampler *open_sampler(mu_sampler_options options) {
    mu_sampler *sampler = NULL;
    mu_err err = {0};
    if (mu_sampler_open(&options, &sampler, &err) != MU_OK) fail_msg("%s", err.text);
    return sampler;
}

static void wait_for_samples(mu_sampler *sampler, uint32_t n) {
    while (mu_sampler_get_facts(sampler).n_samples < n) {
        poll(NULL, 0, 1);
    }
}

static void samples_come_in_time_and_rollups_when_allowed(void **state) {
    (void)state;
    enum { CAP = 64 };
    static mu_load_sample samples[CAP];
    mu_sampler *sampler =
        open_sampler((mu_sampler_options){.root = getpid(), .fast_ms = 10, .slow_ms = 20});
    wait_for_samples(sampler, 8);
    mu_sampler_facts before = mu_sampler_get_facts(sampler);
    mu_sampler_allow_rollup(sampler, true);
    wait_for_samples(sampler, before.n_samples + 8);
    mu_sampler_allow_rollup(sampler, false);
    mu_sampler_facts during = mu_sampler_get_facts(sampler);
    wait_for_samples(sampler, during.n_samples + 8);
    uint32_t n = mu_sampler_copy(sampler, 0, samples, CAP);
    uint32_t n_rollups[3] = {0}, n_loads = 0;
    for (uint32_t i = 0; i < n; i++) {
        assert_true(samples[i].rss.is_known && samples[i].rss.value > 100000);
        assert_true(samples[i].cpu_s.is_known);
        if (i > 0) assert_true(samples[i].at_ns > samples[i - 1].at_ns);
        uint32_t part = i < before.n_samples ? 0 : i <= during.n_samples ? 1 : 2;
        if (samples[i].pss.is_known) {
            n_rollups[part]++;
            assert_true(samples[i].unreclaimable.is_known);
            assert_true(samples[i].pss.value <= samples[i].rss.value * 1.5);
        }
        n_loads += samples[i].busy.is_known;
    }
    print_message("%u samples, %u with load, rollups %u %u %u\n", n, n_loads, n_rollups[0],
                  n_rollups[1], n_rollups[2]);
    assert_true(n_rollups[0] == 0 && n_rollups[1] >= 1 && n_rollups[2] == 0);
    assert_true(n_loads >= 2);
    mu_sampler_facts f = mu_sampler_get_facts(sampler);
    assert_true(f.cpu_s > 0.0 && f.is_low_priority && !f.is_root_gone && f.n_dropped == 0);

    json_t *json = mu_sampler_json(sampler);
    size_t n_times = json_array_size(json_object_get(json, "at_ns"));
    assert_true(n_times >= n);
    assert_int_equal(json_array_size(json_object_get(json, "rss")), n_times);
    assert_true(json_is_null(json_array_get(json_object_get(json, "pss"), 0)));
    json_decref(json);
    mu_sampler_close(sampler);
}

static void a_full_series_drops_and_says_so(void **state) {
    (void)state;
    mu_sampler *sampler = open_sampler((mu_sampler_options){.fast_ms = 1, .n_samples_max = 3});
    while (mu_sampler_get_facts(sampler).n_dropped < 3) {
        poll(NULL, 0, 1);
    }
    static mu_load_sample samples[8];
    assert_int_equal(mu_sampler_copy(sampler, 0, samples, 8), 3);
    assert_int_equal(mu_sampler_copy(sampler, 2, samples, 8), 1);
    assert_int_equal(mu_sampler_copy(sampler, 9, samples, 8), 0);
    assert_false(samples[0].rss.is_known); /* no process was named */
    mu_sampler_close(sampler);
}

static void a_root_that_ends_is_noticed(void **state) {
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        for (;;) {
            poll(NULL, 0, -1);
        }
    }
    mu_sampler *sampler =
        open_sampler((mu_sampler_options){.root = child, .fast_ms = 5, .slow_ms = 5});
    wait_for_samples(sampler, 2);
    assert_false(mu_sampler_get_facts(sampler).is_root_gone);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    while (!mu_sampler_get_facts(sampler).is_root_gone) {
        poll(NULL, 0, 1);
    }
    mu_sampler_close(sampler);
}

static void a_sampler_that_was_stopped_has_a_gap(void **state) {
    (void)state;
    int ready[2];
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        char fd[16];
        snprintf(fd, sizeof(fd), "%d", ready[1]);
        execl("/proc/self/exe", "load_state_test", fd, (char *)NULL);
        _exit(9);
    }
    char byte;
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    kill(child, SIGSTOP);
    poll(NULL, 0, 400);
    kill(child, SIGCONT);
    int how;
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_int_equal(WEXITSTATUS(how), 0);
    close(ready[0]);
}

static int be_sampled(int ready_fd) {
    mu_sampler *sampler = NULL;
    mu_sampler_options options = {.root = getpid(), .fast_ms = 100};
    if (mu_sampler_open(&options, &sampler, NULL) != MU_OK) return 1;
    wait_for_samples(sampler, 1);
    uint32_t n_gaps = mu_sampler_get_facts(sampler).n_gaps;
    if (write(ready_fd, "r", 1) != 1) return 2;
    uint64_t end_ns = mu_now_ns() + 10000000000;
    mu_sampler_facts f;
    do {
        poll(NULL, 0, 2);
        f = mu_sampler_get_facts(sampler);
    } while (f.gap_s_max < 0.2 && mu_now_ns() < end_ns);
    mu_sampler_close(sampler);
    return f.n_gaps > n_gaps && f.gap_s_max >= 0.2 ? 0 : 3;
}

/* The reader is asked by the sampler's thread: the environment is set before it begins. */
static void a_gpu_is_sampled_when_one_is_named(void **state) {
    (void)state;
    static const struct {
        const char *what, *pci_bus_id, *fails;
        bool has_gpu, has_memory, has_busy;
    } rows[] = {
        {"all is told", "0000:01:00.0", "", true, true, true},
        {"not how busy it is", "0000:01:00.0", "nvmlDeviceGetUtilizationRates:3", true, true,
         false},
        {"no such GPU", "0000:02:00.0", "", false, false, false},
        {"none is named", NULL, "", false, false, false},
    };
    setenv("NVML_MEMORY_USED", "5000000000", 1);
    setenv("NVML_MEMORY_TOTAL", "80000000000", 1);
    setenv("NVML_UTILIZATION", "25", 1);
    setenv("NVML_PROCESSES", "self:4000000000 77:900000000", 1);
    for (size_t i = 0; i < MU_COUNTOF(rows); i++) {
        setenv("NVML_FAILS", rows[i].fails, 1);
        mu_sampler *sampler =
            open_sampler((mu_sampler_options){.root = getpid(),
                                              .fast_ms = 5,
                                              .slow_ms = 20,
                                              .gpu_pci_bus_id = rows[i].pci_bus_id,
                                              .nvml_library = NVML_EMULATED});
        wait_for_samples(sampler, 12);
        mu_load_sample samples[12];
        uint32_t n = mu_sampler_copy(sampler, 0, samples, 12), n_told = 0;
        assert_int_equal(mu_sampler_get_facts(sampler).has_gpu, rows[i].has_gpu);
        assert_true(samples[0].gpu_memory.is_known == rows[i].has_memory); /* the first is slow */
        assert_true(samples[0].gpu_process.is_known == rows[i].has_memory);
        assert_true(samples[0].gpu_busy.is_known == rows[i].has_busy);
        if (rows[i].has_memory) assert_true(is_near(samples[0].gpu_memory, 5e9));
        if (rows[i].has_memory) assert_true(is_near(samples[0].gpu_process, 4e9));
        if (rows[i].has_busy) assert_true(is_near(samples[0].gpu_busy, 0.25));
        for (uint32_t k = 0; k < n; k++) {
            n_told += samples[k].gpu_memory.is_known;
            if (!samples[k].gpu_memory.is_known) assert_non_null(samples[k].gpu_memory.why);
        }
        assert_true(rows[i].has_memory ? n_told >= 2 : n_told == 0);
        json_t *json = mu_sampler_json(sampler);
        assert_true((json_object_get(json, "gpu_memory") != NULL) == rows[i].has_gpu);
        assert_true((json_object_get(json, "gpu_busy") != NULL) == rows[i].has_gpu);
        json_decref(json);
        mu_sampler_close(sampler);
    }
}

static void failed_open_leaks_nothing(void **state) {
    (void)state;
    int64_t n_alive = mu_alloc_n_alive();
    mu_sampler_options options = {0};
    mu_sampler *sampler = NULL;
    for (int n = 0; n < 2; n++) {
        mu_alloc_fail_after(n);
        assert_int_equal(mu_sampler_open(&options, &sampler, NULL), MU_ERR_NOMEM);
    }
    assert_null(sampler);
    assert_int_equal(mu_alloc_n_alive(), n_alive);
    mu_sampler_close(NULL);
}

int main(int argc, char **argv) {
    if (argc == 2) return be_sampled((int)strtol(argv[1], NULL, 10));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(proc_stat_is_read),
        cmocka_unit_test(pressure_is_read),
        cmocka_unit_test(two_readings_make_shares),
        cmocka_unit_test(this_machine_has_a_load),
        cmocka_unit_test(samples_come_in_time_and_rollups_when_allowed),
        cmocka_unit_test(a_full_series_drops_and_says_so),
        cmocka_unit_test(a_root_that_ends_is_noticed),
        cmocka_unit_test(a_sampler_that_was_stopped_has_a_gap),
        cmocka_unit_test(a_gpu_is_sampled_when_one_is_named),
        cmocka_unit_test(failed_open_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
