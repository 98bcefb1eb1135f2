/* pattern_source.h - a split pattern as model files write it (Oniguruma, as Hugging Face tokenizers
 * run it), rewritten so that PCRE2 matches the same text. */
#ifndef MU_TEXT_PATTERN_SOURCE_H
#define MU_TEXT_PATTERN_SOURCE_H

#include "base/buf.h"
#include "base/status.h"

/* Appends to out. MU_ERR_UNSUPPORTED names the first construct whose meaning differs between the
 * two, or is not known to agree; such a pattern is refused, not run approximately. */
mu_status mu_pattern_source_write(const char *regex, mu_buf *out, mu_err *err) MU_MUST_USE;

#endif
