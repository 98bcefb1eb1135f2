/* callable.h - what the program offers to templates: filters, tests, functions and methods, one
 * table each. A row names its parameters, so that arguments by position and by keyword are bound,
 * counted and refused in one place. To add one: add a row.
 *
 * A built-in gets what it works on as self (the piped value, the tested value, the object of a
 * method) and one value for each parameter, which mu_value_is_given() tells from one left out. A
 * row with is_open takes any arguments, as they were written. Tests answer with a bool.
 */
#ifndef MU_CHAT_JINJA_CALLABLE_H
#define MU_CHAT_JINJA_CALLABLE_H

#include "chat/jinja/value.h"

enum { MU_CALLABLE_PARAMS_MAX = 4 };

typedef struct mu_keyword {
    mu_marked name;
    mu_value value;
} mu_keyword;

typedef struct mu_arguments {
    mu_value *values; /* [n] */
    size_t n;
    mu_keyword *keywords; /* [n_keywords] */
    size_t n_keywords;
} mu_arguments;

typedef bool mu_callable_fn(mu_run *run, mu_value self, const mu_arguments *args, mu_value *out);

typedef struct mu_callable {
    const char *name;
    mu_callable_fn *fn;
    uint32_t n_required;
    const char *params[MU_CALLABLE_PARAMS_MAX]; /* NULL after the last */
    bool is_open;
} mu_callable;

typedef struct mu_callable_table {
    const mu_callable *rows;
    size_t n;
} mu_callable_table;

extern const mu_callable_table mu_filters_of_text, mu_filters_of_lists, mu_tests, mu_functions;
extern const mu_callable_table mu_methods_of_text, mu_methods_of_dicts, mu_methods_of_lists;
extern const mu_callable_table mu_methods_of_loops;

/* NULL: no such one. */
const mu_callable *mu_callable_find(const mu_callable_table *table, mu_marked name);
const mu_callable *mu_filter_find(mu_marked name);
const mu_callable *mu_test_find(mu_marked name);

/* Bind the arguments to the row's parameters and call it. */
bool mu_callable_call(mu_run *run, const mu_callable *callable, mu_value self,
                      const mu_arguments *args, mu_value *out);

/* Arguments with a type; a built-in says which it wants. Fail with the built-in's name. */
bool mu_argument_text(mu_run *run, const char *what, mu_value v, mu_marked *out);
bool mu_argument_int(mu_run *run, const char *what, mu_value v, int64_t *out);

#endif
