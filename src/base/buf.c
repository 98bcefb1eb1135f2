#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

void mu_buf_deinit(mu_buf *buf) {
    mu_free(buf->data);
    *buf = (mu_buf){0};
}

void mu_buf_clear(mu_buf *buf) {
    buf->n = 0;
    buf->failed = false;
    if (buf->data) buf->data[0] = '\0';
}

/* Room for n more bytes and the NUL. */
static bool reserve(mu_buf *buf, size_t n) {
    if (buf->failed) return false;
    void *data = buf->data;
    if (n > SIZE_MAX / 2 - buf->n || !mu_grow(&data, &buf->cap, buf->n + n + 1, 1)) {
        buf->failed = true;
        return false;
    }
    buf->data = data;
    return true;
}

void mu_buf_append(mu_buf *buf, const void *data, size_t n) {
    if (!reserve(buf, n)) return;
    if (n > 0) memcpy(buf->data + buf->n, data, n);
    buf->n += n;
    buf->data[buf->n] = '\0';
}

void mu_buf_append_str(mu_buf *buf, const char *str) {
    mu_buf_append(buf, str, strlen(str));
}

void mu_buf_printf(mu_buf *buf, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    MU_ASSERT(n >= 0);
    if (!reserve(buf, (size_t)n)) return;
    va_start(args, fmt);
    vsnprintf(buf->data + buf->n, (size_t)n + 1, fmt, args);
    va_end(args);
    buf->n += (size_t)n;
}

void mu_buf_append_f32s(mu_buf *buf, const float *x, size_t n) {
    for (size_t i = 0; i < n; i++) {
        char value[32];
        int n_text = snprintf(value, sizeof(value), "%s%.9g", i > 0 ? "," : "", (double)x[i]);
        mu_buf_append(buf, value, (size_t)n_text);
    }
}
