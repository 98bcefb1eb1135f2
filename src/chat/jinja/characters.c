#include "chat/jinja/characters.h"

#include <utf8proc.h>

#include "text/utf8.h"

static bool is_continuation(char byte) {
    return ((uint8_t)byte & 0xC0) == 0x80;
}

uint32_t mu_character_decode(const char *text, size_t n, size_t *n_bytes) {
    mu_utf8 state = mu_utf8_step(text, n, n_bytes);
    MU_ASSERT(state == MU_UTF8_WHOLE);
    uint8_t first = (uint8_t)text[0];
    if (*n_bytes == 1) return first;
    uint32_t c = first & (0x7Fu >> *n_bytes);
    for (size_t i = 1; i < *n_bytes; i++) {
        c = c << 6 | ((uint8_t)text[i] & 0x3F);
    }
    return c;
}

size_t mu_character_encode(uint32_t c, char out[4]) {
    return (size_t)utf8proc_encode_char((utf8proc_int32_t)c, (utf8proc_uint8_t *)out);
}

bool mu_character_is_space(uint32_t c) {
    if (c < 0x80) return (c >= 9 && c <= 13) || (c >= 0x1C && c <= 0x20);
    return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 ||
           c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

bool mu_character_is_printable(uint32_t c) {
    if (c < 0x7F) return c >= 0x20;
    switch (utf8proc_category((utf8proc_int32_t)c)) {
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
    case UTF8PROC_CATEGORY_ZS:
        return false;
    default:
        return true;
    }
}

bool mu_character_is_letter(uint32_t c) {
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)c);
    return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO;
}

bool mu_character_is_upper(uint32_t c) {
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)c);
    return category == UTF8PROC_CATEGORY_LU;
}

bool mu_character_is_lower(uint32_t c) {
    return utf8proc_category((utf8proc_int32_t)c) == UTF8PROC_CATEGORY_LL;
}

size_t mu_characters_count(const char *text, size_t n) {
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        count += !is_continuation(text[i]);
    }
    return count;
}

size_t mu_characters_offset(const char *text, size_t n, size_t n_characters) {
    size_t i = 0;
    for (; n_characters > 0 && i < n; n_characters--) {
        for (i++; i < n && is_continuation(text[i]); i++) {}
    }
    return i;
}

size_t mu_characters_space_before(const char *text, size_t n) {
    size_t at = 0, n_bytes;
    while (at < n && mu_character_is_space(mu_character_decode(text + at, n - at, &n_bytes))) {
        at += n_bytes;
    }
    return at;
}

size_t mu_characters_space_after(const char *text, size_t n) {
    size_t end = n, n_bytes;
    while (end > 0) {
        size_t start = end - 1;
        while (start > 0 && is_continuation(text[start])) {
            start--;
        }
        if (!mu_character_is_space(mu_character_decode(text + start, end - start, &n_bytes))) break;
        end = start;
    }
    return n - end;
}
