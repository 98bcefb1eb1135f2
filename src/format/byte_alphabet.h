/* byte_alphabet.h - GPT-2's printable alphabet for bytes (github.com/openai/gpt-2 src/encoder.py,
 * bytes_to_unicode): tokens in vocabulary files are written with one character a byte. Printable
 * Latin-1 characters stand for themselves, the other 68 bytes for U+0100 and following, in order.
 */
#ifndef MU_FORMAT_BYTE_ALPHABET_H
#define MU_FORMAT_BYTE_ALPHABET_H

#include "base/buf.h"

/* Undo the alphabet. text: [n] UTF-8; out: [n] bytes at most. False when a character is not of the
 * alphabet. */
bool mu_byte_alphabet_decode(const char *text, size_t n, char *out, size_t *out_n) MU_MUST_USE;

/* Append bytes in the alphabet. */
void mu_byte_alphabet_encode(const char *data, size_t n, mu_buf *out);

#endif
