/* call_grammar.h - the grammar of an answer that may, or must, call tools.
 *
 * Calls are written as the model's template has them, where that is JSON, else as Hermes has them
 * (answer_format.h); the names are those of the tools and the arguments are valid under their
 * schemas. An answer that must call begins with a call, after reasoning; one that may is any text,
 * and a call from the mark that begins one.
 *
 * Threads: any. Memory: the caller owns the grammar.
 */
#ifndef MU_CHAT_CALL_GRAMMAR_H
#define MU_CHAT_CALL_GRAMMAR_H

#include "grammar/grammar.h"

typedef struct mu_call_grammar_options {
    const char *template_text; /* [template_n] */
    size_t template_n;
    const char *prompt; /* [prompt_n]: may end inside of reasoning */
    size_t prompt_n;
    const json_t *tools; /* that may be called, as the OpenAI API has them */
    bool is_required;    /* there is a call */
    bool is_single;      /* there is no second one */
} mu_call_grammar_options;

/* *out is NULL where an answer that may call cannot be constrained: its format is not JSON or has
 * no mark, a name needs escapes, the tools are more than a grammar takes. A schema that cannot be
 * done is an error where calls are required or its tool is strict; else its arguments may be any
 * object. Errors: as mu_grammar_compile(), the text begins with "tools: "; MU_ERR_UNSUPPORTED:
 * gpt-oss' channels. */
mu_status mu_call_grammar_compile(const mu_call_grammar_options *options, mu_token_trie *trie,
                                  mu_grammar **out, mu_err *err) MU_MUST_USE;

/* Sets in *out what of an answer's reasoning goes before a group, told by the template and the
 * prompt. */
void mu_call_grammar_set_reasoning(const char *template_text, size_t template_n, const char *prompt,
                                   size_t prompt_n, mu_grammar_tags *out);
/* As mu_grammar_compile() of a value of this schema (NULL: any object), read closed, which comes
 * after the reasoning that there is the marks of. */
mu_status mu_value_grammar_compile(const json_t *schema, bool in_order,
                                   const mu_grammar_tags *reasoning, mu_token_trie *trie,
                                   mu_grammar **out, mu_err *err) MU_MUST_USE;

#endif
