#include "chat/jinja/marked.h"

#include <string.h>

mu_marked mu_marked_literal(const char *text) {
    return (mu_marked){.data = text, .n = strlen(text)};
}

mu_marked mu_marked_slice(mu_marked text, size_t from, size_t n) {
    MU_ASSERT(from <= text.n);
    MU_ASSERT(n <= text.n - from);
    return (mu_marked){.data = text.data ? text.data + from : NULL,
                       .marks = text.marks ? text.marks + from : NULL,
                       .n = n,
                       .from_input = text.from_input};
}

bool mu_marked_at(mu_marked text, size_t i) {
    MU_ASSERT(i < text.n);
    return text.marks ? text.marks[i] != 0 : text.from_input;
}

bool mu_marked_equals(mu_marked a, mu_marked b) {
    return a.n == b.n && (a.n == 0 || memcmp(a.data, b.data, a.n) == 0);
}

bool mu_marked_is(mu_marked text, const char *literal) {
    return mu_marked_equals(text, mu_marked_literal(literal));
}

/* Bytes of UTF-8 are ordered as the code points they stand for. */
int mu_marked_compare(mu_marked a, mu_marked b) {
    size_t n = a.n < b.n ? a.n : b.n;
    int order = n > 0 ? memcmp(a.data, b.data, n) : 0;
    return order != 0 ? order : (a.n > b.n) - (a.n < b.n);
}

size_t mu_marked_find(mu_marked text, mu_marked needle, size_t from) {
    if (from > text.n || needle.n > text.n - from) return SIZE_MAX;
    if (needle.n == 0) return from;
    const char *found = memmem(text.data + from, text.n - from, needle.data, needle.n);
    return found ? (size_t)(found - text.data) : SIZE_MAX;
}

size_t mu_marked_find_last(mu_marked text, mu_marked needle) {
    if (needle.n > text.n) return SIZE_MAX;
    for (size_t at = text.n - needle.n + 1; at-- > 0;) {
        if (needle.n == 0 || memcmp(text.data + at, needle.data, needle.n) == 0) return at;
    }
    return SIZE_MAX;
}

void mu_marked_builder_init(mu_marked_builder *b, mu_arena *arena, size_t n_max) {
    *b = (mu_marked_builder){.arena = arena, .n_max = n_max};
}

/* Room for need bytes in an array of the arena; in place when nothing was allocated behind it. */
static bool reserve(mu_arena *arena, void **array, size_t *cap, size_t n, size_t need) {
    if (need <= *cap) return true;
    size_t grown = *cap < 64 ? 64 : 2 * *cap;
    if (grown < need) grown = need;
    uint8_t *old = *array;
    if (old && old + *cap == arena->base + arena->used) {
        if (!mu_arena_alloc(arena, grown - *cap, 1, 1)) return false;
        *cap = grown;
        return true;
    }
    void *data = mu_arena_alloc(arena, grown, 1, 1);
    if (!data) return false;
    if (n > 0) memcpy(data, old, n);
    *array = data;
    *cap = grown;
    return true;
}

static bool reserve_marks(mu_marked_builder *b, size_t need) {
    bool is_first = !b->marks;
    void *marks = b->marks;
    if (!reserve(b->arena, &marks, &b->marks_cap, is_first ? 0 : b->n, need)) return false;
    b->marks = marks;
    if (is_first) memset(b->marks, b->from_input, b->n);
    return true;
}

void mu_marked_append(mu_marked_builder *b, mu_marked text) {
    if (b->failed || text.n == 0) return;
    if (text.n > b->n_max - b->n) {
        b->failed = b->is_too_long = true;
        return;
    }
    if (b->n == 0) b->from_input = text.marks ? false : text.from_input;
    bool is_mixed = b->marks || text.marks || text.from_input != b->from_input;
    void *data = b->data;
    bool ok = reserve(b->arena, &data, &b->cap, b->n, b->n + text.n);
    b->data = data;
    if (!ok || (is_mixed && !reserve_marks(b, b->n + text.n))) {
        b->failed = true;
        return;
    }
    memcpy(b->data + b->n, text.data, text.n);
    if (is_mixed && text.marks) memcpy(b->marks + b->n, text.marks, text.n);
    if (is_mixed && !text.marks) memset(b->marks + b->n, text.from_input, text.n);
    b->n += text.n;
}

void mu_marked_append_bytes(mu_marked_builder *b, const char *data, size_t n, bool from_input) {
    mu_marked_append(b, (mu_marked){.data = data, .n = n, .from_input = from_input});
}

void mu_marked_append_literal(mu_marked_builder *b, const char *text) {
    mu_marked_append(b, mu_marked_literal(text));
}

mu_marked mu_marked_built(const mu_marked_builder *b) {
    return (mu_marked){.data = b->data, .marks = b->marks, .n = b->n, .from_input = b->from_input};
}
