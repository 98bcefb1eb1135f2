#include "engine/stop.h"

#include <string.h>

#include "base/alloc.h"

mu_status mu_stop_init(mu_stop *stop, const char *const *strings, uint32_t n, mu_err *err) {
    *stop = (mu_stop){0};
    if (n > MU_STOP_STRINGS_MAX) {
        return mu_fail(err, MU_ERR_INVALID, "stop: %u strings, at most %d", n, MU_STOP_STRINGS_MAX);
    }
    size_t total = 0;
    for (uint32_t i = 0; i < n; i++) {
        stop->lengths[i] = strlen(strings[i]);
        if (stop->lengths[i] == 0 || stop->lengths[i] > MU_STOP_STRING_BYTES_MAX) {
            return mu_fail(err, MU_ERR_INVALID, "stop: a string of %zu bytes is not in [1, %d]",
                           stop->lengths[i], MU_STOP_STRING_BYTES_MAX);
        }
        total += stop->lengths[i];
    }
    if (n == 0) return MU_OK;
    char *at = mu_alloc(total);
    if (!at) return mu_fail(err, MU_ERR_NOMEM, "stop strings");
    for (uint32_t i = 0; i < n; i++) {
        stop->strings[i] = memcpy(at, strings[i], stop->lengths[i]);
        at += stop->lengths[i];
    }
    stop->n_strings = n;
    return MU_OK;
}

void mu_stop_deinit(mu_stop *stop) {
    mu_free(stop->strings[0]);
    mu_buf_deinit(&stop->held);
    *stop = (mu_stop){0};
}

/* Where the earliest whole stop string starts, or held.n. */
static size_t find_hit(const mu_stop *stop) {
    for (size_t at = 0; at < stop->held.n; at++) {
        for (uint32_t i = 0; i < stop->n_strings; i++) {
            size_t n = stop->lengths[i];
            if (n <= stop->held.n - at && memcmp(stop->held.data + at, stop->strings[i], n) == 0) {
                return at;
            }
        }
    }
    return stop->held.n;
}

/* Where the earliest possible start of a stop string is, or held.n. */
static size_t find_possible(const mu_stop *stop) {
    for (size_t at = 0; at < stop->held.n; at++) {
        size_t left = stop->held.n - at;
        for (uint32_t i = 0; i < stop->n_strings; i++) {
            if (left < stop->lengths[i] &&
                memcmp(stop->held.data + at, stop->strings[i], left) == 0) {
                return at;
            }
        }
    }
    return stop->held.n;
}

bool mu_stop_push(mu_stop *stop, const char *text, size_t n, mu_buf *out) {
    if (stop->is_hit) return true;
    if (stop->n_strings == 0) {
        mu_buf_append(out, text, n);
        return false;
    }
    mu_buf_append(&stop->held, text, n);
    size_t hit = find_hit(stop);
    stop->is_hit = hit < stop->held.n;
    size_t give = stop->is_hit ? hit : find_possible(stop);
    mu_buf_append(out, stop->held.data, give);
    if (stop->is_hit) {
        mu_buf_clear(&stop->held);
    } else if (give > 0) {
        stop->held.n -= give;
        memmove(stop->held.data, stop->held.data + give, stop->held.n);
    }
    return stop->is_hit;
}

void mu_stop_finish(mu_stop *stop, mu_buf *out) {
    if (stop->held.n > 0) mu_buf_append(out, stop->held.data, stop->held.n);
    mu_buf_clear(&stop->held);
}
