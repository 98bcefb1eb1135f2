/* http_chunks.h - the body of a request in chunked coding (RFC 9112, 7.1), read strictly.
 *
 *     5 CRLF hello CRLF 0 CRLF CRLF
 *
 * Bytes are fed as they come, in pieces of any size. A size is 1 to 15 hex digits and nothing else;
 * extensions and trailer fields are read over, and bounded together. Bare CR or LF is refused.
 *
 * Threads: pure.
 */
#ifndef MU_SERVER_HTTP_CHUNKS_H
#define MU_SERVER_HTTP_CHUNKS_H

#include "base/base.h"

enum { MU_HTTP_CHUNK_EXTRA_MAX = 4096 }; /* bytes of extensions and trailer, together */

typedef enum mu_http_chunks_state {
    MU_CHUNKS_SIZE, /* the first state: digits of a size */
    MU_CHUNKS_EXTENSION,
    MU_CHUNKS_SIZE_LF,
    MU_CHUNKS_DATA,
    MU_CHUNKS_DATA_CR,
    MU_CHUNKS_DATA_LF,
    MU_CHUNKS_TRAILER, /* at the start of a line of it */
    MU_CHUNKS_TRAILER_LINE,
    MU_CHUNKS_TRAILER_LF,
    MU_CHUNKS_LAST_LF,
    MU_CHUNKS_DONE,
    MU_CHUNKS_BROKEN,
} mu_http_chunks_state;

/* Zeroed: at the start. */
typedef struct mu_http_chunks {
    mu_http_chunks_state state;
    uint32_t n_digits, n_extra;
    uint64_t n_left; /* of this chunk's data */
} mu_http_chunks;

/* Read data [n] up to the next run of body bytes, or to its end. Returns how many bytes were used,
 * the run included; *out_run, *out_n: the run, within data; *out_n 0: none. Call again while bytes
 * are left and the state is neither DONE nor BROKEN. */
size_t mu_http_chunks_read(mu_http_chunks *c, const char *data, size_t n, const char **out_run,
                           size_t *out_n);

#endif
