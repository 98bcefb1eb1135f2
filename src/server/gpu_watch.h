/* gpu_watch.h - the last reading of the GPU that the server computes on, for /metrics. Private.
 *
 * The server's ticker reads once a second, so that neither a scrape nor a step waits for the
 * driver. A watch without NVML is no error: it has nothing to tell, and says why.
 *
 * Threads: refresh by one, get by any, open and close while nobody else is there.
 */
#ifndef MU_SERVER_GPU_WATCH_H
#define MU_SERVER_GPU_WATCH_H

#include "backend/gpu_usage.h"

typedef struct mu_gpu_watch mu_gpu_watch;

/* Reads for the first time. MU_ERR_NOMEM only. */
mu_status mu_gpu_watch_open(const mu_gpu_usage_options *options, mu_gpu_watch **out,
                            mu_err *err) MU_MUST_USE;
void mu_gpu_watch_refresh(mu_gpu_watch *watch);
/* The last reading, or why there was none. */
mu_status mu_gpu_watch_get(mu_gpu_watch *watch, mu_gpu_usage *out, mu_err *err) MU_MUST_USE;
void mu_gpu_watch_close(mu_gpu_watch *watch); /* NULL is allowed */

#endif
