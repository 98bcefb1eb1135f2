/* Each keyword narrows the set that its schema means; keywords that lean on one another (those of
 * objects, of arrays, if/then/else) are one group. A table says which is which.
 */
#include "grammar/json_schema.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "grammar/number.h"
#include "grammar/regex.h"
#include "grammar/string_format.h"

enum { PATTERNS_MAX = 200, KEY_CLASSES_MAX = 64, PLACE_BYTES = 150 };
#define NO_NODE UINT32_MAX

typedef struct mu_schema_node {
    const json_t *value;
    const json_t *resource; /* the schema with an $id that it belongs to, or the root */
    uint32_t parent;
    const char *key, *within; /* borrowed: keyword, and name below it or NULL */
    size_t index;             /* below it, where there is no name */
    bool has_index, is_const; /* is_const: the value itself, not a schema */
} node;

typedef struct mu_schema_pattern {
    const char *text; /* borrowed */
    mu_lexeme lexeme;
} pattern;

typedef mu_schema schema;

static bool has_failed(const schema *s) {
    return s->algebra->lexicon->status != MU_OK;
}

/* Places. */

static size_t write_place(const schema *s, uint32_t at, char *out, size_t size) {
    if (at == NO_NODE || s->nodes[at].parent == NO_NODE) return (size_t)snprintf(out, size, "#");
    const node *n = &s->nodes[at];
    size_t used = write_place(s, n->parent, out, size);
    if (used >= size) return used;
    const char *slash = n->key[0] ? "/" : "";
    if (n->has_index) {
        used += (size_t)snprintf(out + used, size - used, "%s%s/%zu", slash, n->key, n->index);
    } else if (n->within) {
        used += (size_t)snprintf(out + used, size - used, "%s%s/%s", slash, n->key, n->within);
    } else {
        used += (size_t)snprintf(out + used, size - used, "%s%s", slash, n->key);
    }
    return used;
}

/* Puts the place in front of the lexicon's error, once. */
static void add_place(schema *s, uint32_t at, const char *keyword) {
    mu_lexicon *lexicon = s->algebra->lexicon;
    if (lexicon->status == MU_OK || s->has_place) return;
    s->has_place = true;
    char place[PLACE_BYTES], text[sizeof(lexicon->err.text)];
    write_place(s, at, place, sizeof(place));
    memcpy(text, lexicon->err.text, sizeof(text));
    bool has_keyword = keyword && keyword[0];
    snprintf(lexicon->err.text, sizeof(text), "%s%s%s: %s", place, has_keyword ? "/" : "",
             has_keyword ? keyword : "", text);
}

static void fail(schema *s, uint32_t at, const char *keyword, mu_status status, const char *text) {
    mu_lexicon_fail(s->algebra->lexicon, status, text);
    add_place(s, at, keyword);
}

/* Nodes. */

static size_t node_slot(const schema *s, const json_t *value) {
    size_t slot = (size_t)((uintptr_t)value * UINT64_C(0x9E3779B97F4A7C15) >> 32);
    slot &= s->slots_size - 1;
    while (s->slots[slot] != 0 && s->nodes[s->slots[slot] - 1].value != value) {
        slot = (slot + 1) & (s->slots_size - 1);
    }
    return slot;
}

/* Room for one more schema in the table; constants are not in it. */
static bool grow_slots(schema *s) {
    if (s->n_nodes * 2 < s->slots_size) return true;
    size_t size = s->slots_size ? s->slots_size * 2 : 64;
    uint32_t *slots = MU_ALLOC(uint32_t, size);
    if (!slots) return false;
    mu_free(s->slots);
    s->slots = slots;
    s->slots_size = size;
    for (size_t i = 0; i < s->n_nodes; i++) {
        if (!s->nodes[i].is_const) slots[node_slot(s, s->nodes[i].value)] = (uint32_t)i + 1;
    }
    return true;
}

static uint32_t add_node(schema *s, const node *like) {
    if (has_failed(s)) return 0;
    if (s->n_nodes == MU_SCHEMA_NODES_MAX) {
        fail(s, like->parent, like->key, MU_ERR_LIMIT, "the schema has too many parts");
        return 0;
    }
    if (!mu_grow((void **)&s->nodes, &s->nodes_cap, s->n_nodes + 1, sizeof(node))) {
        mu_lexicon_fail_nomem(s->algebra->lexicon);
        return 0;
    }
    node n = *like;
    n.resource = n.parent == NO_NODE ? s->root : s->nodes[n.parent].resource;
    const json_t *id = n.is_const ? NULL : json_object_get(n.value, "$id");
    if (json_is_string(id) && json_string_value(id)[0] != '#') n.resource = n.value;
    s->nodes[s->n_nodes] = n;
    return (uint32_t)s->n_nodes++;
}

/* A schema below a keyword; the same one is one node. Boolean schemas have values already. */
static mu_expr child_of(schema *s, const node *like) {
    if (has_failed(s)) return MU_EXPR_FALSE;
    if (json_is_true(like->value)) return MU_EXPR_TRUE;
    if (json_is_false(like->value)) return MU_EXPR_FALSE;
    if (!json_is_object(like->value)) {
        fail(s, like->parent, like->key, MU_ERR_INVALID,
             "expected a schema: an object or a boolean");
        return MU_EXPR_FALSE;
    }
    if (json_object_size(like->value) == 0) return MU_EXPR_TRUE;
    if (!grow_slots(s)) {
        mu_lexicon_fail_nomem(s->algebra->lexicon);
        return MU_EXPR_FALSE;
    }
    size_t slot = node_slot(s, like->value);
    if (s->slots[slot] == 0) {
        uint32_t added = add_node(s, like);
        if (has_failed(s)) return MU_EXPR_FALSE;
        s->slots[slot] = added + 1;
    }
    return mu_expr_node(s->algebra, s->slots[slot] - 1);
}

static mu_expr child(schema *s, uint32_t at, const char *key, const json_t *value) {
    return child_of(s, &(node){.value = value, .parent = at, .key = key});
}

static mu_expr child_at(schema *s, uint32_t at, const char *key, size_t i, const json_t *value) {
    return child_of(
        s, &(node){.value = value, .parent = at, .key = key, .index = i, .has_index = true});
}

static mu_expr child_named(schema *s, uint32_t at, const char *key, const char *name,
                           const json_t *value) {
    return child_of(s, &(node){.value = value, .parent = at, .key = key, .within = name});
}

static mu_expr const_child(schema *s, uint32_t at, const json_t *value) {
    return mu_expr_node(
        s->algebra,
        add_node(s, &(node){.value = value, .parent = at, .key = "", .is_const = true}));
}

/* Small sets. */

static mu_value_set all_but_numbers(schema *s, mu_lexeme number) {
    mu_value_set set = mu_value_set_all(s->algebra);
    set.number = number;
    return set;
}

static mu_value_set all_but_strings(schema *s, mu_lexeme string) {
    mu_value_set set = mu_value_set_all(s->algebra);
    set.string = string;
    return set;
}

static mu_value_set all_but_objects(schema *s) {
    mu_value_set set = mu_value_set_all(s->algebra);
    set.n_objects = 0;
    return set;
}

static void narrow(schema *s, mu_value_set *set, const mu_value_set *by) {
    *set = mu_value_set_and(s->algebra, set, by);
}

static bool narrow_by(schema *s, mu_value_set *set, mu_expr expr) {
    if (expr == MU_EXPR_TRUE) return true;
    const mu_value_set *by = mu_expr_evaluate(s->algebra, expr);
    if (by) narrow(s, set, by);
    return by != NULL;
}

/* Constants. */

static mu_lexeme number_of(schema *s, uint32_t at, const char *keyword, mu_number_bound kind,
                           const json_t *value) {
    char text[MU_NUMBER_TEXT_MAX];
    if (json_is_integer(value)) {
        snprintf(text, sizeof(text), "%lld", (long long)json_integer_value(value));
    } else if (!json_is_real(value) || !mu_number_write(json_real_value(value), text)) {
        fail(s, at, keyword, MU_ERR_INVALID, "expected a number");
        return MU_LEXEME_NONE;
    }
    return mu_number_bounded(s->algebra->lexicon, kind, text);
}

static mu_value_set const_array(schema *s, uint32_t at, const json_t *value) {
    mu_value_set set = {0};
    size_t n = json_array_size(value);
    mu_array_shape shape = mu_array_shape_all();
    mu_expr *prefix = MU_CHUNK_NEW(s->algebra->memory, mu_expr, n);
    if (!prefix) {
        mu_lexicon_fail_nomem(s->algebra->lexicon);
        return set;
    }
    for (size_t i = 0; i < n && !has_failed(s); i++) {
        prefix[i] = const_child(s, at, json_array_get(value, i));
    }
    shape.prefix = prefix;
    shape.rest = MU_EXPR_FALSE;
    shape.n_prefix = shape.n_min = shape.n_max = (uint32_t)n;
    mu_value_set_add_array(s->algebra, &set, &shape);
    return set;
}

static void put_slot(mu_object_shape *shape, const char *name, mu_expr expr, bool is_required) {
    ((mu_slot *)shape->slots)[shape->n_slots++] =
        (mu_slot){name, (uint32_t)strlen(name), is_required, expr};
}

static void put_class(mu_object_shape *shape, mu_lexeme keys, mu_expr expr) {
    if (keys == MU_LEXEME_NONE || expr == MU_EXPR_FALSE) return;
    ((mu_key_class *)shape->classes)[shape->n_classes++] = (mu_key_class){keys, expr, false};
}

static mu_value_set const_object(schema *s, uint32_t at, const json_t *value) {
    mu_value_set set = {0};
    mu_object_shape *shape = mu_object_shape_new(s->algebra, (uint32_t)json_object_size(value), 0);
    const char *key;
    json_t *member;
    if (!shape) return set;
    json_object_foreach((json_t *)value, key, member) {
        put_slot(shape, key, const_child(s, at, member), true);
    }
    mu_value_set_add_object(s->algebra, &set, shape);
    return set;
}

static mu_value_set const_set(schema *s, uint32_t at, const json_t *value) {
    mu_value_set set = {0};
    mu_regex_text text;
    switch (json_typeof(value)) {
    case JSON_NULL:
        set.literals = MU_LITERAL_NULL;
        return set;
    case JSON_TRUE:
        set.literals = MU_LITERAL_TRUE;
        return set;
    case JSON_FALSE:
        set.literals = MU_LITERAL_FALSE;
        return set;
    case JSON_INTEGER:
    case JSON_REAL:
        set.number = number_of(s, at, "const", MU_NUMBER_EQUAL, value);
        return set;
    case JSON_STRING:
        text = (mu_regex_text){json_string_value(value), json_string_length(value)};
        set.string = mu_regex_texts(s->algebra->lexicon, &text, 1);
        return set;
    case JSON_ARRAY:
        return const_array(s, at, value);
    case JSON_OBJECT:
        return const_object(s, at, value);
    }
    return set;
}

static bool apply_const(schema *s, uint32_t at, const json_t *value, mu_value_set *set) {
    mu_value_set one = const_set(s, at, value);
    narrow(s, set, &one);
    return true;
}

static bool apply_enum(schema *s, uint32_t at, const json_t *value, mu_value_set *set) {
    if (!json_is_array(value)) {
        fail(s, at, "enum", MU_ERR_INVALID, "expected an array");
        return true;
    }
    size_t n = json_array_size(value), n_texts = 0;
    mu_regex_text *texts = MU_ALLOC(mu_regex_text, n + 1);
    if (!texts) {
        mu_lexicon_fail_nomem(s->algebra->lexicon);
        return true;
    }
    mu_value_set sum = {0};
    for (size_t i = 0; i < n && !has_failed(s); i++) {
        const json_t *one = json_array_get(value, i);
        if (json_is_string(one)) {
            texts[n_texts++] = (mu_regex_text){json_string_value(one), json_string_length(one)};
        } else {
            mu_value_set other = const_set(s, at, one);
            sum = mu_value_set_or(s->algebra, &sum, &other);
        }
    }
    if (n_texts > 0) sum.string = mu_regex_texts(s->algebra->lexicon, texts, n_texts);
    mu_free(texts);
    narrow(s, set, &sum);
    return true;
}

/* Types, numbers, strings. */

static bool add_type(schema *s, const char *name, mu_value_set *set) {
    mu_value_set all = mu_value_set_all(s->algebra);
    if (strcmp(name, "null") == 0) {
        set->literals |= MU_LITERAL_NULL;
    } else if (strcmp(name, "boolean") == 0) {
        set->literals |= MU_LITERAL_TRUE | MU_LITERAL_FALSE;
    } else if (strcmp(name, "integer") == 0) {
        if (set->number == MU_LEXEME_NONE) set->number = s->algebra->number_integer;
    } else if (strcmp(name, "number") == 0) {
        set->number = s->algebra->number_any;
    } else if (strcmp(name, "string") == 0) {
        set->string = MU_LEXEME_ANY;
    } else if (strcmp(name, "array") == 0) {
        set->arrays = all.arrays;
        set->n_arrays = all.n_arrays;
    } else if (strcmp(name, "object") == 0) {
        set->objects = all.objects;
        set->n_objects = all.n_objects;
    } else if (strcmp(name, "any") == 0) { /* draft 3, still written */
        *set = all;
    } else {
        return false;
    }
    return true;
}

static bool apply_type(schema *s, uint32_t at, const json_t *value, mu_value_set *set) {
    mu_value_set sum = {0};
    size_t n = json_is_array(value) ? json_array_size(value) : 1;
    for (size_t i = 0; i < n; i++) {
        const json_t *one = json_is_array(value) ? json_array_get(value, i) : value;
        if (!json_is_string(one) || !add_type(s, json_string_value(one), &sum)) {
            fail(s, at, "type", MU_ERR_INVALID, "not a type of JSON Schema");
        }
    }
    narrow(s, set, &sum);
    return true;
}

static void apply_bound(schema *s, uint32_t at, const char *keyword, mu_number_bound kind,
                        mu_value_set *set) {
    const json_t *value = json_object_get(s->nodes[at].value, keyword);
    if (!value) return;
    mu_value_set by = all_but_numbers(s, number_of(s, at, keyword, kind, value));
    narrow(s, set, &by);
}

/* In draft 4 exclusiveMinimum is a boolean that sharpens minimum. */
static bool apply_bounds(schema *s, uint32_t at, const json_t *value, mu_value_set *set) {
    (void)value;
    const json_t *object = s->nodes[at].value;
    const json_t *above = json_object_get(object, "exclusiveMinimum");
    const json_t *below = json_object_get(object, "exclusiveMaximum");
    apply_bound(s, at, "minimum", json_is_true(above) ? MU_NUMBER_ABOVE : MU_NUMBER_AT_LEAST, set);
    apply_bound(s, at, "maximum", json_is_true(below) ? MU_NUMBER_BELOW : MU_NUMBER_AT_MOST, set);
    if (!json_is_boolean(above)) apply_bound(s, at, "exclusiveMinimum", MU_NUMBER_ABOVE, set);
    if (!json_is_boolean(below)) apply_bound(s, at, "exclusiveMaximum", MU_NUMBER_BELOW, set);
    return true;
}

static bool apply_multiple(schema *s, uint32_t at, const json_t *value, mu_value_set *set) {
    char text[MU_NUMBER_TEXT_MAX];
    if (!json_is_number(value) || !(json_number_value(value) > 0) ||
        !mu_number_write(json_number_value(value), text)) {
        fail(s, at, "multipleOf", MU_ERR_INVALID, "expected a positive number");
        return true;
    }
    mu_lexeme multiple = mu_number_multiple(s->algebra->lexicon, text);
    mu_value_set by = all_but_numbers(s, multiple);
    narrow(s, set, &by);
    add_place(s, at, "multipleOf");
    return true;
}

static uint32_t count_of(schema *s, uint32_t at, const char *keyword, uint32_t otherwise) {
    const json_t *value = json_object_get(s->nodes[at].value, keyword);
    if (!value) return otherwise;
    double number = json_number_value(value);
    if (!json_is_number(value) || !(number >= 0) || number != floor(number)) {
        fail(s, at, keyword, MU_ERR_INVALID, "expected a whole number, not negative");
        return otherwise;
    }
    return number < UINT32_MAX ? (uint32_t)number : UINT32_MAX;
}

static bool apply_length(schema *s, uint32_t at, const json_t *value, mu_value_set *set) {
    (void)value;
    uint32_t n_min = count_of(s, at, "minLength", 0);
    uint32_t n_max = count_of(s, at, "maxLength", UINT32_MAX);
    mu_value_set by = all_but_strings(s, mu_lexeme_length(s->algebra->lexicon, n_min, n_max));
    narrow(s, set, &by);
    add_place(s, at, json_object_get(s->nodes[at].value, "maxLength") ? "maxLength" : "minLength");
    return true;
}

static mu_lexeme pattern_lexeme(schema *s, const char *text) {
    for (size_t i = 0; i < s->n_patterns; i++) {
        if (strcmp(s->patterns[i].text, text) == 0) return s->patterns[i].lexeme;
    }
    mu_lexeme lexeme = mu_regex_lexeme(s->algebra->lexicon, text, strlen(text), MU_REGEX_SEARCH);
    if (has_failed(s)) return lexeme;
    if (s->n_patterns < PATTERNS_MAX) {
        if (!mu_grow((void **)&s->patterns, &s->patterns_cap, s->n_patterns + 1, sizeof(pattern))) {
            mu_lexicon_fail_nomem(s->algebra->lexicon);
            return MU_LEXEME_NONE;
        }
        s->patterns[s->n_patterns++] = (pattern){text, lexeme};
    }
    return lexeme;
}

static bool apply_pattern(schema *s, uint32_t at, const json_t *value, mu_value_set *set) {
    if (!json_is_string(value)) {
        fail(s, at, "pattern", MU_ERR_INVALID, "expected a string");
        return true;
    }
    mu_lexeme lexeme = pattern_lexeme(s, json_string_value(value));
    mu_value_set by = all_but_strings(s, lexeme);
    narrow(s, set, &by);
    add_place(s, at, "pattern");
    return true;
}

static bool apply_format(schema *s, uint32_t at, const json_t *value, mu_value_set *set) {
    (void)at;
    mu_lexeme lexeme;
    if (json_is_string(value) &&
        mu_string_format(s->algebra->lexicon, json_string_value(value), &lexeme)) {
        mu_value_set by = all_but_strings(s, lexeme);
        narrow(s, set, &by);
    }
    return true;
}

/* Objects. */

/* A part of the names that no slot has: which patterns hold there. */
typedef struct part {
    mu_lexeme keys;
    mu_expr expr;
    bool has_pattern;
} part;

static void split_parts(schema *s, uint32_t at, part *parts, uint32_t *n, mu_lexeme keys,
                        mu_expr expr) {
    uint32_t n_before = *n;
    for (uint32_t i = 0; i < n_before && !has_failed(s); i++) {
        part old = parts[i];
        mu_lexeme in = mu_lexeme_and(s->algebra->lexicon, old.keys, keys);
        if (in == MU_LEXEME_NONE) continue;
        mu_lexeme out = mu_lexeme_minus(s->algebra->lexicon, old.keys, keys);
        mu_expr both = old.has_pattern ? mu_expr_and(s->algebra, old.expr, expr) : expr;
        parts[i] = (part){in, both, true};
        if (out == MU_LEXEME_NONE) continue;
        if (*n == KEY_CLASSES_MAX) {
            fail(s, at, "patternProperties", MU_ERR_LIMIT, "too many patterns that overlap");
            return;
        }
        old.keys = out;
        parts[(*n)++] = old;
    }
}

/* What all keywords but `properties` say of a name: the patterns that match, or the rest. */
static mu_expr expr_of_other_name(schema *s, uint32_t at, const char *name, mu_expr additional,
                                  bool is_declared) {
    const json_t *patterns = json_object_get(s->nodes[at].value, "patternProperties");
    mu_expr expr = MU_EXPR_TRUE;
    bool has_pattern = false;
    const char *text;
    json_t *value;
    json_object_foreach((json_t *)patterns, text, value) {
        mu_lexeme lexeme = pattern_lexeme(s, text);
        if (!mu_lexicon_spend(s->algebra->lexicon, strlen(name) + 1)) return MU_EXPR_FALSE;
        if (!mu_lexeme_matches(s->algebra->lexicon, lexeme, name, strlen(name))) continue;
        has_pattern = true;
        expr = mu_expr_and(s->algebra, expr, child_named(s, at, "patternProperties", text, value));
    }
    return has_pattern || is_declared ? expr : additional;
}

static bool is_in(const schema *s, const json_t *array, const char *name) {
    if (!mu_lexicon_spend(s->algebra->lexicon, json_array_size(array))) return false;
    for (size_t i = 0; i < json_array_size(array); i++) {
        const char *one = json_string_value(json_array_get(array, i));
        if (one && strcmp(one, name) == 0) return true;
    }
    return false;
}

static const json_t *member(schema *s, uint32_t at, const char *keyword, json_type type,
                            const char *expected) {
    const json_t *value = json_object_get(s->nodes[at].value, keyword);
    if (!value || json_typeof(value) == type) return value;
    fail(s, at, keyword, MU_ERR_INVALID, expected);
    return NULL;
}

/* required was a boolean in draft 3, which real schemas still carry inside properties; there it
 * says nothing of this object. */
static const json_t *required_of(schema *s, uint32_t at) {
    const json_t *required = json_object_get(s->nodes[at].value, "required");
    if (json_is_boolean(required)) return NULL;
    return member(s, at, "required", JSON_ARRAY, "expected an array of names");
}

static void add_slots(schema *s, uint32_t at, mu_object_shape *shape, mu_expr additional) {
    const json_t *properties = json_object_get(s->nodes[at].value, "properties");
    const json_t *required = required_of(s, at);
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)properties, name, value) {
        mu_expr own = child_named(s, at, "properties", name, value);
        mu_expr expr =
            mu_expr_and(s->algebra, own, expr_of_other_name(s, at, name, additional, true));
        put_slot(shape, name, expr, is_in(s, required, name));
    }
    for (size_t i = 0; i < json_array_size(required) && !has_failed(s); i++) {
        name = json_string_value(json_array_get(required, i));
        if (!name) {
            fail(s, at, "required", MU_ERR_INVALID, "expected an array of names");
            return;
        }
        bool is_known = json_object_get(properties, name) != NULL;
        for (uint32_t j = 0; j < shape->n_slots && !is_known; j++) {
            is_known = strcmp(shape->slots[j].name, name) == 0;
        }
        if (!is_known) {
            put_slot(shape, name, expr_of_other_name(s, at, name, additional, false), true);
        }
    }
}

static void add_classes(schema *s, uint32_t at, mu_object_shape *shape, mu_expr additional) {
    part parts[KEY_CLASSES_MAX];
    uint32_t n = 1;
    mu_lexicon *lexicon = s->algebra->lexicon;
    mu_lexeme names = mu_slot_names(s->algebra, shape->slots, shape->n_slots);
    parts[0] = (part){mu_lexeme_minus(lexicon, MU_LEXEME_ANY, names), additional, false};
    const json_t *patterns = json_object_get(s->nodes[at].value, "patternProperties");
    const char *text;
    json_t *value;
    json_object_foreach((json_t *)patterns, text, value) {
        mu_lexeme keys = pattern_lexeme(s, text);
        mu_expr expr = child_named(s, at, "patternProperties", text, value);
        split_parts(s, at, parts, &n, keys, expr);
        add_place(s, at, "patternProperties");
    }
    for (uint32_t i = 0; i < n && !has_failed(s); i++) {
        put_class(shape, parts[i].keys, parts[i].expr);
    }
}

/* False: propertyNames refers to this schema itself. */
static bool restrict_names(schema *s, uint32_t at, mu_object_shape *shape) {
    const json_t *value = json_object_get(s->nodes[at].value, "propertyNames");
    if (!value) return true;
    const mu_value_set *set = mu_expr_evaluate(s->algebra, child(s, at, "propertyNames", value));
    if (!set) return false;
    for (uint32_t i = 0; i < shape->n_slots; i++) {
        mu_slot *slot = &((mu_slot *)shape->slots)[i];
        if (!mu_lexeme_matches(s->algebra->lexicon, set->string, slot->name, slot->n_name)) {
            slot->expr = MU_EXPR_FALSE;
        }
    }
    uint32_t n = shape->n_classes;
    shape->n_classes = 0;
    for (uint32_t i = 0; i < n; i++) {
        mu_key_class c = shape->classes[i];
        put_class(shape, mu_lexeme_and(s->algebra->lexicon, c.keys, set->string), c.expr);
    }
    return true;
}

/* Does an object need properties that it does not name? */
static bool needs_others(const json_t *object) {
    const json_t *named = json_object_get(object, "properties"), *name;
    const json_t *n_min = json_object_get(object, "minProperties");
    bool needs = json_integer_value(n_min) > (json_int_t)json_object_size(named);
    size_t i;
    json_array_foreach(json_object_get(object, "required"), i, name) {
        const char *text = json_string_value(name);
        needs = needs || (text && !json_object_get(named, text));
    }
    return named && needs;
}

/* Can the objects of a document be closed one by one? Not where several schemas share one. */
static bool may_close(const json_t *in) {
    static const char *const shares[] = {
        "allOf", "not", "if", "dependentSchemas", "dependencies", "dependentRequired"};
    static const char *const shares_beside[] = {"anyOf", "oneOf", "$ref"};
    const char *key;
    json_t *value;
    bool may = !needs_others(in);
    for (size_t i = 0; i < MU_COUNTOF(shares); i++) {
        may = may && !json_object_get(in, shares[i]);
    }
    for (size_t i = 0; i < MU_COUNTOF(shares_beside); i++) {
        bool is_shared = json_object_get(in, "properties") && json_object_get(in, shares_beside[i]);
        may = may && !is_shared;
    }
    json_object_foreach((json_t *)in, key, value) {
        may = may && may_close(value);
    }
    for (size_t i = 0; i < json_array_size(in) && may; i++) {
        may = may_close(json_array_get(in, i));
    }
    return may;
}

/* Of properties that the schema does not name. */
static mu_expr others_of(schema *s, uint32_t at) {
    const json_t *object = s->nodes[at].value;
    const json_t *rest = json_object_get(object, "additionalProperties");
    if (rest) return child(s, at, "additionalProperties", rest);
    bool is_named =
        json_object_get(object, "properties") && !json_object_get(object, "patternProperties");
    return s->is_closed && is_named ? MU_EXPR_FALSE : MU_EXPR_TRUE;
}

static bool apply_object(schema *s, uint32_t at, const json_t *value, mu_value_set *set) {
    (void)value;
    const json_t *properties = member(s, at, "properties", JSON_OBJECT, "expected an object");
    member(s, at, "patternProperties", JSON_OBJECT, "expected an object");
    const json_t *required = required_of(s, at);
    mu_expr additional = others_of(s, at);
    size_t n_slots = json_object_size(properties) + json_array_size(required);
    if (n_slots > MU_SLOTS_MAX) fail(s, at, "properties", MU_ERR_LIMIT, "too many properties");
    if (has_failed(s)) return true;
    mu_object_shape *shape = mu_object_shape_new(s->algebra, (uint32_t)n_slots, KEY_CLASSES_MAX);
    if (!shape) return true;
    add_slots(s, at, shape, additional);
    add_classes(s, at, shape, additional);
    shape->n_min = count_of(s, at, "minProperties", 0);
    shape->n_max = count_of(s, at, "maxProperties", UINT32_MAX);
    if (!restrict_names(s, at, shape)) return has_failed(s);
    mu_value_set by = all_but_objects(s);
    mu_value_set_add_object(s->algebra, &by, shape);
    narrow(s, set, &by);
    return true;
}

/* Arrays. */

static void set_items(schema *s, uint32_t at, mu_array_shape *shape) {
    const json_t *object = s->nodes[at].value, *items = json_object_get(object, "items");
    const json_t *prefix = json_object_get(object, "prefixItems");
    const char *prefix_key = "prefixItems", *rest_key = "items";
    if (json_is_array(items)) { /* draft 2019-09 and before */
        prefix = items;
        items = json_object_get(object, "additionalItems");
        prefix_key = "items";
        rest_key = "additionalItems";
    }
    if (prefix && !json_is_array(prefix)) {
        fail(s, at, prefix_key, MU_ERR_INVALID, "expected an array of schemas");
        return;
    }
    size_t n = json_array_size(prefix);
    mu_expr *exprs = MU_CHUNK_NEW(s->algebra->memory, mu_expr, n);
    if (!exprs) {
        mu_lexicon_fail_nomem(s->algebra->lexicon);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        exprs[i] = child_at(s, at, prefix_key, i, json_array_get(prefix, i));
    }
    shape->prefix = exprs;
    shape->n_prefix = (uint32_t)n;
    if (items) shape->rest = child(s, at, rest_key, items);
}

static bool apply_array(schema *s, uint32_t at, const json_t *value, mu_value_set *set) {
    (void)value;
    mu_array_shape shape = mu_array_shape_all();
    set_items(s, at, &shape);
    shape.n_min = count_of(s, at, "minItems", 0);
    shape.n_max = count_of(s, at, "maxItems", UINT32_MAX);
    const json_t *contains = json_object_get(s->nodes[at].value, "contains");
    if (contains) {
        mu_contains c = {child(s, at, "contains", contains), count_of(s, at, "minContains", 1),
                         count_of(s, at, "maxContains", UINT32_MAX), 0};
        if (c.n_min > 0 || c.n_max != UINT32_MAX) shape.contains[shape.n_contains++] = c;
    }
    mu_value_set by = mu_value_set_all(s->algebra);
    by.n_arrays = 0;
    mu_value_set_add_array(s->algebra, &by, &shape);
    narrow(s, set, &by);
    return true;
}

static bool apply_unique(schema *s, uint32_t at, const json_t *value, mu_value_set *set) {
    (void)set;
    if (!json_is_true(value) || count_of(s, at, "maxItems", 2) < 2) return true;
    fail(s, at, "uniqueItems", MU_ERR_UNSUPPORTED, "not supported");
    return true;
}

/* Combinations. */

static const json_t *schemas_of(schema *s, uint32_t at, const char *keyword, const json_t *value) {
    if (json_is_array(value) && json_array_size(value) > 0) return value;
    fail(s, at, keyword, MU_ERR_INVALID, "expected an array of schemas");
    return NULL;
}

static bool apply_all_of(schema *s, uint32_t at, const json_t *value, mu_value_set *set) {
    value = schemas_of(s, at, "allOf", value);
    for (size_t i = 0; i < json_array_size(value); i++) {
        mu_expr expr = child_at(s, at, "allOf", i, json_array_get(value, i));
        if (!narrow_by(s, set, expr)) return false;
        add_place(s, at, "allOf");
    }
    return true;
}

static bool apply_any_of(schema *s, uint32_t at, const json_t *value, mu_value_set *set) {
    value = schemas_of(s, at, "anyOf", value);
    mu_value_set sum = {0};
    for (size_t i = 0; i < json_array_size(value); i++) {
        const mu_value_set *one =
            mu_expr_evaluate(s->algebra, child_at(s, at, "anyOf", i, json_array_get(value, i)));
        if (!one) return false;
        sum = mu_value_set_or(s->algebra, &sum, one);
    }
    narrow(s, set, &sum);
    add_place(s, at, "anyOf");
    return true;
}

/* Where two members have values in common, neither may be the other: a and not b. */
static mu_value_set only_one(schema *s, const mu_value_set *const *sets, size_t n, size_t i) {
    mu_value_set one = *sets[i];
    for (size_t j = 0; j < n && !has_failed(s); j++) {
        if (j == i) continue;
        mu_value_set both = mu_value_set_and(s->algebra, &one, sets[j]);
        if (!mu_value_set_may_live(s->algebra, &both)) continue;
        mu_value_set others = mu_value_set_not(s->algebra, sets[j]);
        one = mu_value_set_and(s->algebra, &one, &others);
    }
    return one;
}

static bool apply_one_of(schema *s, uint32_t at, const json_t *value, mu_value_set *set) {
    value = schemas_of(s, at, "oneOf", value);
    size_t n = json_array_size(value);
    const mu_value_set **sets = MU_ALLOC(const mu_value_set *, n + 1);
    if (!sets) {
        mu_lexicon_fail_nomem(s->algebra->lexicon);
        return true;
    }
    mu_value_set sum = {0};
    bool ok = true;
    for (size_t i = 0; i < n && ok; i++) {
        sets[i] =
            mu_expr_evaluate(s->algebra, child_at(s, at, "oneOf", i, json_array_get(value, i)));
        ok = sets[i] != NULL;
    }
    for (size_t i = 0; i < n && ok && !has_failed(s); i++) {
        mu_value_set one = only_one(s, sets, n, i);
        sum = mu_value_set_or(s->algebra, &sum, &one);
    }
    mu_free(sets);
    if (ok) narrow(s, set, &sum);
    add_place(s, at, "oneOf");
    return ok;
}

static bool apply_not(schema *s, uint32_t at, const json_t *value, mu_value_set *set) {
    bool ok = narrow_by(s, set, mu_expr_not(s->algebra, child(s, at, "not", value)));
    add_place(s, at, "not");
    return ok;
}

static bool branch(schema *s, uint32_t at, const char *keyword, const mu_value_set *when,
                   mu_value_set *sum) {
    const json_t *value = json_object_get(s->nodes[at].value, keyword);
    mu_value_set one = *when;
    if (value && !narrow_by(s, &one, child(s, at, keyword, value))) return false;
    *sum = mu_value_set_or(s->algebra, sum, &one);
    return true;
}

static bool apply_if(schema *s, uint32_t at, const json_t *value, mu_value_set *set) {
    const json_t *object = s->nodes[at].value;
    if (!json_object_get(object, "then") && !json_object_get(object, "else")) return true;
    mu_expr when = child(s, at, "if", value);
    const mu_value_set *yes = mu_expr_evaluate(s->algebra, when);
    const mu_value_set *no =
        yes ? mu_expr_evaluate(s->algebra, mu_expr_not(s->algebra, when)) : NULL;
    mu_value_set sum = {0};
    bool ok = no && branch(s, at, "then", yes, &sum) && branch(s, at, "else", no, &sum);
    if (ok) narrow(s, set, &sum);
    add_place(s, at, "if");
    return ok;
}

/* Either the property is absent, or it is there and so is what depends on it. */
static bool apply_dependency(schema *s, uint32_t at, const char *keyword, const char *name,
                             const json_t *value, mu_value_set *set) {
    mu_algebra *alg = s->algebra;
    mu_value_set with = {0}, without = all_but_objects(s);
    mu_value_set_add_object(alg, &with, mu_object_shape_one(alg, name, strlen(name), MU_EXPR_TRUE));
    mu_value_set_add_object(alg, &without,
                            mu_object_shape_one(alg, name, strlen(name), MU_EXPR_FALSE));
    bool ok = true;
    if (json_is_array(value)) {
        for (size_t i = 0; i < json_array_size(value) && !has_failed(s); i++) {
            const char *other = json_string_value(json_array_get(value, i));
            mu_value_set by = {0};
            if (!other) {
                fail(s, at, keyword, MU_ERR_INVALID, "expected arrays of names");
                return true;
            }
            mu_value_set_add_object(alg, &by,
                                    mu_object_shape_one(alg, other, strlen(other), MU_EXPR_TRUE));
            narrow(s, &with, &by);
        }
    } else {
        ok = narrow_by(s, &with, child_named(s, at, keyword, name, value));
    }
    mu_value_set sum = mu_value_set_or(alg, &without, &with);
    if (ok) narrow(s, set, &sum);
    add_place(s, at, keyword);
    return ok;
}

static bool apply_dependencies(schema *s, uint32_t at, const char *keyword, mu_value_set *set) {
    const json_t *all = member(s, at, keyword, JSON_OBJECT, "expected an object");
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)all, name, value) {
        if (!apply_dependency(s, at, keyword, name, value, set)) return false;
    }
    return true;
}

static bool apply_all_dependencies(schema *s, uint32_t at, const json_t *value, mu_value_set *set) {
    (void)value;
    return apply_dependencies(s, at, "dependencies", set) &&
           apply_dependencies(s, at, "dependentRequired", set) &&
           apply_dependencies(s, at, "dependentSchemas", set);
}

/* References. */

static int hex_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    return (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

/* One step of a pointer, %xx and ~0 ~1 undone. False: longer than any key we look for. */
static bool take_step(const char **at, char *out, size_t size) {
    size_t n = 0;
    const char *p = *at;
    while (*p && *p != '/') {
        if (n + 1 == size) return false;
        if (*p == '%' && hex_value(p[1]) >= 0 && hex_value(p[2]) >= 0) {
            out[n++] = (char)(hex_value(p[1]) * 16 + hex_value(p[2]));
            p += 3;
        } else {
            out[n++] = *p++;
        }
    }
    out[n] = '\0';
    char *to = out;
    for (const char *from = out; *from; from++) {
        if (from[0] == '~' && (from[1] == '0' || from[1] == '1')) {
            *to++ = *++from == '0' ? '~' : '/';
        } else {
            *to++ = *from;
        }
    }
    *to = '\0';
    *at = p;
    return true;
}

static const json_t *follow_pointer(const json_t *from, const char *pointer) {
    char step[512];
    while (from && *pointer == '/') {
        pointer++;
        if (!take_step(&pointer, step, sizeof(step))) return NULL;
        if (json_is_array(from)) {
            char *end;
            unsigned long index = strtoul(step, &end, 10);
            from = *end || end == step ? NULL : json_array_get(from, index);
        } else {
            from = json_object_get(from, step);
        }
    }
    return *pointer ? NULL : from;
}

/* Whether a reference names this $id: they are equal, or one ends in a slash and the other. */
static bool is_id(const char *id, size_t n_id, const char *ref, size_t n_ref) {
    if (n_id > 0 && id[n_id - 1] == '#') n_id--;
    const char *longer = n_id > n_ref ? id : ref, *shorter = n_id > n_ref ? ref : id;
    size_t n_long = n_id > n_ref ? n_id : n_ref, n_short = n_id > n_ref ? n_ref : n_id;
    if (n_short == 0 || memcmp(longer + n_long - n_short, shorter, n_short) != 0) return false;
    return n_long == n_short || longer[n_long - n_short - 1] == '/' || shorter[0] == '/';
}

/* The first schema in document order whose $id or $anchor (or old id: "#name") is this. */
static const json_t *find_named(const schema *s, const json_t *in, const char *keyword,
                                const char *name, size_t n_name) {
    if (!mu_lexicon_spend(s->algebra->lexicon, 1)) return NULL;
    const json_t *id = json_object_get(in, keyword);
    if (json_is_string(id)) {
        const char *text = json_string_value(id);
        bool is_anchor = keyword[1] == 'a';
        if (is_anchor ? strncmp(text, name, n_name) == 0 && text[n_name] == '\0'
                      : is_id(text, strlen(text), name, n_name)) {
            return in;
        }
    }
    const json_t *found = NULL;
    const char *key;
    json_t *value;
    if (json_is_object(in)) {
        json_object_foreach((json_t *)in, key, value) {
            if (strcmp(key, "enum") == 0 || strcmp(key, "const") == 0) continue;
            if (!found) found = find_named(s, value, keyword, name, n_name);
        }
    }
    for (size_t i = 0; i < json_array_size(in) && !found; i++) {
        found = find_named(s, json_array_get(in, i), keyword, name, n_name);
    }
    return found;
}

static const json_t *resolve(const schema *s, uint32_t at, const char *ref) {
    const char *hash = strchr(ref, '#');
    size_t n_base = hash ? (size_t)(hash - ref) : strlen(ref);
    const json_t *base = s->nodes[at].resource;
    if (n_base > 0) {
        base = find_named(s, s->root, "$id", ref, n_base);
        if (!base) base = find_named(s, s->root, "id", ref, n_base);
    }
    const char *fragment = hash ? hash + 1 : "";
    if (!base || !*fragment) return base;
    if (*fragment == '/') {
        const json_t *found = follow_pointer(base, fragment);
        return found || n_base > 0 ? found : follow_pointer(s->root, fragment);
    }
    const json_t *found = find_named(s, base, "$anchor", fragment, strlen(fragment));
    if (!found) found = find_named(s, base, "$id", hash, strlen(hash));
    return found ? found : find_named(s, base, "id", hash, strlen(hash));
}

static bool apply_ref(schema *s, uint32_t at, const json_t *value, mu_value_set *set) {
    const json_t *target = json_is_string(value) ? resolve(s, at, json_string_value(value)) : NULL;
    if (!target) {
        fail(s, at, "$ref", MU_ERR_UNSUPPORTED, "it does not name a schema in this document");
        return true;
    }
    return narrow_by(s, set, child(s, at, "$ref", target));
}

/* The table. */

static bool refuse(schema *s, uint32_t at, const json_t *value, mu_value_set *set);

static const struct {
    const char *name;
    bool (*apply)(schema *s, uint32_t at, const json_t *value, mu_value_set *set);
    bool is_group; /* applied once, whichever of its keywords are there */
} keywords[] = {
    {"type", apply_type, false},
    {"const", apply_const, false},
    {"enum", apply_enum, false},
    {"minimum", apply_bounds, true},
    {"maximum", apply_bounds, true},
    {"exclusiveMinimum", apply_bounds, true},
    {"exclusiveMaximum", apply_bounds, true},
    {"multipleOf", apply_multiple, false},
    {"minLength", apply_length, true},
    {"maxLength", apply_length, true},
    {"pattern", apply_pattern, false},
    {"format", apply_format, false},
    {"properties", apply_object, true},
    {"patternProperties", apply_object, true},
    {"additionalProperties", apply_object, true},
    {"required", apply_object, true},
    {"propertyNames", apply_object, true},
    {"minProperties", apply_object, true},
    {"maxProperties", apply_object, true},
    {"items", apply_array, true},
    {"prefixItems", apply_array, true},
    {"minItems", apply_array, true},
    {"maxItems", apply_array, true},
    {"contains", apply_array, true},
    {"uniqueItems", apply_unique, false},
    {"$ref", apply_ref, false},
    {"allOf", apply_all_of, false},
    {"anyOf", apply_any_of, false},
    {"oneOf", apply_one_of, false},
    {"not", apply_not, false},
    {"if", apply_if, false},
    {"dependencies", apply_all_dependencies, true},
    {"dependentRequired", apply_all_dependencies, true},
    {"dependentSchemas", apply_all_dependencies, true},
    {"unevaluatedItems", refuse, false},
    {"unevaluatedProperties", refuse, false},
    {"$dynamicRef", refuse, false},
    {"$recursiveRef", refuse, false},
    {"extends", refuse, false},
    {"disallow", refuse, false},
    {"divisibleBy", refuse, false},
};

static bool refuse(schema *s, uint32_t at, const json_t *value, mu_value_set *set) {
    (void)set;
    const char *key;
    json_t *one;
    if (json_is_true(value)) return true; /* demands nothing */
    json_object_foreach((json_t *)s->nodes[at].value, key, one) {
        if (one == value) fail(s, at, key, MU_ERR_UNSUPPORTED, "not supported");
    }
    return true;
}

static bool apply_keywords(schema *s, uint32_t at, mu_value_set *set) {
    const json_t *object = s->nodes[at].value;
    bool (*last)(schema *, uint32_t, const json_t *, mu_value_set *) = NULL;
    for (size_t i = 0; i < MU_COUNTOF(keywords) && !has_failed(s); i++) {
        const json_t *value = json_object_get(object, keywords[i].name);
        if (!value || (keywords[i].is_group && keywords[i].apply == last)) continue;
        last = keywords[i].apply;
        if (!keywords[i].apply(s, at, value, set)) return false;
        add_place(s, at, keywords[i].name);
    }
    return true;
}

static bool evaluate(void *ctx, uint32_t at, mu_value_set *out) {
    schema *s = ctx;
    if (s->nodes[at].is_const) {
        *out = const_set(s, at, s->nodes[at].value);
        return true;
    }
    *out = mu_value_set_all(s->algebra);
    const json_t *ref = json_object_get(s->nodes[at].value, "$ref");
    if (s->ref_stands_alone && json_is_string(ref)) return apply_ref(s, at, ref, out);
    return apply_keywords(s, at, out);
}

void mu_schema_init(mu_schema *s, mu_algebra *algebra) {
    *s = (mu_schema){.algebra = algebra};
    algebra->evaluate = evaluate;
    algebra->ctx = s;
}

mu_expr mu_schema_read(mu_schema *s, const json_t *root, bool closed) {
    s->root = root;
    s->is_closed = closed && may_close(root);
    const char *draft = json_string_value(json_object_get(root, "$schema"));
    s->ref_stands_alone = draft && strstr(draft, "draft-0") != NULL;
    return child(s, NO_NODE, "", root);
}

void mu_schema_deinit(mu_schema *s) {
    mu_free(s->nodes);
    mu_free(s->slots);
    mu_free(s->patterns);
    *s = (mu_schema){0};
}
