/* node.h - a template after parsing: a tree that is never changed.
 *
 * Lists (bodies, arguments, items) are chained by next. What a, b and c are depends on the kind and
 * is said beside it.
 */
#ifndef MU_CHAT_JINJA_NODE_H
#define MU_CHAT_JINJA_NODE_H

#include "chat/jinja/callable.h"
#include "chat/jinja/lexer.h"

typedef enum mu_node_kind {
    /* statements */
    MU_NODE_OUTPUT,       /* a */
    MU_NODE_IF,           /* a: condition; body, other */
    MU_NODE_FOR,          /* for a in b if c; body, other */
    MU_NODE_SET,          /* a = b */
    MU_NODE_SET_BLOCK,    /* a = filter b of body */
    MU_NODE_MACRO,        /* name, args: parameters; body */
    MU_NODE_CALL_BLOCK,   /* a: the call, args: parameters of caller(); body */
    MU_NODE_FILTER_BLOCK, /* a of body */
    MU_NODE_WITH,         /* args: SETs; body */
    MU_NODE_SCOPE,        /* body */
    MU_NODE_BREAK,
    MU_NODE_CONTINUE,
    /* expressions */
    MU_NODE_CONST, /* value */
    MU_NODE_NAME,
    MU_NODE_MEMBER, /* name.attribute, to be assigned to */
    MU_NODE_PIPED,  /* what a filter of a block works on */
    MU_NODE_LIST,
    MU_NODE_TUPLE,
    MU_NODE_DICT,      /* args: key, value, key, ... */
    MU_NODE_ATTRIBUTE, /* a.name */
    MU_NODE_ITEM,      /* a[b] */
    MU_NODE_SLICE,     /* the b of an ITEM: a:b:c, each may be NULL */
    MU_NODE_CALL,      /* a(args) */
    MU_NODE_FILTER,    /* a | name(args) */
    MU_NODE_TEST,      /* a is name(args) */
    MU_NODE_NOT,
    MU_NODE_NEGATE,
    MU_NODE_PLUS,
    MU_NODE_BINARY, /* a op b */
    MU_NODE_AND,
    MU_NODE_OR,
    MU_NODE_COMPARE,   /* a, then args: OPERANDs */
    MU_NODE_OPERAND,   /* op a */
    MU_NODE_CONCAT,    /* args */
    MU_NODE_CONDITION, /* b if a else c */
    /* within arguments */
    MU_NODE_PARAMETER,   /* name = a */
    MU_NODE_KEYWORD,     /* name = a */
    MU_NODE_SPREAD,      /* *a */
    MU_NODE_SPREAD_KEYS, /* **a */
} mu_node_kind;

enum { MU_USES_CALLER = 1, MU_USES_VARARGS = 2, MU_USES_KWARGS = 4 }; /* names in a macro's body */

typedef struct mu_node {
    mu_node_kind kind;
    mu_operator op;
    uint32_t line, column;
    bool is_recursive;           /* of FOR */
    uint32_t uses;               /* of MACRO and CALL_BLOCK: MU_USES_* */
    mu_marked name;              /* of what has one */
    mu_marked attribute;         /* of MEMBER */
    mu_value value;              /* of CONST */
    const mu_callable *callable; /* of FILTER and TEST; NULL: unknown, an error when reached */
    struct mu_node *a, *b, *c;
    struct mu_node *args, *body, *other;
    struct mu_node *next;
} mu_node;

#endif
