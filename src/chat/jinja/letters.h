/* letters.h - texts with other letters: cases, and texts cut and padded, as Python's str does it.
 * Marks go along. Threads, memory: as the run. */
#ifndef MU_CHAT_JINJA_LETTERS_H
#define MU_CHAT_JINJA_LETTERS_H

#include "chat/jinja/value.h"

typedef enum mu_letter_case {
    MU_CASE_UPPER,
    MU_CASE_LOWER,
    MU_CASE_CAPITALIZED, /* the first upper, the rest lower */
    MU_CASE_TITLE,       /* the first of each run of letters upper */
    MU_CASE_WORDS,       /* the first after blanks, '-', '(', '{', '[' or '<' upper */
} mu_letter_case;

bool mu_text_cased(mu_run *run, mu_marked text, mu_letter_case how, mu_marked *out);

enum { MU_STRIP_START = 1, MU_STRIP_END = 2 };
/* chars NULL: white space. */
mu_marked mu_text_stripped(mu_marked text, const mu_marked *chars, int sides);

/* At most max splits, -1: all; sep NULL: runs of white space. */
bool mu_text_split(mu_run *run, mu_marked text, const mu_marked *sep, int64_t max, bool from_end,
                   mu_value_list **out);
bool mu_text_split_lines(mu_run *run, mu_marked text, bool keeps_ends, mu_value_list **out);
/* At most max replacements, -1: all. */
bool mu_text_replaced(mu_run *run, mu_marked text, mu_marked old, mu_marked new, int64_t max,
                      mu_marked *out);
/* & < > ' " as entities of HTML */
bool mu_text_escaped(mu_run *run, mu_marked text, mu_marked *out);

#endif
