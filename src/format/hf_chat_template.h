/* hf_chat_template.h - the chat template of a Hugging Face folder, a Jinja program: the file
 * chat_template.jinja, else chat_template of tokenizer_config.json, a string or a list of named
 * ones, of which "default" is taken. It is carried, not run. Threads: any. */
#ifndef MU_FORMAT_HF_CHAT_TEMPLATE_H
#define MU_FORMAT_HF_CHAT_TEMPLATE_H

#include "base/buf.h"
#include "base/status.h"

/* Appends to out; nothing when the folder has none. MU_ERR_FORMAT: a file is not what it
 * should be. */
mu_status mu_hf_chat_template_read(const char *folder, mu_buf *out, mu_err *err) MU_MUST_USE;

#endif
