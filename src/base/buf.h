/* buf.h - a growable run of bytes: text being built, a file being read.
 *
 * Appending reports failure once, at the end: after a failed append every further one does nothing
 * and `failed` stays set, so code that builds text is a straight line with one check.
 * Memory: data is owned; mu_buf_deinit() frees it. data is NUL-terminated after any append.
 */
#ifndef MU_BASE_BUF_H
#define MU_BASE_BUF_H

#include "base/base.h"

typedef struct mu_buf {
    char *data; /* owned, [n] and a NUL; NULL while empty */
    size_t n;
    size_t cap;
    bool failed; /* an append found no memory */
} mu_buf;

void mu_buf_deinit(mu_buf *buf); /* a zeroed buf is allowed */
void mu_buf_clear(mu_buf *buf);  /* keeps the memory, forgets the failure */
void mu_buf_append(mu_buf *buf, const void *data, size_t n);
void mu_buf_append_str(mu_buf *buf, const char *str);
/* "1,0.5": nine digits each, which read back as the same number. */
void mu_buf_append_f32s(mu_buf *buf, const float *x, size_t n);
void mu_buf_printf(mu_buf *buf, const char *fmt, ...) MU_PRINTF(2, 3);

#endif
