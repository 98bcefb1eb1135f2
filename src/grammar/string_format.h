/* string_format.h - the values of JSON Schema's `format` that are enforced.
 *
 * Those that are a regular language. Others are annotations, as the specification says, and
 * constrain nothing.
 */
#ifndef MU_GRAMMAR_STRING_FORMAT_H
#define MU_GRAMMAR_STRING_FORMAT_H

#include "grammar/lexeme.h"

/* False: a format that is not enforced. */
bool mu_string_format(mu_lexicon *lexicon, const char *name, mu_lexeme *out);

#endif
