/* The failure countdown is per thread, so that a test can make its own allocations fail while the
 * threads of a pool go on. Pages count as one allocation. */
#include "base/alloc.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { HUGE_PAGE_BYTES = 2 << 20 };

static _Thread_local int countdown = -1;
static atomic_llong n_alive;

static bool must_fail(void) {
    if (countdown < 0) return false;
    if (countdown == 0) {
        countdown = -1;
        return true;
    }
    countdown--;
    return false;
}

void *mu_alloc(size_t size) {
    MU_ASSERT(size > 0);
    if (must_fail()) return NULL;
    void *ptr = calloc(1, size);
    if (ptr) atomic_fetch_add(&n_alive, 1);
    return ptr;
}

void mu_free(void *ptr) {
    if (!ptr) return;
    atomic_fetch_sub(&n_alive, 1);
    free(ptr);
}

void *mu_alloc_array(size_t n, size_t elem_size) {
    MU_ASSERT(elem_size > 0);
    if (n > SIZE_MAX / elem_size) return NULL;
    return mu_alloc(n > 0 ? n * elem_size : 1);
}

void *mu_alloc_aligned(size_t size, size_t align) {
    MU_ASSERT(size > 0 && (align & (align - 1)) == 0);
    if (must_fail() || size > SIZE_MAX - align) return NULL;
    size_t whole = (size + align - 1) / align * align; /* C11 wants a multiple */
    void *ptr = aligned_alloc(align, whole);
    if (!ptr) return NULL;
    atomic_fetch_add(&n_alive, 1);
    return memset(ptr, 0, whole);
}

bool mu_grow(void **array, size_t *cap, size_t need, size_t elem_size) {
    MU_ASSERT(elem_size > 0);
    if (need <= *cap) return true;
    size_t new_cap = *cap < 8 ? 16 : *cap;
    while (new_cap < need) {
        if (new_cap > SIZE_MAX / 2) return false;
        new_cap *= 2;
    }
    if (new_cap > SIZE_MAX / elem_size || must_fail()) return false;

    void *grown = realloc(*array, new_cap * elem_size);
    if (!grown) return false;
    if (!*array) atomic_fetch_add(&n_alive, 1);
    *array = grown;
    *cap = new_cap;
    return true;
}

static size_t whole_pages(size_t size) {
    return (size + HUGE_PAGE_BYTES - 1) / HUGE_PAGE_BYTES * HUGE_PAGE_BYTES;
}

void *mu_pages_open(size_t size) {
    MU_ASSERT(size > 0);
    if (must_fail() || size > SIZE_MAX / 2) return NULL;

    /* One huge page more than needed, and the unaligned ends given back. */
    size_t want = whole_pages(size), mapped = want + HUGE_PAGE_BYTES;
    uint8_t *base = mmap(NULL, mapped, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED) return NULL;
    size_t head = (size_t)(-(uintptr_t)base % HUGE_PAGE_BYTES);
    if (head > 0) munmap(base, head);
    munmap(base + head + want, mapped - want - head);
    madvise(base + head, want, MADV_HUGEPAGE); /* advice: a system without it is only slower */
    atomic_fetch_add(&n_alive, 1);
    return base + head;
}

void mu_pages_close(void *ptr, size_t size) {
    if (!ptr) return;
    atomic_fetch_sub(&n_alive, 1);
    munmap(ptr, whole_pages(size));
}

void mu_alloc_fail_after(int n) {
    MU_ASSERT(n >= -1);
    countdown = n;
}

int64_t mu_alloc_n_alive(void) {
    return atomic_load(&n_alive);
}
