/* value_set.h - sets of JSON values and their algebra.
 *
 * A schema is a set of values. Here it is an expression (a node of the schema, and, or, not), whose
 * value on the first level is a mu_value_set: which literals, which numbers and strings, and a
 * union of shapes of arrays and objects, whose elements are expressions again. Sets are closed
 * under and, or and not, so allOf, anyOf, oneOf, not, if and dependencies need nothing else;
 * recursion stays in the expressions, which are only looked into when asked.
 *
 *     {"type": "object", "properties": {"a": S}, "additionalProperties": false}
 *         = { objects: [ { slots: [a -> S], classes: [] } ] }
 *
 * Failures are those of the lexicon: sticky, MU_EXPR_FALSE and empty sets meanwhile.
 *
 * Threads: one at a time while it is built; any for reading after mu_algebra_settle(). Memory: of
 * the grammar's chunks; deinit() frees the tables.
 */
#ifndef MU_GRAMMAR_VALUE_SET_H
#define MU_GRAMMAR_VALUE_SET_H

#include "grammar/lexeme.h"

typedef uint32_t mu_expr;

enum {
    MU_EXPR_TRUE = 0,
    MU_EXPR_FALSE = 1,
    MU_SHAPES_MAX = 400,    /* of one set */
    MU_SLOTS_MAX = 2000,    /* of one object */
    MU_EXPRS_MAX = 200000,  /* of one grammar */
    MU_CONTAINS_MAX = 3,    /* of one array */
    MU_EXPR_DEPTH_MAX = 400 /* schemas that refer to one another before a value begins */
};

enum { MU_LITERAL_NULL = 1, MU_LITERAL_TRUE = 2, MU_LITERAL_FALSE = 4, MU_LITERALS_ALL = 7 };

/* A property with a name. Order is that of the schema. */
typedef struct mu_slot {
    const char *name; /* [n_name], UTF-8 */
    uint32_t n_name;
    bool is_required;
    mu_expr expr; /* false: the property is forbidden */
} mu_slot;

/* Properties whose names are a lexeme. Those that are not needed are apart from each other and from
 * the slots; a name in none of them is forbidden. A needed one is a part of another that at least
 * one property must be of. */
typedef struct mu_key_class {
    mu_lexeme keys;
    mu_expr expr;
    bool is_needed;
} mu_key_class;

typedef struct mu_object_shape {
    const mu_slot *slots; /* [n_slots] */
    uint32_t n_slots;
    const mu_key_class *classes; /* [n_classes] */
    uint32_t n_classes;
    uint32_t n_min, n_max; /* properties */
    uint32_t id;           /* where it is among the settled shapes */
} mu_object_shape;

/* At least n_min and at most n_max of the elements from `from` on are of expr. */
typedef struct mu_contains {
    mu_expr expr;
    uint32_t n_min, n_max, from;
} mu_contains;

typedef struct mu_array_shape {
    const mu_expr *prefix; /* [n_prefix] */
    uint32_t n_prefix;
    mu_expr rest;
    uint32_t n_min, n_max; /* elements */
    mu_contains contains[MU_CONTAINS_MAX];
    uint32_t n_contains;
    uint32_t id;
    const mu_expr *variants; /* [(n_prefix + 1) << n_contains], settled: element i of exactly those
                                contains whose bits are set */
} mu_array_shape;

typedef struct mu_value_set {
    uint8_t literals;
    mu_lexeme number, string;
    mu_array_shape **arrays; /* [n_arrays] */
    uint32_t n_arrays;
    mu_object_shape **objects; /* [n_objects] */
    uint32_t n_objects;
} mu_value_set;

typedef struct mu_algebra {
    mu_chunks *memory;   /* borrowed */
    mu_lexicon *lexicon; /* borrowed */
    mu_lexeme number_any, number_plain, number_integer;
    /* What a node of the schema means. False: it refers to itself before any value begins. */
    bool (*evaluate)(void *ctx, uint32_t node, mu_value_set *out);
    void *ctx;
    struct mu_expr_row *rows; /* [n_rows], owned */
    size_t n_rows, rows_cap;
    uint32_t *slots; /* [slots_size] row + 1 by hash, owned */
    size_t slots_size;
    uint32_t depth;
    uint32_t n_steps; /* of looking for life */
    bool is_tainted;  /* an answer depends on one that is being looked for */
    /* Settled: */
    mu_object_shape **objects; /* [n_objects] by id, owned */
    size_t n_objects, objects_cap;
    mu_array_shape **arrays; /* [n_arrays] by id, owned */
    size_t n_arrays, arrays_cap;
} mu_algebra;

void mu_algebra_init(mu_algebra *algebra, mu_lexicon *lexicon);
void mu_algebra_deinit(mu_algebra *algebra); /* a zeroed one is allowed */

mu_expr mu_expr_node(mu_algebra *algebra, uint32_t node);
mu_expr mu_expr_and(mu_algebra *algebra, mu_expr a, mu_expr b);
mu_expr mu_expr_not(mu_algebra *algebra, mu_expr a);

/* NULL: it refers to itself before any value begins, or the lexicon has failed. */
const mu_value_set *mu_expr_evaluate(mu_algebra *algebra, mu_expr expr);

mu_value_set mu_value_set_all(mu_algebra *algebra);
mu_value_set mu_value_set_and(mu_algebra *algebra, const mu_value_set *a, const mu_value_set *b);
mu_value_set mu_value_set_or(mu_algebra *algebra, const mu_value_set *a, const mu_value_set *b);
mu_value_set mu_value_set_not(mu_algebra *algebra, const mu_value_set *a);
/* False only when no value is in it; true may also mean that it is hard to say. */
bool mu_value_set_may_live(mu_algebra *algebra, const mu_value_set *set);

/* Shapes, to be filled in before they are used. all: any array, any object. */
mu_array_shape mu_array_shape_all(void);
mu_object_shape *mu_object_shape_new(mu_algebra *algebra, uint32_t n_slots_max,
                                     uint32_t n_classes_max);
void mu_value_set_add_array(mu_algebra *algebra, mu_value_set *set, const mu_array_shape *shape);
void mu_value_set_add_object(mu_algebra *algebra, mu_value_set *set, mu_object_shape *shape);
/* Any object with this property required (expr) or, where expr is false, without it. */
mu_object_shape *mu_object_shape_one(mu_algebra *algebra, const char *name, size_t n_name,
                                     mu_expr expr);
mu_lexeme mu_slot_names(mu_algebra *algebra, const mu_slot *slots, uint32_t n_slots);

/* Evaluate all that can be reached from expr, drop every shape that no value has, and number what
 * is left. After it, mu_expr_settled() answers without changing anything. */
void mu_algebra_settle(mu_algebra *algebra, mu_expr expr);
const mu_value_set *mu_expr_settled(const mu_algebra *algebra, mu_expr expr);
bool mu_expr_lives(const mu_algebra *algebra, mu_expr expr); /* some value is in it */

#endif
