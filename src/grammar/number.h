/* number.h - sets of JSON numbers, as the texts that write them.
 *
 * A number without bounds may have an exponent; one that is compared or divided is written plainly,
 * -12.50, since the automaton of "1e3 >= 1000" has no end. An integer has neither fraction nor
 * exponent. Both are subsets of what JSON Schema allows: every text that is accepted is valid.
 */
#ifndef MU_GRAMMAR_NUMBER_H
#define MU_GRAMMAR_NUMBER_H

#include "grammar/lexeme.h"

enum {
    MU_NUMBER_TEXT_MAX = 400,      /* bytes of a bound written plainly */
    MU_NUMBER_DIVISOR_MAX = 20000, /* of multipleOf, its decimal point taken out */
};

typedef enum mu_number_bound {
    MU_NUMBER_AT_LEAST,
    MU_NUMBER_ABOVE,
    MU_NUMBER_AT_MOST,
    MU_NUMBER_BELOW,
    MU_NUMBER_EQUAL,
} mu_number_bound;

mu_lexeme mu_number_any(mu_lexicon *lexicon);
mu_lexeme mu_number_plain(mu_lexicon *lexicon); /* any, written without an exponent */
mu_lexeme mu_number_integer(mu_lexicon *lexicon);

/* bound: a plain decimal number, -12.5; as mu_number_write() makes it. */
mu_lexeme mu_number_bounded(mu_lexicon *lexicon, mu_number_bound kind, const char *bound);
/* divisor: positive. Too large a one is a failure of the lexicon. */
mu_lexeme mu_number_multiple(mu_lexicon *lexicon, const char *divisor);

/* The shortest plain decimal that reads as value. False: not finite, or too long. */
bool mu_number_write(double value, char out[MU_NUMBER_TEXT_MAX]) MU_MUST_USE;

#endif
