#include "text/charsmap.h"

#include <string.h>
#include <utf8proc.h>

#include "text/utf8.h"

enum { GRAPHEME_MAX = 6 }; /* bytes: longer ones are mapped character by character */

typedef struct map {
    const char *units; /* [n] of 4 bytes, at any address */
    uint32_t n;
    const char *texts; /* [n_texts] */
    size_t n_texts;
} map;

static uint32_t u32_at(const char *data) {
    uint32_t u;
    memcpy(&u, data, sizeof(u));
    return u;
}

static map map_of(mu_bytes charsmap) {
    uint32_t n = u32_at(charsmap.data);
    return (map){charsmap.data + 4, n / 4, charsmap.data + 4 + n, charsmap.n - 4 - n};
}

bool mu_charsmap_is_valid(mu_bytes charsmap) {
    if (charsmap.n < 8) return false;
    uint32_t n = u32_at(charsmap.data);
    if (n < 4 || n % 4 != 0 || n > charsmap.n - 4) return false;
    return charsmap.n == 4 + (size_t)n || charsmap.data[charsmap.n - 1] == '\0';
}

static uint32_t offset_of(uint32_t unit) {
    return (unit >> 10) << ((unit & 0x200) >> 6);
}

/* The replacement of a match at the start of text: of the longest one, or of the shortest. NULL:
 * there is none. */
static const char *match(const map *m, const char *text, size_t n, bool longest, size_t *out_n) {
    const char *found = NULL;
    uint32_t at = offset_of(u32_at(m->units));
    for (size_t i = 0; i < n; i++) {
        at ^= (uint8_t)text[i];
        if (at >= m->n) break;
        uint32_t unit = u32_at(m->units + 4 * (size_t)at);
        if ((unit & 0x800000FFu) != (uint8_t)text[i]) break;
        at ^= offset_of(unit);
        if (!(unit >> 8 & 1)) continue;
        if (at >= m->n) break;
        uint32_t value = u32_at(m->units + 4 * (size_t)at) & 0x7FFFFFFFu;
        if (value >= m->n_texts) break;
        found = m->texts + value;
        *out_n = i + 1;
        if (!longest) break;
    }
    return found;
}

/* Bytes of the grapheme that begins text [n], n > 0. */
static size_t grapheme(const char *text, size_t n) {
    int32_t before, after, state = 0;
    size_t at = 0, n_bytes;
    mu_utf8_step(text, n, &at);
    utf8proc_iterate((const uint8_t *)text, (utf8proc_ssize_t)at, &before);
    for (; at < n; at += n_bytes) {
        mu_utf8_step(text + at, n - at, &n_bytes);
        utf8proc_iterate((const uint8_t *)text + at, (utf8proc_ssize_t)n_bytes, &after);
        if (utf8proc_grapheme_break_stateful(before, after, &state)) break;
        before = after;
    }
    return at;
}

static void append_longest(const map *m, mu_bytes text, mu_buf *out) {
    for (size_t at = 0, n_bytes; at < text.n; at += n_bytes) {
        const char *found = match(m, text.data + at, text.n - at, true, &n_bytes);
        if (found) {
            mu_buf_append_str(out, found);
        } else {
            mu_utf8_step(text.data + at, text.n - at, &n_bytes);
            mu_buf_append(out, text.data + at, n_bytes);
        }
    }
}

static void append_graphemes(const map *m, mu_bytes text, mu_buf *out) {
    for (size_t at = 0, n_bytes, ignored; at < text.n; at += n_bytes) {
        const char *from = text.data + at;
        n_bytes = grapheme(from, text.n - at);
        const char *found =
            n_bytes < GRAPHEME_MAX ? match(m, from, n_bytes, false, &ignored) : NULL;
        if (found) {
            mu_buf_append_str(out, found);
            continue;
        }
        for (size_t i = 0, n_char; i < n_bytes; i += n_char) {
            mu_utf8_step(from + i, n_bytes - i, &n_char);
            found = match(m, from + i, n_char, false, &ignored);
            mu_buf_append(out, found ? found : from + i, found ? strlen(found) : n_char);
        }
    }
}

void mu_charsmap_apply(mu_bytes charsmap, mu_bytes text, bool by_graphemes, mu_buf *out) {
    map m = map_of(charsmap);
    if (by_graphemes) {
        append_graphemes(&m, text, out);
    } else {
        append_longest(&m, text, out);
    }
}
