#include "grammar/automaton.h"

#include <string.h>

#include "base/alloc.h"

static void fail(mu_automaton *a, mu_status status) {
    if (a->status == MU_OK) a->status = status;
}

static void fail_memory(mu_automaton *a) {
    fail(a, a->memory->is_full ? MU_ERR_LIMIT : MU_ERR_NOMEM);
}

mu_status mu_automaton_init(mu_automaton *a, mu_chunks *memory, const mu_lexicon *lexicon,
                            const mu_algebra *algebra, const mu_rules *rules) {
    *a = (mu_automaton){
        .memory = memory, .lexicon = lexicon, .algebra = algebra, .rules = rules, .n_lists = 1};
    if (algebra && algebra->n_objects > 0) {
        a->names = MU_ALLOC(struct mu_object_names *, algebra->n_objects);
        if (!a->names) return MU_ERR_NOMEM;
    }
    if (rules && rules->n_nodes > 0) {
        a->marks = MU_ALLOC(uint32_t, rules->n_nodes);
        if (!a->marks) return MU_ERR_NOMEM;
    }
    for (uint32_t i = MU_STATE_NONE; i <= MU_STATE_OUTSIDE; i++) {
        mu_key key = {.kind = MU_KIND_FIXED, .a = i};
        mu_state state = mu_automaton_intern(a, &key, NULL, 0);
        MU_ASSERT(a->status != MU_OK || state == i);
    }
    return a->status;
}

void mu_automaton_deinit(mu_automaton *a) {
    mu_free(a->rows);
    mu_free(a->slots);
    mu_free(a->lists);
    mu_free(a->names);
    mu_free(a->marks);
    *a = (mu_automaton){0};
}

/* Interning. */

static uint64_t hash_words(const void *data, size_t n_words, uint64_t hash) {
    const uint32_t *words = data;
    for (size_t i = 0; i < n_words; i++) {
        hash = (hash ^ words[i]) * UINT64_C(0x9E3779B97F4A7C15);
        hash ^= hash >> 32;
    }
    return hash;
}

static size_t row_slot(const mu_automaton *a, const mu_key *key, const uint32_t *extra,
                       uint32_t n_extra) {
    uint64_t hash = hash_words(key, sizeof(*key) / 4, n_extra);
    size_t slot = (size_t)hash_words(extra, n_extra, hash) & (a->slots_size - 1);
    while (a->slots[slot] != 0) {
        const mu_state_row *row = &a->rows[a->slots[slot] - 1];
        if (row->n_extra == n_extra && memcmp(row->key, key, sizeof(*key)) == 0 &&
            (n_extra == 0 || memcmp(row->extra, extra, n_extra * sizeof(*extra)) == 0)) {
            break;
        }
        slot = (slot + 1) & (a->slots_size - 1);
    }
    return slot;
}

static bool grow_rows(mu_automaton *a) {
    if (!mu_grow((void **)&a->rows, &a->cap, a->n + 1, sizeof(mu_state_row))) return false;
    if (a->n * 2 < a->slots_size) return true;
    size_t size = a->slots_size ? a->slots_size * 2 : 256;
    uint32_t *slots = MU_ALLOC(uint32_t, size);
    if (!slots) return false;
    mu_free(a->slots);
    a->slots = slots;
    a->slots_size = size;
    for (size_t i = 0; i < a->n; i++) {
        const mu_state_row *row = &a->rows[i];
        slots[row_slot(a, row->key, row->extra, row->n_extra)] = (uint32_t)i + 1;
    }
    return true;
}

static bool is_final(const mu_automaton *a, const mu_key *key, const uint32_t *extra,
                     uint32_t n_extra) {
    switch ((mu_state_kind)key->kind) {
    case MU_KIND_FIXED:
        return key->a == MU_STATE_DONE;
    case MU_KIND_TEXT:
        return mu_text_is_final(a, key);
    case MU_KIND_RULE:
        return mu_rule_is_final(a, extra, n_extra);
    case MU_KIND_LITERAL:
    case MU_KIND_STRING:
    case MU_KIND_VALUE:
    case MU_KIND_OBJECT:
    case MU_KIND_ARRAY:
        break;
    }
    return false;
}

mu_state mu_automaton_intern(mu_automaton *a, const mu_key *key, const uint32_t *extra,
                             uint32_t n_extra) {
    if (a->status != MU_OK) return MU_STATE_NONE;
    if (!grow_rows(a)) {
        fail_memory(a);
        return MU_STATE_NONE;
    }
    size_t slot = row_slot(a, key, extra, n_extra);
    if (a->slots[slot] != 0) return a->slots[slot] - 1;
    if (a->n == MU_STATES_MAX) {
        fail(a, MU_ERR_LIMIT);
        return MU_STATE_NONE;
    }
    mu_key *own_key = MU_CHUNK_NEW(a->memory, mu_key, 1);
    uint32_t *own_extra = MU_CHUNK_NEW(a->memory, uint32_t, n_extra);
    if (!own_key || !own_extra) {
        fail_memory(a);
        return MU_STATE_NONE;
    }
    *own_key = *key;
    if (n_extra > 0) memcpy(own_extra, extra, n_extra * sizeof(*extra));
    a->rows[a->n] = (mu_state_row){
        .key = own_key,
        .extra = own_extra,
        .n_extra = n_extra,
        .is_final = is_final(a, key, extra, n_extra),
        .has_next = key->kind != MU_KIND_FIXED,
    };
    a->slots[slot] = (uint32_t)++a->n;
    return (mu_state)(a->n - 1);
}

/* Paths. */

void mu_paths_add(mu_paths *paths, mu_state to) {
    if (to == MU_STATE_NONE) return;
    for (uint32_t i = 0; i < paths->n; i++) {
        if (paths->list[i].to == to && paths->list[i].n_pushed == 0) return;
    }
    if (paths->n < MU_PATHS_MAX) paths->list[paths->n] = (mu_path){.to = to};
    paths->n++; /* above the most: the move fails */
}

void mu_paths_push_below(mu_automaton *a, mu_paths *paths, uint32_t first, mu_state state) {
    for (uint32_t i = first; i < paths->n && i < MU_PATHS_MAX; i++) {
        mu_path *path = &paths->list[i];
        mu_state *pushed = MU_CHUNK_NEW(a->memory, mu_state, path->n_pushed + 1);
        if (!pushed || path->n_pushed == MU_PUSHES_MAX || state == MU_STATE_NONE) {
            fail(a, pushed || a->memory->is_full ? MU_ERR_LIMIT : MU_ERR_NOMEM);
            return;
        }
        pushed[0] = state;
        for (uint32_t j = 0; j < path->n_pushed; j++) {
            pushed[j + 1] = path->pushed[j];
        }
        path->pushed = pushed;
        path->n_pushed++;
    }
}

static void find_paths(mu_automaton *a, mu_state state, uint8_t byte, mu_paths *out) {
    mu_state_row row = a->rows[state]; /* a copy: rows move when states are added */
    switch ((mu_state_kind)row.key->kind) {
    case MU_KIND_FIXED:
        return;
    case MU_KIND_TEXT:
    case MU_KIND_STRING:
        mu_text_paths(a, &row, byte, out);
        return;
    case MU_KIND_LITERAL:
    case MU_KIND_VALUE:
    case MU_KIND_OBJECT:
    case MU_KIND_ARRAY:
        mu_json_paths(a, &row, byte, out);
        return;
    case MU_KIND_RULE:
        mu_rule_paths(a, &row, byte, out);
        return;
    }
}

static uint32_t keep_list(mu_automaton *a, const mu_paths *paths) {
    mu_path *list = MU_CHUNK_NEW(a->memory, mu_path, paths->n);
    if (!list ||
        !mu_grow((void **)&a->lists, &a->lists_cap, a->n_lists + 1, sizeof(mu_move_list))) {
        fail_memory(a);
        return MU_MOVE_NONE;
    }
    memcpy(list, paths->list, paths->n * sizeof(*list));
    a->lists[a->n_lists] = (mu_move_list){list, paths->n};
    return (uint32_t)(a->n_lists++ << 1 | 1);
}

uint32_t mu_automaton_move(mu_automaton *a, mu_state state, uint8_t byte) {
    if (a->status != MU_OK || !a->rows[state].has_next) return MU_MOVE_NONE;
    if (!a->rows[state].next) {
        a->rows[state].next = MU_CHUNK_NEW(a->memory, uint32_t, 256);
        if (!a->rows[state].next) {
            fail_memory(a);
            return MU_MOVE_NONE;
        }
    }
    mu_paths paths;
    paths.n = 0;
    a->n_work += 8 + a->rows[state].n_extra;
    find_paths(a, state, byte, &paths);
    if (paths.n > MU_PATHS_MAX) fail(a, MU_ERR_LIMIT);
    if (a->status != MU_OK) return MU_MOVE_NONE;
    uint32_t move = MU_MOVE_NONE;
    if (paths.n == 1 && paths.list[0].n_pushed == 0) {
        move = paths.list[0].to << 1;
    } else if (paths.n > 0) {
        move = keep_list(a, &paths);
    }
    if (a->status == MU_OK) a->rows[state].next[byte] = move;
    return move;
}
