/* alloc.h - the heap, for the objects that are not in an arena, and whole pages for weights and KV.
 *
 * Nobody else calls malloc or maps anonymous memory, so memory can be counted and tests can make
 * any allocation fail. Libraries that take an allocator (jansson, PCRE2) are given this one.
 *
 * Threads: any. The failure countdown belongs to the calling thread.
 */
#ifndef MU_BASE_ALLOC_H
#define MU_BASE_ALLOC_H

#include "base/base.h"

void *mu_alloc(size_t size) MU_MUST_USE; /* zeroed; NULL when there is no memory */
void mu_free(void *ptr);                 /* NULL is allowed */

/* Zeroed array of n elements; NULL also when n * elem_size overflows. n may be 0. */
void *mu_alloc_array(size_t n, size_t elem_size) MU_MUST_USE;
#define MU_ALLOC(type, n) ((type *)mu_alloc_array((n), sizeof(type)))

/* Zeroed and aligned to a power of two; freed by mu_free(). */
void *mu_alloc_aligned(size_t size, size_t align) MU_MUST_USE;

/* Grow an array to at least need elements (capacity doubles). New elements are not zeroed. False
 * when there is no memory: the array is as it was. */
bool mu_grow(void **array, size_t *cap, size_t need, size_t elem_size) MU_MUST_USE;

/* Give back the end of a block of mu_alloc(): it keeps its first size bytes, size > 0 and not more
 * than it has. May move; never fails. */
void *mu_shrink(void *ptr, size_t size) MU_MUST_USE;

/* Zeroed memory straight from the system, 2 MiB aligned and on huge pages where the system has
 * them: packed weights and KV blocks, read from end to end. NULL when there is no memory. name is a
 * constant text, such as "muai-kv": /proc/PID/smaps then shows [anon:muai-kv], where the kernel has
 * CONFIG_ANON_VMA_NAME, and mu_pages_facts() counts by it. */
void *mu_pages_open(size_t size, const char *name) MU_MUST_USE;
void mu_pages_close(void *ptr, size_t size, const char *name); /* NULL is allowed; as to open */

enum { MU_PAGES_NAMES_MAX = 16 };

typedef struct mu_pages_fact {
    const char *name;
    uint64_t bytes; /* open now under this name, whole huge pages; touched or not */
} mu_pages_fact;

/* Every name that was ever opened, at most MU_PAGES_NAMES_MAX; returns how many. */
uint32_t mu_pages_facts(mu_pages_fact out[MU_PAGES_NAMES_MAX]);

/* The C library's heap, which this one and that of every library is taken from. */
typedef struct mu_heap_facts {
    bool is_known;           /* false: no mallinfo2(), or a sanitizer has its own heap */
    uint64_t live_bytes;     /* handed out and not freed */
    uint64_t retained_bytes; /* freed, and kept by the allocator */
} mu_heap_facts;

mu_heap_facts mu_heap_facts_read(void);

/* Give what is freed, and kept by the allocator, back to the system, as far as it can. Takes a
 * while: milliseconds. */
void mu_heap_trim(void);
/* Bytes of mu_alloc() and its kin that are alive, as the allocator rounded them. */
int64_t mu_alloc_bytes_alive(void);

/* Tests: let n more allocations of this thread succeed and fail the next one; -1 is normal. */
void mu_alloc_fail_after(int n);

/* Heap and page allocations that are alive in this process; tests compare it before and after. */
int64_t mu_alloc_n_alive(void);

#endif
