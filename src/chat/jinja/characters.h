/* characters.h - characters of valid UTF-8, as Python's str sees them. Text in templates is checked
 * once, where it enters; nothing here fails. Threads: any. Memory: none. */
#ifndef MU_CHAT_JINJA_CHARACTERS_H
#define MU_CHAT_JINJA_CHARACTERS_H

#include "base/base.h"

/* The character that text starts with; *n_bytes is its length. text: [n], n > 0. */
uint32_t mu_character_decode(const char *text, size_t n, size_t *n_bytes);
/* out: 4 bytes; returns how many are used. c is a Unicode scalar value. */
size_t mu_character_encode(uint32_t c, char out[4]);

bool mu_character_is_space(uint32_t c);     /* str.isspace() */
bool mu_character_is_printable(uint32_t c); /* repr() shows it as it is */
bool mu_character_is_letter(uint32_t c);    /* str.isalpha() */
bool mu_character_is_upper(uint32_t c);
bool mu_character_is_lower(uint32_t c);

size_t mu_characters_count(const char *text, size_t n);
/* Bytes of the first n_characters of text, n when it has fewer. */
size_t mu_characters_offset(const char *text, size_t n, size_t n_characters);
/* Bytes of white space at the start and at the end. */
size_t mu_characters_space_before(const char *text, size_t n);
size_t mu_characters_space_after(const char *text, size_t n);

#endif
