/* The reader against a library that stands for NVML (tests/cuda/nvml_emulated.c). */
#include "backend/gpu_usage.h"

#include <dlfcn.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"

static const char bus_id[] = "0000:01:00.0";

static const char *const names[] = {"NVML_PCI_BUS_ID",  "NVML_MEMORY_USED", "NVML_MEMORY_TOTAL",
                                    "NVML_UTILIZATION", "NVML_POWER",       "NVML_TEMPERATURE",
                                    "NVML_PROCESSES",   "NVML_FAILS"};

static int set_usual(void **state) {
    (void)state;
    for (size_t i = 0; i < MU_COUNTOF(names); i++) {
        unsetenv(names[i]);
    }
    setenv("NVML_MEMORY_USED", "5368709120", 1);
    setenv("NVML_MEMORY_TOTAL", "85899345920", 1);
    setenv("NVML_UTILIZATION", "37", 1);
    setenv("NVML_POWER", "412345", 1);
    setenv("NVML_TEMPERATURE", "61", 1);
    setenv("NVML_PROCESSES", "17:1000 self:4294967296 18:2000", 1);
    return 0;
}

static mu_gpu_usage_options usual(void) {
    return (mu_gpu_usage_options){.pci_bus_id = bus_id, .library = NVML_EMULATED};
}

static mu_gpu_usage_reader *must_open(const mu_gpu_usage_options *options) {
    mu_gpu_usage_reader *reader = NULL;
    mu_err err = {0};
    if (mu_gpu_usage_open(options, &reader, &err) != MU_OK) fail_msg("%s", err.text);
    return reader;
}

static mu_gpu_usage read_once(const mu_gpu_usage_options *options) {
    mu_gpu_usage_reader *reader = must_open(options);
    mu_gpu_usage usage = {0};
    mu_err err = {0};
    if (mu_gpu_usage_read(reader, &usage, &err) != MU_OK) fail_msg("%s", err.text);
    mu_gpu_usage_close(reader);
    return usage;
}

static void all_values_are_told(void **state) {
    (void)state;
    mu_gpu_usage_options options = usual();
    mu_gpu_usage u = read_once(&options);
    assert_int_equal(u.memory_used_bytes, 5368709120);
    assert_int_equal(u.memory_total_bytes, 85899345920);
    assert_int_equal(u.process_bytes, 4294967296);
    assert_true(u.utilization_percent == 37);
    assert_true(fabs(u.power_w - 412.345) < 1e-9);
    assert_true(u.temperature_c == 61);
    options.pid = 18;
    assert_int_equal(read_once(&options).process_bytes, 2000);
}

static void every_reading_is_fresh(void **state) {
    (void)state;
    setenv("NVML_UTILIZATION", "0 100 5", 1);
    mu_gpu_usage_options options = usual();
    mu_gpu_usage_reader *reader = must_open(&options);
    static const double expected[] = {0, 100, 5, 5};
    for (size_t i = 0; i < MU_COUNTOF(expected); i++) {
        mu_gpu_usage u;
        assert_int_equal(mu_gpu_usage_read(reader, &u, NULL), MU_OK);
        assert_true(u.utilization_percent == expected[i]);
    }
    mu_gpu_usage_close(reader);
}

static void a_process_that_is_not_told_has_zero(void **state) {
    (void)state;
    static const struct {
        const char *what, *processes;
        uint64_t bytes;
    } rows[] = {
        {"nobody uses the GPU", "", 0},
        {"others do", "17:1000 18:2000", 0},
        {"its bytes are not available", "17:1000 self:-", 0},
        {"once for each GPU instance", "self:1000 17:5 self:20", 1020},
    };
    mu_gpu_usage_options options = usual();
    for (size_t i = 0; i < MU_COUNTOF(rows); i++) {
        setenv("NVML_PROCESSES", rows[i].processes, 1);
        mu_gpu_usage u = read_once(&options);
        if (u.process_bytes != rows[i].bytes) print_error("%s\n", rows[i].what);
        assert_int_equal(u.process_bytes, rows[i].bytes);
        assert_int_equal(u.memory_used_bytes, 5368709120);
    }
}

static void many_processes_are_read(void **state) {
    (void)state;
    char text[8192];
    size_t n = 0;
    for (int i = 0; i < 500; i++) {
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%d:%d ", 100000 + i, i);
    }
    snprintf(text + n, sizeof(text) - n, "self:777");
    setenv("NVML_PROCESSES", text, 1);
    mu_gpu_usage_options options = usual();
    assert_int_equal(read_once(&options).process_bytes, 777);

    mu_gpu_usage_reader *reader = must_open(&options);
    mu_gpu_usage u;
    mu_alloc_fail_after(0);
    assert_int_equal(mu_gpu_usage_read(reader, &u, NULL), MU_OK);
    mu_alloc_fail_after(-1);
    assert_int_equal(u.process_bytes, 0);
    assert_int_equal(u.memory_total_bytes, 85899345920);
    assert_int_equal(mu_gpu_usage_read(reader, &u, NULL), MU_OK);
    assert_int_equal(u.process_bytes, 777);
    mu_gpu_usage_close(reader);
}

/* Which values a reading has, as bits. */
enum { MEMORY = 1, UTILIZATION = 2, POWER = 4, TEMPERATURE = 8, PROCESS = 16, ALL = 31 };

static int told(const mu_gpu_usage *u) {
    return (u->memory_total_bytes > 0 ? MEMORY : 0) |
           (isnan(u->utilization_percent) ? 0 : UTILIZATION) | (isnan(u->power_w) ? 0 : POWER) |
           (isnan(u->temperature_c) ? 0 : TEMPERATURE) | (u->process_bytes > 0 ? PROCESS : 0);
}

static void what_fails_is_unknown_and_the_rest_is_told(void **state) {
    (void)state;
    static const struct {
        const char *fails;
        int lost;
    } rows[] = {
        {"nvmlDeviceGetMemoryInfo:3", MEMORY},
        {"nvmlDeviceGetUtilizationRates:3", UTILIZATION},
        {"nvmlDeviceGetPowerUsage:3", POWER},
        {"nvmlDeviceGetTemperatureV:26", 0}, /* the older function tells it */
        {"nvmlDeviceGetTemperatureV:3 nvmlDeviceGetTemperature:3", TEMPERATURE},
        {"nvmlDeviceGetComputeRunningProcesses_v3:4", PROCESS},
        {"nvmlDeviceGetComputeRunningProcesses_v3:7", PROCESS}, /* never enough room */
        {"nvmlDeviceGetMemoryInfo:999 nvmlDeviceGetPowerUsage:999", MEMORY | POWER},
    };
    mu_gpu_usage_options options = usual();
    for (size_t i = 0; i < MU_COUNTOF(rows); i++) {
        setenv("NVML_FAILS", rows[i].fails, 1);
        mu_gpu_usage u = read_once(&options);
        if (told(&u) != (ALL & ~rows[i].lost)) print_error("%s\n", rows[i].fails);
        assert_int_equal(told(&u), ALL & ~rows[i].lost);
    }
}

static void a_gpu_that_tells_nothing_is_an_error(void **state) {
    (void)state;
    mu_gpu_usage_options options = usual();
    mu_gpu_usage_reader *reader = must_open(&options);
    setenv("NVML_FAILS",
           "nvmlDeviceGetMemoryInfo:15 nvmlDeviceGetUtilizationRates:15 nvmlDeviceGetPowerUsage:15 "
           "nvmlDeviceGetTemperatureV:15 nvmlDeviceGetTemperature:15 "
           "nvmlDeviceGetComputeRunningProcesses_v3:15",
           1);
    mu_gpu_usage u = {.process_bytes = 5};
    mu_err err = {0};
    assert_int_equal(mu_gpu_usage_read(reader, &u, &err), MU_ERR_DEVICE);
    assert_string_equal(err.text, "GPU 0000:01:00.0: NVML tells nothing: GPU is lost");
    assert_int_equal(u.process_bytes, 5);
    unsetenv("NVML_FAILS");
    assert_int_equal(mu_gpu_usage_read(reader, &u, &err), MU_OK); /* it came back */
    mu_gpu_usage_close(reader);
}

static void a_library_without_some_functions_will_do(void **state) {
    (void)state;
    mu_gpu_usage_options options = usual();
    options.library = NVML_WITHOUT_SOME;
    mu_gpu_usage u = read_once(&options);
    assert_int_equal(told(&u), MEMORY | UTILIZATION | TEMPERATURE);
    assert_true(u.temperature_c == 61);
    setenv("NVML_FAILS", "nvmlDeviceGetTemperature:3", 1);
    u = read_once(&options);
    assert_int_equal(told(&u), MEMORY | UTILIZATION);
}

static void what_cannot_open_says_why(void **state) {
    (void)state;
    static const struct {
        const char *library, *pci_bus_id, *fails, *text;
    } rows[] = {
        {"/no/such/libnvidia-ml.so", bus_id, "", "/no/such/libnvidia-ml.so"},
        {"libm.so.6", bus_id, "", "GPU 0000:01:00.0: libm.so.6 has no nvmlInit_v2"},
        {NVML_EMULATED, bus_id, "nvmlInit_v2:9",
         "GPU 0000:01:00.0: NVML does not start: Driver Not Loaded"},
        {NVML_EMULATED, "0000:02:00.0", "", "GPU 0000:02:00.0: NVML: Not Found"},
        {NVML_EMULATED, "", "", "GPU : NVML: Not Found"},
        {NVML_EMULATED, bus_id, "nvmlDeviceGetHandleByPciBusId_v2:4",
         "GPU 0000:01:00.0: NVML: Insufficient Perms"},
    };
    for (size_t i = 0; i < MU_COUNTOF(rows); i++) {
        mu_gpu_usage_options options = {.pci_bus_id = rows[i].pci_bus_id,
                                        .library = rows[i].library};
        mu_gpu_usage_reader *reader = NULL;
        mu_err err = {0};
        setenv("NVML_FAILS", rows[i].fails, 1);
        assert_int_equal(mu_gpu_usage_open(&options, &reader, &err), MU_ERR_UNSUPPORTED);
        if (!strstr(err.text, rows[i].text)) fail_msg("%s", err.text);
        assert_null(reader);
    }
}

/* Opened or not: nothing is kept, and what was started is shut down. */
static void nothing_is_left_behind(void **state) {
    (void)state;
    static const char *const fails[] = {"", "nvmlInit_v2:9", "nvmlDeviceGetHandleByPciBusId_v2:6"};
    mu_gpu_usage_options options = usual();
    int64_t n_alive = mu_alloc_n_alive();
    void *library = dlopen(NVML_EMULATED, RTLD_NOW | RTLD_LOCAL);
    int (*n_inits)(void);
    *(void **)&n_inits = dlsym(library, "nvml_emulated_n_inits");
    for (size_t i = 0; i < MU_COUNTOF(fails); i++) {
        mu_gpu_usage_reader *reader = NULL;
        setenv("NVML_FAILS", fails[i], 1);
        mu_status status = mu_gpu_usage_open(&options, &reader, NULL);
        assert_int_equal(status == MU_OK, i == 0);
        assert_int_equal(n_inits(), i == 0);
        mu_gpu_usage_close(reader);
        assert_int_equal(n_inits(), 0);
    }
    unsetenv("NVML_FAILS");
    for (int n = 0; n < 2; n++) {
        mu_gpu_usage_reader *reader = NULL;
        mu_alloc_fail_after(n);
        assert_int_equal(mu_gpu_usage_open(&options, &reader, NULL), MU_ERR_NOMEM);
        mu_alloc_fail_after(-1);
        assert_null(reader);
    }
    mu_gpu_usage_close(NULL);
    assert_int_equal(n_inits(), 0);
    dlclose(library);
    assert_null(dlopen(NVML_EMULATED, RTLD_NOW | RTLD_NOLOAD));
    assert_int_equal(mu_alloc_n_alive(), n_alive);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(all_values_are_told, set_usual),
        cmocka_unit_test_setup(every_reading_is_fresh, set_usual),
        cmocka_unit_test_setup(a_process_that_is_not_told_has_zero, set_usual),
        cmocka_unit_test_setup(many_processes_are_read, set_usual),
        cmocka_unit_test_setup(what_fails_is_unknown_and_the_rest_is_told, set_usual),
        cmocka_unit_test_setup(a_gpu_that_tells_nothing_is_an_error, set_usual),
        cmocka_unit_test_setup(a_library_without_some_functions_will_do, set_usual),
        cmocka_unit_test_setup(what_cannot_open_says_why, set_usual),
        cmocka_unit_test_setup(nothing_is_left_behind, set_usual),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
