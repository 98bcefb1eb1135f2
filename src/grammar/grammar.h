/* grammar.h - which text a model may write: a JSON Schema, a regular expression, a list of choices,
 * a GBNF grammar or values within a text as an automaton over bytes, and which tokens may come
 * next.
 *
 *     mu_grammar   what was compiled, shared by every sequence that is bound to it
 *     mu_matcher   where one sequence stands in it: a small value, copied by assignment
 *
 * A matcher takes the bytes of each token; the mask has a bit for every token all of whose bytes
 * may follow. Whatever has been taken can be finished. A mask is made from what is known of each
 * state (kept), and of the stack only for tokens that leave the state, so it mostly costs a copy.
 *
 * JSON Schema: keywords in json_schema.h, blanks in json_states.c. Properties may come in any
 * order, each once; in_order asks for that of the schema, with those it does not name last.
 *
 * Threads: any; a grammar has a lock, a matcher belongs to one thread at a time.
 * Memory: a grammar is bounded by MU_GRAMMAR_BYTES_MAX and counted by references. It goes on
 * growing while it is used, up to that bound; mu_matcher_status() then says MU_ERR_LIMIT.
 */
#ifndef MU_GRAMMAR_GRAMMAR_H
#define MU_GRAMMAR_GRAMMAR_H

#include <jansson.h>

#include "grammar/token_trie.h"

enum {
    MU_GRAMMAR_BYTES_MAX = 32 << 20, /* of memory, masks apart */
    MU_GRAMMAR_TEXT_MAX = 1 << 20,   /* bytes of a GBNF grammar, a regular expression or a choice */
    MU_MATCHER_ITEMS_MAX = 64,       /* ways to read one text at once */
};

typedef struct mu_grammar mu_grammar;

typedef enum mu_grammar_kind {
    MU_GRAMMAR_JSON_SCHEMA, /* schema; any JSON value where it is NULL */
    MU_GRAMMAR_JSON_OBJECT, /* any JSON object */
    MU_GRAMMAR_REGEX,       /* text: the whole answer is a match */
    MU_GRAMMAR_GBNF,        /* text */
    MU_GRAMMAR_CHOICE,      /* choices: one of them exactly */
    MU_GRAMMAR_TAGS,        /* tags: values within a text */
} mu_grammar_kind;

/* A value of a schema between two literal texts, as calls of tools are written. */
typedef struct mu_grammar_tag {
    const char *begin, *end; /* UTF-8 */
    const json_t *schema;    /* read closed (json_schema.h); NULL: any object */
    const char *name;        /* for errors; NULL: there is only one */
} mu_grammar_tag;

/* A group is open, a tag, between and a tag any number of times, close. In all literals the text of
 * a control token is that token. All is borrowed during compile(). */
typedef struct mu_grammar_tags {
    const mu_grammar_tag *items; /* [n] */
    uint32_t n;
    const char *open, *between, *close; /* between NULL: one tag in a group */
    /* What a group begins with: any text, and where this is written the rest of a group, again and
     * again unless once. NULL: the text is a group, after reasoning. */
    const char *trigger;
    bool once;
    /* Any text up to close goes before the group; open, where it is given, tells whether it does.
     * close NULL: nothing. */
    const char *reasoning_open, *reasoning_close;
} mu_grammar_tags;

typedef struct mu_grammar_spec {
    mu_grammar_kind kind;
    const json_t *schema; /* borrowed during compile() */
    const char *text;     /* [n_text], UTF-8, borrowed during compile() */
    size_t n_text;
    const char *const *choices; /* [n_choices], UTF-8, borrowed during compile() */
    uint32_t n_choices;
    const mu_grammar_tags *tags;
    bool in_order; /* JSON: properties in the order of the schema */
    bool closed;   /* JSON: as in json_schema.h; tags are always read so */
} mu_grammar_spec;

/* trie may be NULL: no masks, only texts. Errors: MU_ERR_INVALID, MU_ERR_UNSUPPORTED and
 * MU_ERR_LIMIT name the place (a JSON pointer, a line); MU_ERR_NOMEM. */
mu_status mu_grammar_compile(const mu_grammar_spec *spec, mu_token_trie *trie, mu_grammar **out,
                             mu_err *err) MU_MUST_USE;
mu_grammar *mu_grammar_ref(mu_grammar *grammar);
void mu_grammar_unref(mu_grammar *grammar);                /* NULL is allowed */
uint32_t mu_grammar_vocab_size(const mu_grammar *grammar); /* of its trie; 0: none */

typedef struct mu_matcher_item {
    uint32_t state, stack;
} mu_matcher_item;

typedef struct mu_matcher {
    mu_grammar *grammar; /* borrowed */
    uint32_t n;
    mu_matcher_item items[MU_MATCHER_ITEMS_MAX]; /* [n] */
} mu_matcher;

void mu_matcher_init(mu_matcher *matcher, mu_grammar *grammar);
/* Take bytes. False: they cannot follow, and the matcher is as it was. */
bool mu_matcher_take(mu_matcher *matcher, const char *bytes, size_t n);
/* The same for a token. The grammar must have a trie. */
bool mu_matcher_take_token(mu_matcher *matcher, mu_token token);
bool mu_matcher_may_end(const mu_matcher *matcher);  /* the text so far is whole */
bool mu_matcher_must_end(const mu_matcher *matcher); /* and nothing can follow */
/* The grammar has outgrown its bounds or the memory: MU_ERR_LIMIT, MU_ERR_NOMEM. Nothing follows.
 */
mu_status mu_matcher_status(const mu_matcher *matcher);

/* out: [trie->n_words] bits by token. Ending is mu_matcher_may_end(), whatever token stands for it.
 * The grammar must have a trie. */
void mu_matcher_mask(const mu_matcher *matcher, uint64_t *out);
/* How many of the tokens may follow, one after the other. tokens: [n]. */
uint32_t mu_matcher_n_accepted(const mu_matcher *matcher, const mu_token *tokens, uint32_t n);
/* The bytes that must follow, as far as there is only one way, at most cap; returns how many. */
size_t mu_matcher_forced(const mu_matcher *matcher, char *out, size_t cap);
/* The same as tokens, the longest first, at most n_max; a model may cut the same text otherwise.
 * The grammar must have a trie. out: [n_max]. */
uint32_t mu_matcher_forced_tokens(const mu_matcher *matcher, mu_token *out, uint32_t n_max);

#endif
