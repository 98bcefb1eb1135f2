/* unicode_additions.h - code points that Unicode gave to a general category after version 14.
 *
 * PCRE2 10.42 knows Unicode 14, the reference tokenizers Unicode 16: a word of a script encoded in
 * between would be split differently. Patterns name categories as \p{L}; pattern_source.c writes
 * these ranges next to the name. With a newer PCRE2 they say the same thing twice.
 */
#ifndef MU_TEXT_UNICODE_ADDITIONS_H
#define MU_TEXT_UNICODE_ADDITIONS_H

#include "base/base.h"

typedef struct mu_unicode_addition {
    const char *category; /* "L", "Nd" */
    const char *ranges;   /* inside of a PCRE2 character class; "" when nothing was added */
} mu_unicode_addition;

/* Only these categories may be named in a pattern. */
extern const mu_unicode_addition mu_unicode_additions[];
extern const size_t mu_unicode_additions_n;

#endif
