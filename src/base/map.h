/* map.h - a whole file mapped read-only, or read into memory.
 *
 * Threads: a mapping may be read by any thread. A file that shrinks while it is mapped raises
 * SIGBUS on access; cmd/ installs a handler that names the file.
 */
#ifndef MU_BASE_MAP_H
#define MU_BASE_MAP_H

#include "base/status.h"

typedef struct mu_map {
    const uint8_t *data; /* [size]; NULL for an empty file */
    size_t size;         /* bytes */
    int fd;              /* of what is mapped, open as long as it is */
    int64_t written_ns;  /* when the file had been written last */
} mu_map;

/* Errors: MU_ERR_NOT_FOUND (no such file), MU_ERR_IO, MU_ERR_FORMAT (not a regular file). */
mu_status mu_map_open(const char *path, mu_map *out, mu_err *err) MU_MUST_USE;
void mu_map_close(mu_map *map); /* a zeroed map is allowed */

/* MU_ERR_IO: the file was written or cut since it was opened; its bytes are not those that were
 * looked at, or not there. One that was replaced by another of its name is as it was. */
mu_status mu_map_check(const mu_map *map, mu_err *err) MU_MUST_USE;

/* Tell the system that [data, data + size) of the mapping will not be read again soon, so that it
 * no longer counts as resident. The bytes stay readable. Only whole pages inside are dropped. */
void mu_map_drop(const void *data, size_t size);

#endif
