/* model_conversation.h - which chat template a model is talked to with: the one that was asked for,
 * else its own, else "plain". */
#ifndef MU_CMD_MODEL_CONVERSATION_H
#define MU_CMD_MODEL_CONVERSATION_H

#include "chat/conversation.h"
#include "model/model.h"

/* chosen: a built-in name or a file; NULL: the model's own. name is the model's, for messages. The
 * error names --chat-template where the choice is at fault. */
mu_status mu_model_conversation_open(const mu_model *model, const char *name, const char *chosen,
                                     mu_conversation_format **out, mu_err *err) MU_MUST_USE;

#endif
