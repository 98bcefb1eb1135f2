/* hf_chat_template.h - the chat templates of a Hugging Face folder, Jinja programs: the file
 * chat_template.jinja, else chat_template of tokenizer_config.json, a string or a list of named
 * ones. "default" is that of every model; some have "tool_use" beside it, for requests with tools,
 * in the list or in additional_chat_templates/tool_use.jinja. They are carried, not run.
 * Threads: any. */
#ifndef MU_FORMAT_HF_CHAT_TEMPLATE_H
#define MU_FORMAT_HF_CHAT_TEMPLATE_H

#include "base/buf.h"
#include "base/status.h"

/* Appends the one of that name to out; nothing when the folder has none. MU_ERR_FORMAT: a file is
 * not what it should be. */
mu_status mu_hf_chat_template_read(const char *folder, const char *name, mu_buf *out,
                                   mu_err *err) MU_MUST_USE;

#endif
