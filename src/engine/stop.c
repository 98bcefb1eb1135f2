/* borders[i] is the length of the longest proper prefix of a string that is also a suffix of its
 * first i + 1 bytes: where matching goes on when the next byte does not fit.
 */
#include "engine/stop.h"

#include <string.h>

#include "base/alloc.h"

_Static_assert(MU_STOP_STRING_BYTES_MAX <= UINT16_MAX, "borders are 16 bits wide");

static void find_borders(const char *string, uint32_t n, uint16_t *borders) {
    uint16_t k = 0;
    borders[0] = 0;
    for (uint32_t i = 1; i < n; i++) {
        while (k > 0 && string[i] != string[k]) {
            k = borders[k - 1];
        }
        if (string[i] == string[k]) k++;
        borders[i] = k;
    }
}

mu_status mu_stop_init(mu_stop *stop, const char *const *strings, uint32_t n, mu_err *err) {
    mu_stop made = {.n_strings = n};
    if (n > MU_STOP_STRINGS_MAX) {
        return mu_fail(err, MU_ERR_INVALID, "stop: %u strings, at most %d", n, MU_STOP_STRINGS_MAX);
    }
    uint32_t total = 0;
    for (uint32_t i = 0; i < n; i++) {
        size_t length = strlen(strings[i]);
        if (length == 0 || length > MU_STOP_STRING_BYTES_MAX) {
            return mu_fail(err, MU_ERR_INVALID, "stop: a string of %zu bytes is not in [1, %d]",
                           length, MU_STOP_STRING_BYTES_MAX);
        }
        made.starts[i] = total;
        made.lengths[i] = (uint32_t)length;
        total += (uint32_t)length;
    }
    made.bytes = MU_ALLOC(char, total);
    made.borders = MU_ALLOC(uint16_t, total);
    if (!made.bytes || !made.borders) {
        mu_stop_deinit(&made);
        return mu_fail(err, MU_ERR_NOMEM, "stop strings of %u bytes", total);
    }
    for (uint32_t i = 0; i < n; i++) {
        memcpy(made.bytes + made.starts[i], strings[i], made.lengths[i]);
        find_borders(strings[i], made.lengths[i], made.borders + made.starts[i]);
    }
    *stop = made;
    return MU_OK;
}

void mu_stop_deinit(mu_stop *stop) {
    mu_free(stop->bytes);
    mu_free(stop->borders);
    *stop = (mu_stop){0};
}

/* How much of string i the text ends with, after one more byte. */
static uint32_t match_byte(const mu_stop *stop, uint32_t i, char byte) {
    const char *string = stop->bytes + stop->starts[i];
    const uint16_t *borders = stop->borders + stop->starts[i];
    uint32_t k = stop->n_matched[i];
    if (k == stop->lengths[i]) k = borders[k - 1]; /* a match that did not count */
    while (k > 0 && string[k] != byte) {
        k = borders[k - 1];
    }
    return string[k] == byte ? k + 1 : 0;
}

bool mu_stop_push(mu_stop *stop, const char *text, size_t n, bool may_hit) {
    for (size_t at = 0; at < n && !stop->is_hit; at++) {
        uint32_t held = 0; /* the longest beginning of a string that the text ends with */
        for (uint32_t i = 0; i < stop->n_strings; i++) {
            uint32_t k = stop->n_matched[i] = match_byte(stop, i, text[at]);
            bool is_whole = k == stop->lengths[i];
            if (is_whole && may_hit && (!stop->is_hit || k > held)) {
                held = k;
                stop->hit = i;
                stop->is_hit = true;
            }
            if (is_whole && !may_hit) k = stop->borders[stop->starts[i] + k - 1];
            if (!stop->is_hit && k > held) held = k;
        }
        stop->n_seen++;
        MU_ASSERT(held <= stop->n_seen);
        stop->n_visible = stop->n_seen - held;
    }
    return stop->is_hit;
}

void mu_stop_end(mu_stop *stop) {
    if (!stop->is_hit) stop->n_visible = UINT64_MAX;
}
