#include "text/utf8.h"

#include <string.h>

/* Table 3-7 of Unicode 16: the second byte has its own range after some first bytes. */
mu_utf8 mu_utf8_step(const char *text, size_t n, size_t *n_bytes) {
    MU_DASSERT(n > 0);
    const uint8_t *t = (const uint8_t *)text;
    uint8_t first = t[0], low = 0x80, high = 0xBF;
    size_t want = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    *n_bytes = 1;
    if (want == 1) return MU_UTF8_WHOLE;
    if (first < 0xC2 || first > 0xF4) return MU_UTF8_BROKEN;
    if (first == 0xE0) low = 0xA0;
    if (first == 0xED) high = 0x9F;
    if (first == 0xF0) low = 0x90;
    if (first == 0xF4) high = 0x8F;
    for (size_t i = 1; i < want; i++) {
        *n_bytes = i;
        if (i == n) return MU_UTF8_CUT;
        if (t[i] < low || t[i] > high) return MU_UTF8_BROKEN;
        low = 0x80;
        high = 0xBF;
    }
    *n_bytes = want;
    return MU_UTF8_WHOLE;
}

size_t mu_utf8_valid(const char *text, size_t n) {
    size_t i = 0;
    while (i < n) {
        while (n - i >= 8) { /* eight ASCII bytes at once */
            uint64_t word;
            memcpy(&word, text + i, sizeof(word));
            if (word & 0x8080808080808080u) break;
            i += 8;
        }
        size_t n_bytes;
        if (i == n || mu_utf8_step(text + i, n - i, &n_bytes) != MU_UTF8_WHOLE) break;
        i += n_bytes;
    }
    return i;
}
