/* eval.h - run a template's tree. Private to the evaluator's files.
 *
 * Names live in scopes that know their parent: a turn of a loop, a macro's call, a block that
 * captures. "set" binds in the innermost one, so that nothing leaks out of a loop. A macro keeps
 * the scope it was defined in and sees what is there when it is called.
 *
 * Threads: as the run. Memory: the run's arena.
 */
#ifndef MU_CHAT_JINJA_EVAL_H
#define MU_CHAT_JINJA_EVAL_H

#include "chat/jinja/loop.h"
#include "chat/jinja/node.h"

typedef struct mu_binding {
    mu_marked name;
    mu_value value;
} mu_binding;

typedef struct mu_scope {
    struct mu_scope *parent; /* NULL: the outermost */
    mu_binding *bindings;    /* [n] */
    size_t n, cap;
} mu_scope;

typedef struct mu_macro {
    const mu_node *node; /* MACRO or CALL_BLOCK */
    mu_scope *scope;
} mu_macro;

typedef struct mu_eval {
    mu_run *run;
    mu_scope *scope;
    mu_marked_builder *out; /* where output goes now */
    mu_value piped;         /* of the innermost filtered block */
} mu_eval;

typedef enum mu_flow { MU_FLOW_ON, MU_FLOW_BREAK, MU_FLOW_CONTINUE } mu_flow;

bool mu_evaluate(mu_eval *e, const mu_node *node, mu_value *out);
/* A list of statements; *flow says whether the loop around goes on. */
bool mu_execute(mu_eval *e, const mu_node *list, mu_flow *flow);

/* scope.c */
bool mu_scope_push(mu_eval *e, mu_scope *parent); /* the caller keeps the old e->scope */
bool mu_scope_set(mu_eval *e, mu_marked name, mu_value value);
bool mu_scope_get(mu_eval *e, mu_marked name, mu_value *out);

/* calls.c */
bool mu_evaluate_arguments(mu_eval *e, const mu_node *list, mu_arguments *out);
bool mu_call(mu_eval *e, mu_value callee, const mu_arguments *args, mu_value *out);
bool mu_arguments_add_keyword(mu_eval *e, mu_arguments *args, mu_marked name, mu_value value);

/* statements.c */
bool mu_capture(mu_eval *e, const mu_node *body, mu_flow *flow, mu_marked *out);
bool mu_assign(mu_eval *e, const mu_node *target, mu_value value);
bool mu_loop_run(mu_eval *e, const mu_node *node, mu_value iterable, uint32_t depth, mu_flow *flow);

static inline void mu_eval_at(mu_eval *e, const mu_node *node) {
    e->run->line = node->line;
    e->run->column = node->column;
}

#endif
