/* charsmap.h - SentencePiece's compiled character map (precompiled_charsmap in its models): byte
 * strings and what to write in their place. Private to text/.
 *
 *     u32 n │ n bytes: u32 units of a double-array trie │ replacements, each ended by a NUL
 *
 * The trie is walked as darts-clone lays it out (github.com/s-yata/darts-clone): a unit has a
 * label, an offset to its children and a flag that a value hangs below it. Every step is checked
 * against the number of units, so that a hostile map can give wrong text and nothing else.
 *
 * Threads: any. Memory: the map is borrowed.
 */
#ifndef MU_TEXT_CHARSMAP_H
#define MU_TEXT_CHARSMAP_H

#include "base/buf.h"
#include "text/tokenizer.h"

bool mu_charsmap_is_valid(mu_bytes charsmap);

/* Append text [n], valid UTF-8, as the map, which is valid, writes it: the longest match at each
 * place, or graphemes as a whole where the map knows their beginning. */
void mu_charsmap_apply(mu_bytes charsmap, mu_bytes text, bool by_graphemes, mu_buf *out);

#endif
