#include "chat/jinja/letters.h"

#include <string.h>
#include <utf8proc.h>

#include "chat/jinja/characters.h"

static void append_cased(mu_marked_builder *b, uint32_t c, bool upper, bool mark) {
    char bytes[4];
    if (upper && c == 0xDF) { /* the one common letter whose upper case is two */
        mu_marked_append_bytes(b, "SS", 2, mark);
        return;
    }
    utf8proc_int32_t code = (utf8proc_int32_t)c;
    code = upper ? utf8proc_toupper(code) : utf8proc_tolower(code);
    mu_marked_append_bytes(b, bytes, mu_character_encode((uint32_t)code, bytes), mark);
}

static bool starts_word(mu_letter_case how, uint32_t before) {
    if (how == MU_CASE_TITLE) return !mu_character_is_letter(before);
    return mu_character_is_space(before) ||
           (before < 0x80 && before && strchr("-({[<", (int)before));
}

bool mu_text_cased(mu_run *run, mu_marked text, mu_letter_case how, mu_marked *out) {
    mu_marked_builder b;
    mu_run_builder(run, &b);
    uint32_t before = ' ';
    size_t n;
    if (!mu_run_charge(run, text.n / 16)) return false;
    for (size_t at = 0; at < text.n; at += n) {
        uint32_t c = mu_character_decode(text.data + at, text.n - at, &n);
        bool upper = how == MU_CASE_UPPER || (how == MU_CASE_CAPITALIZED && at == 0) ||
                     ((how == MU_CASE_TITLE || how == MU_CASE_WORDS) && starts_word(how, before));
        append_cased(&b, c, upper, mu_marked_at(text, at));
        before = c;
    }
    return mu_run_built(run, &b, out);
}

static bool is_stripped(const char *text, size_t n, const mu_marked *chars) {
    if (!chars) {
        size_t bytes;
        return mu_character_is_space(mu_character_decode(text, n, &bytes));
    }
    mu_marked one = {.data = text, .n = n};
    return mu_marked_find(*chars, one, 0) != SIZE_MAX; /* UTF-8: no character is within another */
}

mu_marked mu_text_stripped(mu_marked text, const mu_marked *chars, int sides) {
    while ((sides & MU_STRIP_START) && text.n > 0) {
        size_t n = mu_characters_offset(text.data, text.n, 1);
        if (!is_stripped(text.data, n, chars)) break;
        text = mu_marked_slice(text, n, text.n - n);
    }
    while ((sides & MU_STRIP_END) && text.n > 0) {
        size_t start = text.n - 1;
        while (start > 0 && ((uint8_t)text.data[start] & 0xC0) == 0x80) {
            start--;
        }
        if (!is_stripped(text.data + start, text.n - start, chars)) break;
        text = mu_marked_slice(text, 0, start);
    }
    return text;
}

static bool add(mu_run *run, mu_value_list *list, mu_marked text) {
    return mu_value_list_append(run, list, mu_value_text(text));
}

static bool split_at(mu_run *run, mu_marked text, mu_marked sep, int64_t max, mu_value_list *out) {
    size_t from = 0;
    while (max != 0) {
        size_t found = mu_marked_find(text, sep, from);
        if (found == SIZE_MAX) break;
        if (!add(run, out, mu_marked_slice(text, from, found - from))) return false;
        from = found + sep.n;
        if (max > 0) max--;
    }
    return add(run, out, mu_marked_slice(text, from, text.n - from));
}

static size_t space_or_not(mu_marked text, bool is_space) {
    size_t at = 0, n;
    while (at < text.n) {
        uint32_t c = mu_character_decode(text.data + at, text.n - at, &n);
        if (mu_character_is_space(c) != is_space) break;
        at += n;
    }
    return at;
}

static bool split_words(mu_run *run, mu_marked text, int64_t max, mu_value_list *out) {
    for (;;) {
        size_t blank = space_or_not(text, true);
        text = mu_marked_slice(text, blank, text.n - blank);
        if (text.n == 0) return true;
        if (max == 0) return add(run, out, text);
        size_t word = space_or_not(text, false);
        if (!add(run, out, mu_marked_slice(text, 0, word))) return false;
        text = mu_marked_slice(text, word, text.n - word);
        if (max > 0) max--;
    }
}

static void reverse(mu_value_list *list) {
    for (size_t i = 0; i < list->n / 2; i++) {
        mu_value other = list->items[i];
        list->items[i] = list->items[list->n - 1 - i];
        list->items[list->n - 1 - i] = other;
    }
}

static bool split_at_from_end(mu_run *run, mu_marked text, mu_marked sep, int64_t max,
                              mu_value_list *out) {
    for (; max != 0; max--) {
        size_t found = mu_marked_find_last(text, sep);
        if (found == SIZE_MAX) break;
        size_t after = found + sep.n;
        if (!add(run, out, mu_marked_slice(text, after, text.n - after))) return false;
        text = mu_marked_slice(text, 0, found);
    }
    if (!add(run, out, text)) return false;
    reverse(out);
    return true;
}

static bool split_words_from_end(mu_run *run, mu_marked text, int64_t max, mu_value_list *out) {
    for (;; max--) {
        text = mu_text_stripped(text, NULL, MU_STRIP_END);
        if (text.n == 0) break;
        if (max == 0) {
            if (!add(run, out, text)) return false;
            break;
        }
        size_t start = text.n;
        while (start > 0) {
            size_t before = start - 1;
            while (before > 0 && ((uint8_t)text.data[before] & 0xC0) == 0x80) {
                before--;
            }
            if (is_stripped(text.data + before, start - before, NULL)) break;
            start = before;
        }
        if (!add(run, out, mu_marked_slice(text, start, text.n - start))) return false;
        text = mu_marked_slice(text, 0, start);
    }
    reverse(out);
    return true;
}

bool mu_text_split(mu_run *run, mu_marked text, const mu_marked *sep, int64_t max, bool from_end,
                   mu_value_list **out) {
    if (!mu_value_list_new(run, 0, out) || !mu_run_charge(run, text.n / 64)) return false;
    if (sep && sep->n == 0) return mu_run_fail(run, MU_ERR_INVALID, "empty separator");
    bool reversed = from_end && max >= 0; /* without a limit both ways are the same */
    if (sep)
        return reversed ? split_at_from_end(run, text, *sep, max, *out)
                        : split_at(run, text, *sep, max, *out);
    return reversed ? split_words_from_end(run, text, max, *out)
                    : split_words(run, text, max, *out);
}

/* Bytes of the line end at the start of text, 0: there is none. */
static size_t line_end(const char *text, size_t n) {
    size_t bytes;
    if (n >= 2 && text[0] == '\r' && text[1] == '\n') return 2;
    uint32_t c = mu_character_decode(text, n, &bytes);
    bool ends = (c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 ||
                c == 0x2029;
    return ends ? bytes : 0;
}

bool mu_text_split_lines(mu_run *run, mu_marked text, bool keeps_ends, mu_value_list **out) {
    if (!mu_value_list_new(run, 0, out) || !mu_run_charge(run, text.n / 64)) return false;
    size_t from = 0, at = 0;
    while (at < text.n) {
        size_t end = line_end(text.data + at, text.n - at);
        if (end == 0) {
            at += mu_characters_offset(text.data + at, text.n - at, 1);
            continue;
        }
        size_t n = at - from + (keeps_ends ? end : 0);
        if (!add(run, *out, mu_marked_slice(text, from, n))) return false;
        at += end;
        from = at;
    }
    return from == text.n || add(run, *out, mu_marked_slice(text, from, text.n - from));
}

/* Nothing stands between all characters, so Python puts the new text there too. */
static bool interleaved(mu_run *run, mu_marked text, mu_marked new, int64_t max, mu_marked *out) {
    mu_marked_builder b;
    mu_run_builder(run, &b);
    size_t at = 0;
    for (;;) {
        if (max != 0) mu_marked_append(&b, new);
        if (max > 0) max--;
        if (at >= text.n) break;
        size_t n = mu_characters_offset(text.data + at, text.n - at, 1);
        mu_marked_append(&b, mu_marked_slice(text, at, n));
        at += n;
    }
    return mu_run_charge(run, text.n) && mu_run_built(run, &b, out);
}

bool mu_text_replaced(mu_run *run, mu_marked text, mu_marked old, mu_marked new, int64_t max,
                      mu_marked *out) {
    if (old.n == 0) return interleaved(run, text, new, max, out);
    mu_marked_builder b;
    mu_run_builder(run, &b);
    size_t from = 0;
    if (!mu_run_charge(run, text.n / 64)) return false;
    for (; max != 0; max -= max > 0) {
        size_t found = mu_marked_find(text, old, from);
        if (found == SIZE_MAX) break;
        if (!mu_run_charge(run, 1)) return false;
        mu_marked_append(&b, mu_marked_slice(text, from, found - from));
        mu_marked_append(&b, new);
        from = found + old.n;
    }
    mu_marked_append(&b, mu_marked_slice(text, from, text.n - from));
    return mu_run_built(run, &b, out);
}

bool mu_text_escaped(mu_run *run, mu_marked text, mu_marked *out) {
    static const struct {
        char byte;
        const char *entity;
    } entities[] = {{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'\'', "&#39;"}, {'"', "&#34;"}};
    mu_marked_builder b;
    mu_run_builder(run, &b);
    if (!mu_run_charge(run, text.n / 16)) return false;
    for (size_t i = 0; i < text.n; i++) {
        const char *entity = NULL;
        for (size_t k = 0; k < MU_COUNTOF(entities); k++) {
            if (text.data[i] == entities[k].byte) entity = entities[k].entity;
        }
        if (entity) {
            mu_marked_append_bytes(&b, entity, strlen(entity), mu_marked_at(text, i));
        } else {
            mu_marked_append(&b, mu_marked_slice(text, i, 1));
        }
    }
    return mu_run_built(run, &b, out);
}
