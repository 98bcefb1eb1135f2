#include "bench/probe/process.h"

#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "bench/probe/machine.h"

enum { MIB = 1 << 20, BLOCK_BYTES = 64 * MIB };

/* Sanitizers keep memory about memory: what is measured is mapped and touched behind their backs,
 * and a fork costs them something of their own. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define UNSEEN __attribute__((no_sanitize("address", "thread"), noinline))
static const double TOLERANCE = 0.05;
#else
#define UNSEEN
static const double TOLERANCE = 0.01;
#endif

static char *map_unseen(size_t bytes, int flags, int fd) {
    long at = syscall(SYS_mmap, NULL, bytes, PROT_READ | PROT_WRITE, flags, fd, 0);
    return at == -1 ? NULL : (char *)(uintptr_t)at;
}

UNSEEN static void write_pages(char *block, size_t bytes) {
    for (size_t i = 0; i < bytes; i += 4096) {
        ((volatile char *)block)[i] = 1;
    }
}

static const char ROLLUP[] = "562ee52b2000-7ffc78ba5000 ---p 00000000 00:00 0   [rollup]\n"
                             "Rss:                1648 kB\n"
                             "Pss:                 900 kB\n"
                             "Pss_Dirty:           350 kB\n"
                             "Pss_Anon:            200 kB\n"
                             "Pss_File:            660 kB\n"
                             "Pss_Shmem:            40 kB\n"
                             "Shared_Clean:       1000 kB\n"
                             "Shared_Dirty:         30 kB\n"
                             "Private_Clean:        60 kB\n"
                             "Private_Dirty:       340 kB\n"
                             "Anonymous:           210 kB\n"
                             "LazyFree:             10 kB\n"
                             "AnonHugePages:         0 kB\n"
                             "Private_Hugetlb:       4 kB\n"
                             "Swap:                  9 kB\n"
                             "SwapPss:               7 kB\n";

static bool is_kb(mu_fact fact, double kb) {
    return fact.is_known && fact.value == kb * 1024;
}

static void rollup_is_read(void **state) {
    (void)state;
    mu_process_memory m;
    mu_smaps_rollup_parse(ROLLUP, &m);
    assert_true(is_kb(m.rss, 1648) && is_kb(m.pss, 900) && is_kb(m.pss_dirty, 350));
    assert_true(is_kb(m.pss_anon, 200) && is_kb(m.pss_file, 660) && is_kb(m.pss_shmem, 40));
    assert_true(is_kb(m.swap, 9) && is_kb(m.swap_pss, 7) && is_kb(m.anon_huge, 0));
    assert_true(is_kb(m.uss, 60 + 340 + 4));
    assert_true(is_kb(m.unreclaimable, 350 + 7 + 4)); /* 110 of dirty files among them */
}

static void what_a_rollup_does_not_tell_is_unknown(void **state) {
    (void)state;
    static const char *const texts[] = {"",
                                        "Rss",
                                        "Rss:\n",
                                        "Rss: kB\n",
                                        "Rss: -5 kB\n",
                                        "Rss: x1 kB\n",
                                        "XRss: 5 kB\n",
                                        "Rss : 5 kB\n",
                                        "Rss: 5k kB\n"};
    for (size_t i = 0; i < MU_COUNTOF(texts); i++) {
        mu_process_memory m;
        mu_smaps_rollup_parse(texts[i], &m);
        if (m.rss.is_known) print_message("row: %s\n", texts[i]);
        assert_false(m.rss.is_known);
        assert_non_null(m.rss.why);
        assert_false(m.unreclaimable.is_known);
        assert_false(m.uss.is_known);
    }
    json_t *json;
    mu_process_memory m;
    mu_smaps_rollup_parse("Rss: 5 kB\n", &m);
    json = mu_process_memory_json(&m);
    assert_int_equal(json_integer_value(json_object_get(json, "rss")), 5120);
    assert_true(json_is_null(json_object_get(json, "pss")));
    assert_true(json_is_string(json_object_get(json_object_get(json, "unknown"), "pss")));
    json_decref(json);
}

static void old_kernels_without_pss_dirty_take_private_dirty(void **state) {
    (void)state;
    mu_process_memory m;
    mu_smaps_rollup_parse("Pss_Anon: 200 kB\nPss_Shmem: 40 kB\nPrivate_Dirty: 300 kB\n"
                          "SwapPss: 7 kB\n",
                          &m);
    assert_true(is_kb(m.unreclaimable, 307));
    mu_smaps_rollup_parse("Pss_Anon: 400 kB\nPss_Shmem: 40 kB\nPrivate_Dirty: 300 kB\n"
                          "SwapPss: 7 kB\n",
                          &m);
    assert_true(is_kb(m.unreclaimable, 447)); /* shared anonymous memory is kept, too */
}

static void regions_are_summed_by_name(void **state) {
    (void)state;
    static const char smaps[] = "1000-2000 r--p 00000000 fe:00 248030    /m/model.gguf\n"
                                "Size: 4 kB\nRss: 3 kB\nPss: 2 kB\nVmFlags: rd mr\n"
                                "2000-3000 rw-p 00000000 00:00 0 \n"
                                "Size: 8 kB\nRss: 8 kB\n"
                                "3000-4000 rw-p 00000000 00:00 0    [anon:muai-kv]\n"
                                "Size: 16 kB\nRss: 10 kB\nAnonymous: 10 kB\n"
                                "4000-5000 rw-p 00000000 00:00 0    [anon:muai-weights]\n"
                                "Size: 32 kB\nRss: 32 kB\n"
                                "5000-6000 r--p 00001000 fe:00 248030    /m/model.gguf (deleted)\n"
                                "Size: 64 kB\nRss: 1 kB\nPss: 1 kB\n";
    static const struct {
        const char *name;
        uint32_t n;
        double size_kb, rss_kb;
    } rows[] = {
        {"/m/model.gguf", 2, 68, 4}, {"[anon:muai-kv]", 1, 16, 10},
        {"[anon:muai-*", 2, 48, 42}, {"", 1, 8, 8},
        {"/m/model", 0, 0, 0},       {"*", 5, 124, 54},
    };
    for (size_t i = 0; i < MU_COUNTOF(rows); i++) {
        mu_process_region region;
        mu_smaps_region_parse(smaps, rows[i].name, &region);
        if (region.n != rows[i].n) print_message("row: %s\n", rows[i].name);
        assert_int_equal(region.n, rows[i].n);
        assert_true(is_kb(region.size, rows[i].size_kb) && is_kb(region.rss, rows[i].rss_kb));
    }
    static const char *const malformed[] = {"",
                                            "\n\n",
                                            "zzzz-1 x\n",
                                            "1000-2000\n",
                                            "Rss: 5 kB\n",
                                            "1000-2000 r--p 00000000 fe:00\nRss: 5 kB"};
    for (size_t i = 0; i < MU_COUNTOF(malformed); i++) {
        mu_process_region region;
        mu_smaps_region_parse(malformed[i], "*", &region);
        assert_int_equal(region.n, 0);
        assert_true(is_kb(region.rss, 0));
    }
}

static void stat_is_read_whatever_the_name(void **state) {
    (void)state;
    static const char good[] = "12 (a ) R 1 (b) S 7 12 12 0 -1 4194304 11 99 3 98 250 50 97 96 20 "
                               "0 5 0 164094 3133440 395 18446744073709551615\n";
    mu_process_activity a = {0};
    pid_t parent = 0;
    assert_true(mu_proc_stat_parse(good, 100, &parent, &a));
    assert_int_equal(parent, 7);
    assert_true(a.minor_faults.value == 11 && a.major_faults.value == 3);
    assert_true(a.user_s.value == 2.5 && a.system_s.value == 0.5 && a.threads.value == 5);
    static const char *const bad[] = {"", "12", "12 (x", "12 (x)", "12 (x) S", "12 (x) S 1 2 3"};
    for (size_t i = 0; i < MU_COUNTOF(bad); i++) {
        assert_false(mu_proc_stat_parse(bad[i], 100, &parent, &a));
        assert_int_equal(parent, 7);
    }
    uint64_t pages = 1;
    assert_true(mu_proc_statm_parse("765 423 395 5 0 123 0\n", &pages) && pages == 423);
    assert_false(mu_proc_statm_parse("765", &pages));
    assert_false(mu_proc_statm_parse("", &pages));
}

/* A child, and a child of it, that do one thing at a time when told. */

typedef struct child {
    pid_t pid;
    int tell, told;
} child;

static void touch(size_t bytes, bool gives_back) {
    char *block = map_unseen(bytes, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    if (!block) _exit(1);
    write_pages(block, bytes);
    if (gives_back) syscall(SYS_munmap, block, bytes);
}

static void obey(int orders, int reports) {
    char order;
    while (read(orders, &order, 1) == 1) {
        if (order == 't') touch(BLOCK_BYTES, false);
        if (order == 'g') touch(BLOCK_BYTES, true);
        if (order == 'f') {
            pid_t pid = fork();
            if (pid == 0) touch(BLOCK_BYTES, false);
            if (pid != 0) _exit(waitpid(pid, NULL, 0) < 0);
        }
        if (order == 'x') _exit(0);
        if (write(reports, &order, 1) != 1) _exit(1);
    }
    _exit(0);
}

static child start_child(void) {
    int orders[2], reports[2];
    assert_int_equal(pipe(orders), 0);
    assert_int_equal(pipe(reports), 0);
    child c = {.pid = fork(), .tell = orders[1], .told = reports[0]};
    assert_true(c.pid >= 0);
    if (c.pid == 0) {
        close(orders[1]);
        obey(orders[0], reports[1]);
    }
    close(orders[0]);
    close(reports[1]);
    return c;
}

static void tell(child *c, char order) {
    char answer;
    assert_int_equal(write(c->tell, &order, 1), 1);
    if (order != 'x') assert_int_equal(read(c->told, &answer, 1), 1);
}

static void end_child(child *c) {
    close(c->tell); /* the end of its orders */
    close(c->told);
    kill(c->pid, SIGKILL);
    waitpid(c->pid, NULL, 0);
}

static double change(mu_fact before, mu_fact after) {
    if (!before.is_known) fail_msg("before: %s", before.why);
    if (!after.is_known) fail_msg("after: %s", after.why);
    return after.value - before.value;
}

static bool is_block(double bytes) {
    return fabs(bytes - BLOCK_BYTES) < TOLERANCE * BLOCK_BYTES;
}

static mu_process_tree *tree_of(pid_t pid) {
    static mu_process_tree tree;
    mu_err err = {0};
    if (mu_process_tree_read(pid, &tree, &err) != MU_OK) fail_msg("%s", err.text);
    return &tree;
}

static void touched_memory_of_a_child_is_seen_within_a_percent(void **state) {
    (void)state;
    child c = start_child();
    tell(&c, 'n');
    mu_process_memory before, after;
    mu_process_memory_read(tree_of(c.pid), &before);
    mu_fact fast_before = mu_process_rss_fast(tree_of(c.pid));
    mu_process_activity did_before, did_after;
    mu_process_activity_read(tree_of(c.pid), &did_before);
    tell(&c, 't');
    mu_process_memory_read(tree_of(c.pid), &after);
    mu_process_activity_read(tree_of(c.pid), &did_after);
    assert_true(is_block(change(before.rss, after.rss)));
    assert_true(is_block(change(before.pss, after.pss)));
    assert_true(is_block(change(before.pss_anon, after.pss_anon)));
    assert_true(is_block(change(before.uss, after.uss)));
    assert_true(is_block(change(before.unreclaimable, after.unreclaimable)));
    assert_true(is_block(change(fast_before, mu_process_rss_fast(tree_of(c.pid)))));
    mu_process_activity did = mu_process_activity_since(&did_before, &did_after);
    while (did.switches_voluntary.is_known && did.switches_voluntary.value < 1) {
        /* It has answered and may not have gone to sleep yet; it will, as no order comes. */
        mu_process_activity_read(tree_of(c.pid), &did_after);
        did = mu_process_activity_since(&did_before, &did_after);
    }
    assert_true(did.minor_faults.is_known && did.minor_faults.value >= 1);
    assert_true(did.on_cpu_s.is_known && did.on_cpu_s.value > 0);
    assert_true(did.queued_s.is_known && did.queued_s.value >= 0);
    assert_true(did.switches_voluntary.is_known && did.switches_voluntary.value >= 1);
    assert_true(did.read_bytes.is_known && did.threads.value >= 1 && did.fds.value >= 2);
    end_child(&c);
}

static void descendants_count(void **state) {
    (void)state;
    child c = start_child();
    tell(&c, 'n');
    assert_int_equal(tree_of(c.pid)->n, 1);
    mu_process_memory before, after;
    mu_process_memory_read(tree_of(c.pid), &before);
    tell(&c, 'f'); /* the grandchild goes on and reports */
    assert_int_equal(tree_of(c.pid)->n, 2);
    mu_process_memory_read(tree_of(c.pid), &after);
    assert_true(is_block(change(before.pss, after.pss)));
    mu_process_activity a;
    mu_process_activity_read(tree_of(c.pid), &a);
    assert_true(a.threads.value >= 2); /* a sanitizer may add its own */
    end_child(&c);
}

static void peak_can_be_reset(void **state) {
    (void)state;
    child c = start_child();
    tell(&c, 'n');
    mu_fact begin = mu_process_peak(tree_of(c.pid));
    tell(&c, 'g'); /* touched and given back */
    assert_true(is_block(change(begin, mu_process_peak(tree_of(c.pid)))));
    mu_err err = {0};
    mu_status status = mu_process_peak_reset(tree_of(c.pid), &err);
    if (status != MU_OK) fail_msg("%s", err.text);
    double left = change(begin, mu_process_peak(tree_of(c.pid)));
    assert_true(left < 0.05 * BLOCK_BYTES);
    tell(&c, 't');
    assert_true(is_block(change(begin, mu_process_peak(tree_of(c.pid))) - left));
    end_child(&c);
}

static void processes_that_are_gone_are_unknown(void **state) {
    (void)state;
    child c = start_child();
    tell(&c, 'n');
    static mu_process_tree tree;
    assert_int_equal(mu_process_tree_read(c.pid, &tree, NULL), MU_OK);
    tell(&c, 'x');
    siginfo_t info;
    assert_int_equal(waitid(P_PID, (id_t)c.pid, &info, WEXITED | WNOWAIT), 0); /* a zombie now */
    static mu_process_tree again;
    mu_err err;
    assert_int_equal(mu_process_tree_read(c.pid, &again, &err), MU_ERR_NOT_FOUND);
    assert_non_null(strstr(err.text, "there is none"));
    mu_process_memory m;
    mu_process_memory_read(&tree, &m);
    assert_false(m.rss.is_known);
    assert_non_null(strstr(m.rss.why, "ended"));
    assert_false(mu_process_peak(&tree).is_known);
    end_child(&c);
    mu_process_activity a;
    mu_process_activity_read(&tree, &a);
    assert_false(a.user_s.is_known);
    assert_false(mu_process_rss_fast(&tree).is_known);
    assert_int_equal(mu_process_peak_reset(&tree, &err), MU_ERR_UNSUPPORTED);
}

/* Pages of a private mapping of a file that were written are anonymous: they must not count as
 * dirty file pages once more. Those of a shared mapping are dirty until they are on disk. */
static void written_pages_of_files_count_once(void **state) {
    (void)state;
    enum { BYTES = 16 * MIB };
    for (int is_shared = 0; is_shared < 2; is_shared++) {
        char path[] = "/var/tmp/muai-process-test-XXXXXX";
        int fd = mkstemp(path);
        assert_true(fd >= 0);
        unlink(path);
        assert_int_equal(ftruncate(fd, BYTES), 0);
        char *map = map_unseen(BYTES, is_shared ? MAP_SHARED : MAP_PRIVATE, fd);
        assert_non_null(map);
        mu_process_memory before, after;
        mu_process_memory_read(tree_of(getpid()), &before);
        write_pages(map, BYTES);
        mu_process_memory_read(tree_of(getpid()), &after);
        double more = change(before.unreclaimable, after.unreclaimable);
        double anon = change(before.pss_anon, after.pss_anon);
        print_message("%s: unreclaimable %+.2f MiB, anonymous %+.2f MiB\n",
                      is_shared ? "shared" : "private", more / MIB, anon / MIB);
        assert_true(fabs(more - BYTES) < 0.05 * BYTES);
        assert_true(fabs(anon - (is_shared ? 0 : BYTES)) < 0.05 * BYTES);
        syscall(SYS_munmap, map, (size_t)BYTES);
        close(fd);
    }
}

static void named_pages_are_seen_where_the_kernel_names_them(void **state) {
    (void)state;
    static const char name[] = "muai-process-test";
    mu_machine machine;
    mu_machine_read(&machine);
    char *pages = mu_pages_open(8 * MIB, name);
    assert_non_null(pages);
    memset(pages, 1, 8 * MIB);
    mu_process_region region;
    mu_process_region_read(tree_of(getpid()), "[anon:muai-process-test]", &region);
    mu_pages_close(pages, 8 * MIB, name);
    assert_true(machine.anon_names.is_known);
    if (machine.anon_names.value == 0) {
        assert_int_equal(region.n, 0);
        skip(); /* CONFIG_ANON_VMA_NAME is not set */
    }
    assert_true(region.n >= 1);
    assert_true(is_kb(region.rss, 8 * 1024) && is_kb(region.anonymous, 8 * 1024));
}

static void mapped_files_are_seen_by_path(void **state) {
    (void)state;
    char path[64] = "/var/tmp/muai-process-test-XXXXXX";
    int fd = mkstemp(path);
    assert_int_equal(ftruncate(fd, 4 * MIB), 0);
    volatile char *map = mmap(NULL, 4 * MIB, PROT_READ, MAP_SHARED, fd, 0);
    assert_true(map != MAP_FAILED);
    for (size_t i = 0; i < 2 * MIB; i += 4096) {
        (void)map[i];
    }
    mu_process_region region;
    mu_process_region_read(tree_of(getpid()), path, &region);
    assert_int_equal(region.n, 1);
    assert_true(is_kb(region.size, 4 * 1024));
    assert_true(region.rss.value >= 2 * MIB);
    munmap((void *)(uintptr_t)map, 4 * MIB);
    close(fd);
    unlink(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rollup_is_read),
        cmocka_unit_test(what_a_rollup_does_not_tell_is_unknown),
        cmocka_unit_test(old_kernels_without_pss_dirty_take_private_dirty),
        cmocka_unit_test(regions_are_summed_by_name),
        cmocka_unit_test(stat_is_read_whatever_the_name),
        cmocka_unit_test(touched_memory_of_a_child_is_seen_within_a_percent),
        cmocka_unit_test(descendants_count),
        cmocka_unit_test(peak_can_be_reset),
        cmocka_unit_test(processes_that_are_gone_are_unknown),
        cmocka_unit_test(written_pages_of_files_count_once),
        cmocka_unit_test(named_pages_are_seen_where_the_kernel_names_them),
        cmocka_unit_test(mapped_files_are_seen_by_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
