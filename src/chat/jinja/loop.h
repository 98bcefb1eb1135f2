/* loop.h - the variable "loop" of a for loop. */
#ifndef MU_CHAT_JINJA_LOOP_H
#define MU_CHAT_JINJA_LOOP_H

#include "chat/jinja/value.h"

typedef struct mu_loop {
    mu_value_list items; /* all of them, known before the first turn */
    size_t index;        /* from 0 */
    uint32_t depth;      /* of recursive loops, from 0 */
    mu_value changed;    /* what loop.changed() last saw; not given at first */
    /* Of a recursive loop, whose body loop(items) runs again. */
    const struct mu_node *node;
    struct mu_scope *scope;
} mu_loop;

/* loop.first, loop.index0, ...; false: it has no such attribute. */
bool mu_loop_attribute(const mu_loop *loop, mu_marked name, mu_value *out);

#endif
