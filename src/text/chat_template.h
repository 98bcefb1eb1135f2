/* chat_template.h - messages to one prompt. A template is data: what stands before and after the
 * content of each role, and what invites the answer. Threads: any, the table is constant. */
#ifndef MU_TEXT_CHAT_TEMPLATE_H
#define MU_TEXT_CHAT_TEMPLATE_H

#include "base/buf.h"

typedef struct mu_chat_template mu_chat_template;

/* "plain", "chatml"; NULL: no such template. */
const mu_chat_template *mu_chat_template_find(const char *name);
const char *mu_chat_template_names(void); /* for messages: "plain, chatml" */

/* False: the role is not known. */
bool mu_chat_template_append(const mu_chat_template *t, const char *role, const char *content,
                             size_t n, mu_buf *out);
void mu_chat_template_invite(const mu_chat_template *t, mu_buf *out);
/* Text that ends an answer, besides the model's eos. */
const char *mu_chat_template_stop(const mu_chat_template *t);

#endif
