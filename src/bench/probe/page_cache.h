/* page_cache.h - how much of a file is in the page cache: was a load warm or cold?
 *
 * Threads: any. No state.
 */
#ifndef MU_BENCH_PROBE_PAGE_CACHE_H
#define MU_BENCH_PROBE_PAGE_CACHE_H

#include "base/status.h"

typedef struct mu_page_cache {
    uint64_t n_pages, n_resident; /* of the file */
    double percent;               /* resident; 100 of an empty file */
    const char *source;           /* "cachestat" or "mincore" */
} mu_page_cache;

/* MU_ERR_IO names the file. mincore() tells only about files that we may write or own. */
mu_status mu_page_cache_read(const char *path, mu_page_cache *out, mu_err *err) MU_MUST_USE;

/* Write back and drop the file's pages, and read again: MU_ERR_BUSY when 1 % or more stay, because
 * somebody has them mapped or the file system keeps them. *out is set in both cases. */
mu_status mu_page_cache_drop(const char *path, mu_page_cache *out, mu_err *err) MU_MUST_USE;

/* Read the whole file, so that it is warm. */
mu_status mu_page_cache_warm(const char *path, mu_page_cache *out, mu_err *err) MU_MUST_USE;

#endif
