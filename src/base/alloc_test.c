#include "base/alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char NAME[] = "muai-test-pages";
enum { MIB = 1 << 20 };

static uint64_t bytes_named(const char *name) {
    mu_pages_fact facts[MU_PAGES_NAMES_MAX];
    uint32_t n = mu_pages_facts(facts);
    for (uint32_t i = 0; i < n; i++) {
        if (strcmp(facts[i].name, name) == 0) return facts[i].bytes;
    }
    return 0;
}

static void pages_are_counted_by_name(void **state) {
    (void)state;
    int64_t n_alive = mu_alloc_n_alive();
    void *a = mu_pages_open(3 * MIB, NAME), *b = mu_pages_open(1, NAME);
    void *c = mu_pages_open(1, "muai-test-other");
    assert_true(a && b && c);
    assert_int_equal((uintptr_t)a % (2 * MIB), 0);
    assert_int_equal(bytes_named(NAME), 6 * MIB);
    assert_int_equal(bytes_named("muai-test-other"), 2 * MIB);
    mu_pages_close(a, 3 * MIB, NAME);
    assert_int_equal(bytes_named(NAME), 2 * MIB);
    mu_pages_close(b, 1, NAME);
    mu_pages_close(c, 1, "muai-test-other");
    mu_pages_close(NULL, 1, NAME);
    assert_int_equal(bytes_named(NAME), 0);
    assert_int_equal(mu_alloc_n_alive(), n_alive);
}

static void failed_pages_are_not_counted(void **state) {
    (void)state;
    mu_alloc_fail_after(0);
    assert_null(mu_pages_open(3 * MIB, NAME));
    assert_int_equal(bytes_named(NAME), 0);
}

static void bytes_alive_follow_every_kind_of_allocation(void **state) {
    (void)state;
    int64_t before = mu_alloc_bytes_alive();
    void *plain = mu_alloc(1000), *aligned = mu_alloc_aligned(1000, 256);
    void *grown = NULL;
    size_t cap = 0;
    assert_true(plain && aligned);
    assert_true(mu_grow(&grown, &cap, 10, 100));
    int64_t some = mu_alloc_bytes_alive() - before;
    assert_true(some >= 1000 + 1024 + 1600 && some < 5000);
    assert_true(mu_grow(&grown, &cap, 100, 100));
    int64_t more = mu_alloc_bytes_alive() - before;
    assert_true(more >= some + (12800 - 1600) && more < some + 12000);
    plain = mu_shrink(plain, 10);
    assert_true(mu_alloc_bytes_alive() - before < more);
    mu_free(plain);
    mu_free(aligned);
    mu_free(grown);
    assert_int_equal(mu_alloc_bytes_alive(), before);
}

static void heap_facts_tell_live_from_retained(void **state) {
    (void)state;
    enum { N = 512, BYTES = 16 << 10 };
    static void *blocks[N];
    mu_heap_facts before = mu_heap_facts_read();
    if (!before.is_known) skip();
    for (uint32_t i = 0; i < N; i++) {
        blocks[i] = mu_alloc(BYTES);
        assert_non_null(blocks[i]);
    }
    void *pin = mu_alloc(64); /* above them: the heap cannot shrink */
    mu_heap_facts full = mu_heap_facts_read();
    assert_true(full.live_bytes >= before.live_bytes + N * BYTES);
    for (uint32_t i = 0; i < N; i++) {
        mu_free(blocks[i]);
    }
    mu_heap_facts after = mu_heap_facts_read();
    assert_true(after.live_bytes <= before.live_bytes + 4096);
    assert_true(after.retained_bytes >= before.retained_bytes + N * BYTES - (256 << 10));
    mu_free(pin);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_are_counted_by_name),
        cmocka_unit_test(failed_pages_are_not_counted),
        cmocka_unit_test(bytes_alive_follow_every_kind_of_allocation),
        cmocka_unit_test(heap_facts_tell_live_from_retained),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
