/* The failure countdown is per thread, so that a test can make its own allocations fail while the
 * threads of a pool go on. Pages count as one allocation. */
#include "base/alloc.h"

#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

enum { HUGE_PAGE_BYTES = 2 << 20 };

static _Thread_local int countdown = -1;
static atomic_llong n_alive;
static atomic_llong bytes_alive;

static pthread_mutex_t pages_lock = PTHREAD_MUTEX_INITIALIZER;
static mu_pages_fact pages[MU_PAGES_NAMES_MAX];
static uint32_t n_pages;

static void count(void *ptr) {
    atomic_fetch_add_explicit(&n_alive, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&bytes_alive, (long long)malloc_usable_size(ptr),
                              memory_order_relaxed);
}

static void discount(void *ptr) {
    atomic_fetch_sub_explicit(&n_alive, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&bytes_alive, (long long)malloc_usable_size(ptr),
                              memory_order_relaxed);
}

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
    if (ptr) count(ptr);
    return ptr;
}

void mu_free(void *ptr) {
    if (!ptr) return;
    discount(ptr);
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
    count(ptr);
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

    size_t old_bytes = malloc_usable_size(*array); /* of NULL: 0 */
    void *grown = realloc(*array, new_cap * elem_size);
    if (!grown) return false;
    if (!*array) atomic_fetch_add(&n_alive, 1);
    atomic_fetch_add(&bytes_alive, (long long)malloc_usable_size(grown) - (long long)old_bytes);
    *array = grown;
    *cap = new_cap;
    return true;
}

void *mu_shrink(void *ptr, size_t size) {
    MU_ASSERT(ptr && size > 0);
    size_t old_bytes = malloc_usable_size(ptr);
    MU_ASSERT(size <= old_bytes);
    void *shrunk = realloc(ptr, size);
    if (!shrunk) return ptr; /* it is large enough */
    atomic_fetch_add(&bytes_alive, (long long)malloc_usable_size(shrunk) - (long long)old_bytes);
    return shrunk;
}

static size_t whole_pages(size_t size) {
    return (size + HUGE_PAGE_BYTES - 1) / HUGE_PAGE_BYTES * HUGE_PAGE_BYTES;
}

/* Beyond the table's end pages are not counted by name. */
static void count_pages(const char *name, size_t bytes, bool is_opened) {
    pthread_mutex_lock(&pages_lock);
    uint32_t i = 0;
    while (i < n_pages && strcmp(pages[i].name, name) != 0) {
        i++;
    }
    if (i == n_pages && n_pages < MU_PAGES_NAMES_MAX) pages[n_pages++].name = name;
    if (i < n_pages) pages[i].bytes += is_opened ? bytes : -bytes;
    pthread_mutex_unlock(&pages_lock);
}

/* A kernel that has no names says so; there is nothing to do about it. */
static void set_region_name(void *base, size_t bytes, const char *name) {
#ifdef PR_SET_VMA
    prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, base, bytes, name);
#else
    (void)base, (void)bytes, (void)name;
#endif
}

void *mu_pages_open(size_t size, const char *name) {
    MU_ASSERT(size > 0 && name);
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
    set_region_name(base + head, want, name);
    atomic_fetch_add(&n_alive, 1);
    count_pages(name, want, true);
    return base + head;
}

void mu_pages_close(void *ptr, size_t size, const char *name) {
    if (!ptr) return;
    atomic_fetch_sub(&n_alive, 1);
    count_pages(name, whole_pages(size), false);
    munmap(ptr, whole_pages(size));
}

uint32_t mu_pages_facts(mu_pages_fact out[MU_PAGES_NAMES_MAX]) {
    pthread_mutex_lock(&pages_lock);
    uint32_t n = n_pages;
    memcpy(out, pages, n * sizeof(*out));
    pthread_mutex_unlock(&pages_lock);
    return n;
}

void mu_heap_trim(void) {
#ifdef __GLIBC__
    malloc_trim(0);
#endif
}

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
mu_heap_facts mu_heap_facts_read(void) {
    struct mallinfo2 info = mallinfo2();
    return (mu_heap_facts){
        .is_known = true,
        .live_bytes = info.uordblks + info.hblkhd,
        .retained_bytes = info.fordblks,
    };
}

#else
mu_heap_facts mu_heap_facts_read(void) {
    return (mu_heap_facts){0};
}
#endif

int64_t mu_alloc_bytes_alive(void) {
    return atomic_load(&bytes_alive);
}

void mu_alloc_fail_after(int n) {
    MU_ASSERT(n >= -1);
    countdown = n;
}

int64_t mu_alloc_n_alive(void) {
    return atomic_load(&n_alive);
}
