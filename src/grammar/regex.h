/* regex.h - a regular expression, as JSON Schema's `pattern` writes them, to a lexeme.
 *
 * ECMA-262 without what is not regular or looks around: literals, classes, `.`, escapes (\d \w \s
 * and their opposites, \n, \xHH, \uHHHH, \u{H}, \cX), groups, alternatives, counts greedy or lazy
 * (the same set of texts), ^ and $. Refused by name: lookahead and lookbehind, back references,
 * \b and \B, \p. \w and \d are ASCII.
 */
#ifndef MU_GRAMMAR_REGEX_H
#define MU_GRAMMAR_REGEX_H

#include "grammar/lexeme.h"

enum {
    MU_REGEX_NODES_MAX = 60000, /* of the automaton: what counts unfold to */
    MU_REGEX_DEPTH_MAX = 100,   /* of groups */
};

typedef enum mu_regex_form {
    MU_REGEX_SEARCH, /* the text contains a match, as in JSON Schema */
    MU_REGEX_WHOLE,  /* the whole text is one */
} mu_regex_form;

/* pattern: [n], valid UTF-8. A malformed or refused pattern is a failure of the lexicon. */
mu_lexeme mu_regex_lexeme(mu_lexicon *lexicon, const char *pattern, size_t n, mu_regex_form form);

/* One of these texts exactly. texts: [n_texts], valid UTF-8. */
typedef struct mu_regex_text {
    const char *data; /* borrowed, [n] */
    size_t n;
} mu_regex_text;
mu_lexeme mu_regex_texts(mu_lexicon *lexicon, const mu_regex_text *texts, size_t n_texts);

#endif
