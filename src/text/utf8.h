/* utf8.h - one UTF-8 character at a time, also where the bytes are not UTF-8.
 *
 * Broken input is cut into the longest runs that could have started a character (Unicode 16,
 * section 3.9, "substitution of maximal subparts"), as Python, Rust and browsers do; each such run
 * stands for one U+FFFD. Surrogates, overlong forms and values above U+10FFFF are broken.
 */
#ifndef MU_TEXT_UTF8_H
#define MU_TEXT_UTF8_H

#include "base/base.h"

#define MU_UTF8_REPLACEMENT "\xEF\xBF\xBD"

typedef enum mu_utf8 {
    MU_UTF8_WHOLE,  /* a character */
    MU_UTF8_BROKEN, /* can never become one */
    MU_UTF8_CUT,    /* the input ends inside what may become one */
} mu_utf8;

/* What text starts with; *n_bytes is its length, at least 1 and at most n. text: [n], n > 0. */
mu_utf8 mu_utf8_step(const char *text, size_t n, size_t *n_bytes);

/* Length of the part of text that is valid UTF-8 from its start; n when all of it is. */
size_t mu_utf8_valid(const char *text, size_t n);

#endif
