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

/* Length of the white space character that text starts with, 0 when there is none. */
static size_t space_bytes(const char *text, size_t n) {
    static const char wide[][4] = {
        "\xC2\x85",     "\xC2\xA0",     "\xE1\x9A\x80", "\xE2\x80\x80", "\xE2\x80\x81",
        "\xE2\x80\x82", "\xE2\x80\x83", "\xE2\x80\x84", "\xE2\x80\x85", "\xE2\x80\x86",
        "\xE2\x80\x87", "\xE2\x80\x88", "\xE2\x80\x89", "\xE2\x80\x8A", "\xE2\x80\xA8",
        "\xE2\x80\xA9", "\xE2\x80\xAF", "\xE2\x81\x9F", "\xE3\x80\x80",
    };
    if (n == 0) return 0;
    if (text[0] == ' ' || (text[0] >= '\t' && text[0] <= '\r')) return 1;
    for (size_t i = 0; i < MU_COUNTOF(wide); i++) {
        size_t length = strlen(wide[i]);
        if (n >= length && memcmp(text, wide[i], length) == 0) return length;
    }
    return 0;
}

size_t mu_utf8_leading_space(const char *text, size_t n) {
    size_t i = 0;
    for (size_t step; (step = space_bytes(text + i, n - i)) > 0;) {
        i += step;
    }
    return i;
}

size_t mu_utf8_trailing_space(const char *text, size_t n) {
    size_t end = n;
    while (end > 0) {
        size_t start = end - 1;
        while (start > 0 && end - start < 3 && ((uint8_t)text[start] & 0xC0) == 0x80) {
            start--;
        }
        if (space_bytes(text + start, end - start) != end - start) break;
        end = start;
    }
    return n - end;
}
