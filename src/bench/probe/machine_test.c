/* Facts of made-up machines under a temporary root, of this one, and the page cache. */
#include "bench/probe/machine.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "bench/probe/page_cache.h"

static char root[64];

/* Folders on the way are made as needed. */
static void make_file(const char *path, const char *text) {
    char full[512];
    int n_root = snprintf(full, sizeof(full), "%s", root);
    snprintf(full + n_root, sizeof(full) - (size_t)n_root, "%s", path);
    for (char *slash = full + n_root + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        mkdir(full, 0700);
        *slash = '/';
    }
    FILE *file = fopen(full, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void make_root(void) {
    snprintf(root, sizeof(root), "/tmp/muai-machine-XXXXXX");
    assert_non_null(mkdtemp(root));
}

static void remove_root(void) {
    char command[128];
    snprintf(command, sizeof(command), "rm -rf '%s'", root);
    assert_int_equal(system(command), 0);
}

static void a_machine_that_tells_all_is_read(void **state) {
    (void)state;
    static const char *const files[][2] = {
        {"/proc/cpuinfo", "processor : 0\nvendor_id\t: GenuineIntel\nmodel name\t: Xeon 9\n"
                          "microcode\t: 0x2b\nflags\t\t: fpu avx avx2 avx512f avx512_vnni "
                          "amx_tile avx512fish\n"},
        {"/proc/self/status", "Name: x\nCpus_allowed_list:\t0-2\n"},
        {"/proc/meminfo", "MemTotal: 1000 kB\nMemAvailable: 600 kB\nSwapTotal: 0 kB\n"},
        {"/proc/sys/kernel/osrelease", "6.1.0\n"},
        {"/proc/sys/kernel/randomize_va_space", "2\n"},
        {"/proc/cmdline", "a"},
        {"/etc/os-release", "NAME=\"x\"\nPRETTY_NAME=\"Some Linux 1\"\n"},
        {"/sys/devices/system/cpu/online", "0-3,8\n"},
        {"/sys/devices/system/node/online", "0-1\n"},
        {"/sys/devices/system/cpu/smt/control", "on\n"},
        {"/sys/devices/system/cpu/cpu0/topology/thread_siblings_list", "0,2\n"},
        {"/sys/devices/system/cpu/cpu0/topology/core_siblings_list", "0-3\n"},
        {"/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "performance\n"},
        {"/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq", "3500000\n"},
        {"/sys/devices/system/cpu/intel_pstate/no_turbo", "1\n"},
        {"/sys/devices/system/cpu/cpu0/cache/index0/level", "1\n"},
        {"/sys/devices/system/cpu/cpu0/cache/index0/type", "Data\n"},
        {"/sys/devices/system/cpu/cpu0/cache/index0/size", "48K\n"},
        {"/sys/devices/system/cpu/cpu0/cache/index1/level", "1\n"},
        {"/sys/devices/system/cpu/cpu0/cache/index1/type", "Instruction\n"},
        {"/sys/devices/system/cpu/cpu0/cache/index1/size", "32K\n"},
        {"/sys/devices/system/cpu/cpu0/cache/index3/level", "3\n"},
        {"/sys/devices/system/cpu/cpu0/cache/index3/type", "Unified\n"},
        {"/sys/devices/system/cpu/cpu0/cache/index3/size", "2M\n"},
        {"/sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n"},
        {"/sys/class/dmi/id/sys_vendor", "Maker\n"},
        {"/sys/class/dmi/id/product_name", "Box 3000\n"},
        {"/sys/fs/cgroup/cgroup.controllers", "cpu memory\n"},
        {"/proc/self/cgroup", "0::/a\n"},
        {"/sys/fs/cgroup/a/cpu.max", "150000 100000\n"},
        {"/sys/fs/cgroup/a/memory.max", "65536\n"},
    };
    make_root();
    for (size_t i = 0; i < MU_COUNTOF(files); i++) {
        make_file(files[i][0], files[i][1]);
    }
    static mu_machine m;
    mu_machine_read_from(root, &m);
    remove_root();
    assert_string_equal(m.cpu_model.text, "Xeon 9");
    assert_string_equal(m.cpu_vendor.text, "GenuineIntel");
    assert_string_equal(m.cpu_flags.text, "avx avx2 avx512f avx512_vnni amx_tile");
    assert_string_equal(m.microcode.text, "0x2b");
    assert_string_equal(m.virtualization.text, "bare metal");
    assert_true(m.n_cpus_online.value == 5 && m.n_numa_nodes.value == 2);
    assert_true(m.n_cores.value == 1 && m.n_sockets.value == 1);
    assert_string_equal(m.cpus_allowed.text, "0-2");
    assert_string_equal(m.smt.text, "on");
    assert_string_equal(m.governor.text, "performance");
    assert_string_equal(m.turbo.text, "off");
    assert_true(m.frequency_max_mhz.value == 3500);
    assert_true(m.cache_l1d_bytes.value == 48 * 1024 && m.cache_l3_bytes.value == 2 << 20);
    assert_false(m.cache_l2_bytes.is_known);
    assert_string_equal(m.os.text, "Some Linux 1");
    assert_string_equal(m.kernel.text, "6.1.0");
    assert_string_equal(m.kernel_command_line_hash.text, "af63dc4c8601ec8c"); /* FNV-1a of "a" */
    assert_string_equal(m.thp.text, "madvise");
    assert_string_equal(m.dmi.text, "Maker Box 3000");
    assert_true(m.memory_bytes.value == 1024000 && m.swap_bytes.value == 0);
    assert_true(m.aslr.value == 2 && !m.swappiness.is_known);
    assert_true(m.cgroup_version.value == 2 && m.cgroup_cpus.value == 1.5);
    assert_true(m.cgroup_memory_bytes.value == 65536);
}

static void a_machine_that_tells_nothing_is_unknown(void **state) {
    (void)state;
    make_root();
    static mu_machine m;
    mu_machine_read_from(root, &m);
    remove_root();
    json_t *json = mu_machine_json(&m), *unknown = json_object_get(json, "unknown");
    static const char *const names[] = {
        "cpu_model",
        "cpu_flags",
        "microcode",
        "smt",
        "governor",
        "turbo",
        "kernel",
        "os",
        "thp",
        "virtualization",
        "dmi",
        "n_cpus_online",
        "n_cores",
        "frequency_max_mhz",
        "cache_l2_bytes",
        "memory_bytes",
        "swap_bytes",
        "cgroup_version",
        "cgroup_cpus",
        "cgroup_memory_bytes",
    };
    for (size_t i = 0; i < MU_COUNTOF(names); i++) {
        json_t *value = json_object_get(json, names[i]);
        if (!json_is_null(value)) print_message("row: %s\n", names[i]);
        assert_true(json_is_null(value));
        assert_true(json_is_string(json_object_get(unknown, names[i])));
    }
    assert_string_equal(json_string_value(json_object_get(unknown, "cgroup_cpus")), "no limit");
    json_decref(json);
}

static void this_machine_tells_something(void **state) {
    (void)state;
    setenv("MUAI_MACHINE_TEST", "secret", 1);
    static mu_machine m;
    mu_machine_read(&m);
    assert_true(m.n_cpus_allowed.is_known && m.n_cpus_allowed.value >= 1);
    assert_true(m.memory_bytes.value > 1e6 && m.kernel.is_known && m.libc.is_known);
    json_t *json = mu_machine_json(&m);
    char *text = json_dumps(json, 0);
    assert_non_null(strstr(text, "MUAI_MACHINE_TEST"));
    assert_null(strstr(text, "secret")); /* names only */
    mu_free(text);
    json_decref(json);
}

static void a_file_can_be_warm_and_cold(void **state) {
    (void)state;
    enum { BYTES = 8 << 20 };
    char path[] = "/var/tmp/muai-page-cache-XXXXXX";
    int fd = mkstemp(path);
    char *data = mu_alloc(BYTES);
    assert_true(fd >= 0 && data);
    assert_int_equal(write(fd, data, BYTES), BYTES);
    mu_free(data);
    mu_page_cache cache;
    mu_err err = {0};
    assert_int_equal(mu_page_cache_read(path, &cache, &err), MU_OK);
    assert_int_equal(cache.n_pages, BYTES / sysconf(_SC_PAGESIZE));
    assert_true(cache.percent > 99.0); /* just written */
    mu_status status = mu_page_cache_drop(path, &cache, &err);
    if (status == MU_ERR_BUSY && cache.percent > 99.0) {
        unlink(path);
        close(fd);
        skip(); /* a file system in memory */
    }
    assert_int_equal(status, MU_OK);
    assert_true(cache.percent < 1.0);
    char byte;
    assert_int_equal(pread(fd, &byte, 1, BYTES / 2), 1);
    assert_int_equal(mu_page_cache_read(path, &cache, &err), MU_OK);
    assert_true(cache.n_resident >= 1);
    assert_int_equal(mu_page_cache_warm(path, &cache, &err), MU_OK);
    assert_true(cache.percent == 100.0);

    /* What somebody has mapped and touched stays, and that is said. */
    volatile char *map = mmap(NULL, BYTES, PROT_READ, MAP_SHARED, fd, 0);
    assert_true(map != MAP_FAILED);
    for (size_t i = 0; i < BYTES; i += 4096) {
        (void)map[i];
    }
    assert_int_equal(mu_page_cache_drop(path, &cache, &err), MU_ERR_BUSY);
    assert_non_null(strstr(err.text, path));
    assert_true(cache.percent >= 1.0);
    munmap((void *)(uintptr_t)map, BYTES);
    unlink(path);
    close(fd);
}

static void files_without_pages_and_no_files(void **state) {
    (void)state;
    mu_page_cache cache;
    mu_err err;
    assert_int_equal(mu_page_cache_read("/no/such/file", &cache, &err), MU_ERR_IO);
    assert_non_null(strstr(err.text, "/no/such/file"));
    assert_int_equal(mu_page_cache_drop("/no/such/file", &cache, &err), MU_ERR_IO);
    assert_int_equal(mu_page_cache_read("/tmp", &cache, &err), MU_ERR_INVALID);
    char path[] = "/tmp/muai-page-cache-XXXXXX";
    close(mkstemp(path));
    assert_int_equal(mu_page_cache_drop(path, &cache, &err), MU_OK);
    assert_true(cache.n_pages == 0 && cache.percent == 100.0);
    unlink(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_machine_that_tells_all_is_read),
        cmocka_unit_test(a_machine_that_tells_nothing_is_unknown),
        cmocka_unit_test(this_machine_tells_something),
        cmocka_unit_test(a_file_can_be_warm_and_cold),
        cmocka_unit_test(files_without_pages_and_no_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
