#include "format/byte_alphabet.h"

#include "text/utf8.h"

enum { N_SHIFTED = 68 };

/* The i-th byte that does not stand for itself: 0 to 32, 127 to 160, 173. */
static uint8_t shifted_byte(uint32_t i) {
    if (i <= 32) return (uint8_t)i;
    return i < N_SHIFTED - 1 ? (uint8_t)(i - 33 + 127) : 173;
}

static bool is_itself(uint32_t code) {
    return (code >= 33 && code <= 126) || (code >= 161 && code <= 172) ||
           (code >= 174 && code <= 255);
}

bool mu_byte_alphabet_decode(const char *text, size_t n, char *out, size_t *out_n) {
    size_t n_bytes = 0;
    for (size_t at = 0, length; at < n; at += length) {
        const uint8_t *c = (const uint8_t *)text + at;
        if (mu_utf8_step(text + at, n - at, &length) != MU_UTF8_WHOLE || length > 2) {
            return false; /* the alphabet ends at U+0143 */
        }
        uint32_t code = length == 1 ? c[0] : (uint32_t)(c[0] & 31) << 6 | (c[1] & 63);
        if (is_itself(code)) {
            out[n_bytes++] = (char)code;
        } else if (code >= 256 && code < 256 + N_SHIFTED) {
            out[n_bytes++] = (char)shifted_byte(code - 256);
        } else {
            return false;
        }
    }
    *out_n = n_bytes;
    return true;
}

void mu_byte_alphabet_encode(const char *data, size_t n, mu_buf *out) {
    for (size_t i = 0; i < n; i++) {
        uint8_t byte = (uint8_t)data[i];
        uint32_t code = byte;
        for (uint32_t s = 0; s < N_SHIFTED && !is_itself(byte); s++) {
            if (shifted_byte(s) == byte) code = 256 + s;
        }
        char utf8[2] = {(char)(0xc0 | code >> 6), (char)(0x80 | (code & 63))};
        if (code < 128) {
            mu_buf_append(out, &byte, 1);
        } else {
            mu_buf_append(out, utf8, 2);
        }
    }
}
