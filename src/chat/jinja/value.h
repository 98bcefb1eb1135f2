/* value.h - what an expression of a template gives: Python's values, as far as templates see them.
 *
 * Lists and dicts are shared by reference and not changed once built; only a namespace is. A dict
 * keeps the order of its keys. Undefined is a value of its own: false, empty, and an error as soon
 * as something is asked of it; it remembers what was missing, for the message.
 *
 * Threads: as the run they belong to. Memory: its arena.
 */
#ifndef MU_CHAT_JINJA_VALUE_H
#define MU_CHAT_JINJA_VALUE_H

#include "chat/jinja/run.h"

typedef enum mu_value_kind {
    MU_VALUE_UNDEFINED,
    MU_VALUE_NONE,
    MU_VALUE_BOOL,
    MU_VALUE_INT,
    MU_VALUE_FLOAT,
    MU_VALUE_TEXT,
    MU_VALUE_LIST,
    MU_VALUE_TUPLE,
    MU_VALUE_DICT,
    MU_VALUE_NAMESPACE,
    MU_VALUE_FUNCTION, /* of the program: range, raise_exception */
    MU_VALUE_METHOD,   /* one of a value: text.split */
    MU_VALUE_MACRO,
    MU_VALUE_LOOP,
    MU_N_VALUE_KINDS,
} mu_value_kind;

/* Why a value is undefined. */
typedef enum mu_missing {
    MU_MISSING_ARGUMENT, /* not given; never seen by a template */
    MU_MISSING_NAME,
    MU_MISSING_ATTRIBUTE,
    MU_MISSING_ELEMENT,
    MU_MISSING_PARAMETER,
    MU_MISSING_UNSAFE, /* it is there, and templates may not have it */
    MU_MISSING_OTHER,
} mu_missing;

typedef struct mu_value {
    uint8_t kind;    /* mu_value_kind */
    uint8_t missing; /* mu_missing, of undefined */
    uint8_t owner;   /* mu_value_kind that lacks it, of undefined */
    bool is_markup;  /* of text: went through "safe", so that "+" escapes what it is added to */
    union {
        bool boolean;
        int64_t integer;
        double real;
        mu_marked text; /* of undefined: the name */
        struct mu_value_list *list;
        struct mu_value_dict *dict; /* and the members of a namespace */
        const struct mu_callable *function;
        const struct mu_method *method;
        const struct mu_macro *macro;
        struct mu_loop *loop;
    };
} mu_value;

typedef struct mu_value_list {
    mu_value *items; /* [n] */
    size_t n, cap;
} mu_value_list;

typedef struct mu_value_pair {
    mu_value key, value;
} mu_value_pair;

typedef struct mu_value_dict {
    mu_value_pair *pairs; /* [n], in the order they were set */
    size_t n, cap;
} mu_value_dict;

typedef struct mu_method {
    const struct mu_callable *function;
    mu_value self;
} mu_method;

mu_value mu_value_none(void);
mu_value mu_value_bool(bool boolean);
mu_value mu_value_int(int64_t integer);
mu_value mu_value_float(double real);
mu_value mu_value_text(mu_marked text);
mu_value mu_value_literal(const char *text);
mu_value mu_value_missing(mu_missing why, mu_value_kind owner, mu_marked name);
mu_value mu_value_of_list(mu_value_list *list, mu_value_kind kind); /* LIST or TUPLE */
mu_value mu_value_of_dict(mu_value_dict *dict);

bool mu_value_is_given(mu_value v);                    /* false: an argument that is not there */
bool mu_value_is_sequence(mu_value v);                 /* list or tuple */
bool mu_value_as_number(mu_value v, double *out);      /* bool, int or float */
bool mu_value_as_int(mu_value v, int64_t *out);        /* bool or int */
const char *mu_value_type_name(mu_value_kind kind);    /* Python's: "str", "NoneType" */
bool mu_value_fail_undefined(mu_run *run, mu_value v); /* what is missing; returns false */

bool mu_value_list_new(mu_run *run, size_t cap, mu_value_list **out);
bool mu_value_list_append(mu_run *run, mu_value_list *list, mu_value item);
bool mu_value_dict_new(mu_run *run, size_t cap, mu_value_dict **out);
bool mu_value_dict_set(mu_run *run, mu_value_dict *dict, mu_value key, mu_value value);
/* *out_found NULL: no such key. Fails only when key cannot be one. */
bool mu_value_dict_find(mu_run *run, const mu_value_dict *dict, mu_value key, mu_value **out_found);
/* The key is known to be new. */
bool mu_value_dict_add(mu_run *run, mu_value_dict *dict, mu_value key, mu_value value);

bool mu_value_is_true(mu_value v);
bool mu_value_equals(mu_run *run, mu_value a, mu_value b, bool *out);
bool mu_value_compare(mu_run *run, mu_value a, mu_value b, int *out); /* fails across types */
bool mu_value_contains(mu_run *run, mu_value container, mu_value item, bool *out);
bool mu_value_length(mu_run *run, mu_value v, int64_t *out);
/* What a for loop sees: items, keys or characters. The list may be the value's own. */
bool mu_value_iterate(mu_run *run, mu_value v, mu_value_list *out);

#endif
