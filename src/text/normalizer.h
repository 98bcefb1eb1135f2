/* normalizer.h - what is done to a text before it is split into words. Private to text/.
 *
 * Steps in order, each over the whole of what the one before made. Characters that are already
 * normal take a quick check and no copy. Unicode's forms are utf8proc's.
 *
 * Threads: normalizers are immutable once copied; a mu_normal_text is the scratch of one thread.
 */
#ifndef MU_TEXT_NORMALIZER_H
#define MU_TEXT_NORMALIZER_H

#include "base/buf.h"
#include "text/pattern.h"
#include "text/tokenizer.h"

typedef struct mu_normalizers {
    mu_normalizer *steps;  /* [n], owned, with their texts */
    mu_pattern **patterns; /* [n], owned; NULL for steps without one */
    char *texts;           /* owned */
    uint32_t n;
} mu_normalizers;

/* Two buffers, of which a step reads one and writes the other. */
typedef struct mu_normal_text {
    mu_buf bufs[2];
} mu_normal_text;

mu_status mu_normalizers_copy(mu_normalizers *out, const mu_tokenizer_spec *spec,
                              mu_err *err) MU_MUST_USE;
void mu_normalizers_deinit(mu_normalizers *normalizers);
void mu_normal_text_deinit(mu_normal_text *normal);

/* text: [n], valid UTF-8. The result is text itself where nothing changed, else in normal. */
mu_status mu_normalize(const mu_normalizers *normalizers, mu_matcher *matcher,
                       mu_normal_text *normal, mu_bytes text, mu_bytes *out,
                       mu_err *err) MU_MUST_USE;

#endif
