/* Facts read from small trees of files under a temporary root, and from the real machine. */
#include "base/cpu.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

typedef struct fixture_file {
    const char *path, *text;
} fixture_file;

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

static mu_cpu_facts facts_of(const fixture_file *files, size_t n) {
    char command[128];
    mu_cpu_facts facts;
    snprintf(root, sizeof(root), "/tmp/muai-cpu-XXXXXX");
    assert_non_null(mkdtemp(root));
    for (size_t i = 0; i < n && files[i].path; i++) {
        make_file(files[i].path, files[i].text);
    }
    mu_cpu_facts_read_from(root, &facts);
    snprintf(command, sizeof(command), "rm -rf '%s'", root);
    assert_int_equal(system(command), 0);
    return facts;
}

static void the_tightest_limit_counts(void **state) {
    (void)state;
    static const struct {
        const char *what;
        fixture_file files[5];
        double quota;
        uint64_t memory_limit;
    } rows[] = {
        {"nothing to read", {{0}}, 0, 0},
        {"version 2, own group",
         {{"/proc/self/cgroup", "0::/a/b\n"},
          {"/sys/fs/cgroup/a/b/cpu.max", "150000 100000\n"},
          {"/sys/fs/cgroup/a/b/memory.max", "1048576\n"}},
         1.5,
         1048576},
        {"version 2, an ancestor is tighter",
         {{"/proc/self/cgroup", "0::/a/b\n"},
          {"/sys/fs/cgroup/a/b/cpu.max", "max 100000\n"},
          {"/sys/fs/cgroup/a/cpu.max", "50000 100000\n"},
          {"/sys/fs/cgroup/a/memory.max", "4096\n"},
          {"/sys/fs/cgroup/a/b/memory.max", "max\n"}},
         0.5,
         4096},
        {"version 2, the root itself (a container)",
         {{"/proc/self/cgroup", "0::/\n"}, {"/sys/fs/cgroup/cpu.max", "200000 100000\n"}},
         2,
         0},
        {"version 1",
         {{"/proc/self/cgroup", "4:memory:/x\n3:cpu,cpuacct:/x\n2:cpuset:/x\n"},
          {"/sys/fs/cgroup/cpu/x/cpu.cfs_quota_us", "25000\n"},
          {"/sys/fs/cgroup/cpu/x/cpu.cfs_period_us", "100000\n"},
          {"/sys/fs/cgroup/memory/x/memory.limit_in_bytes", "8192\n"}},
         0.25,
         8192},
        {"version 1, mounted together",
         {{"/proc/self/cgroup", "4:memory:/x\n3:cpuacct,cpu:/x\n"},
          {"/sys/fs/cgroup/cpuacct,cpu/x/cpu.cfs_quota_us", "50000\n"},
          {"/sys/fs/cgroup/cpuacct,cpu/x/cpu.cfs_period_us", "100000\n"}},
         0.5,
         0},
        {"version 1 without limits",
         {{"/proc/self/cgroup", "4:memory:/\n3:cpu,cpuacct:/\n"},
          {"/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n"},
          {"/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"}},
         0,
         0},
        {"garbage",
         {{"/proc/self/cgroup", "::::\nx\n0:/\n"}, {"/sys/fs/cgroup/cpu.max", "many\n"}},
         0,
         0},
    };
    for (size_t r = 0; r < MU_COUNTOF(rows); r++) {
        mu_cpu_facts facts = facts_of(rows[r].files, MU_COUNTOF(rows[r].files));
        if (facts.quota != rows[r].quota || facts.memory_limit_bytes != rows[r].memory_limit) {
            fail_msg("%s: quota %g, memory %llu", rows[r].what, facts.quota,
                     (unsigned long long)facts.memory_limit_bytes);
        }
        assert_true(facts.n_usable >= 1);
        assert_true(facts.quota == 0.0 || facts.quota >= facts.n_online ||
                    strcmp(facts.limited_by, "cgroup quota") == 0 || facts.n_online == 1);
    }
}

static void memory_and_name_are_read(void **state) {
    (void)state;
    static const fixture_file files[] = {
        {"/proc/meminfo", "MemTotal:  1000 kB\nMemFree: 1 kB\nMemAvailable:   600 kB\n"},
        {"/proc/cpuinfo", "processor\t: 0\nmodel name\t: Some CPU 3000\nflags\t: x\n"},
        {"/proc/self/cgroup", "0::/g\n"},
        {"/sys/fs/cgroup/g/memory.max", "409600\n"},
        {"/sys/fs/cgroup/g/memory.current", "102400\n"},
    };
    mu_cpu_facts facts = facts_of(files, MU_COUNTOF(files));
    assert_string_equal(facts.name, "Some CPU 3000");
    assert_int_equal(facts.memory_bytes, 1000 << 10);
    assert_int_equal(facts.memory_available_bytes, 307200); /* what the group has left is less */
}

static void this_machine_makes_sense(void **state) {
    (void)state;
    mu_cpu_facts facts;
    mu_cpu_facts_read(&facts);
    assert_in_range(facts.n_usable, 1, facts.n_online);
    assert_true(facts.memory_available_bytes <= facts.memory_bytes);
    assert_true(mu_memory_peak_bytes() >= mu_memory_resident_bytes() / 2);
    assert_true(mu_memory_resident_bytes() > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_tightest_limit_counts),
        cmocka_unit_test(memory_and_name_are_read),
        cmocka_unit_test(this_machine_makes_sense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
