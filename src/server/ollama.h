/* ollama.h - Ollama's API over the generation of chats and completions, and its lists of models.
 * Private to server/.
 *
 *     POST /api/chat, /api/generate        a JSON object a line, unless "stream" is false
 *     GET  /api/tags, /api/ps, /api/version; POST /api/show
 *
 * A chat without messages or a prompt without text loads the model, with "keep_alive": 0 it unloads
 * it.
 */
#ifndef MU_SERVER_OLLAMA_H
#define MU_SERVER_OLLAMA_H

#include "server/call.h"
#include "server/generation_form.h"

/* Bodies as those of /v1/chat/completions and, of a raw prompt, of /v1/completions; *out is the
 * caller's. Any JSON may come. */
bool mu_ollama_translate_chat(const json_t *body, json_t **out, mu_api_error *error);
bool mu_ollama_translate_generate(const json_t *body, json_t **out, mu_api_error *error);
bool mu_ollama_is_raw(const json_t *body);
/* It asks for no text, only for the model. */
bool mu_ollama_is_empty(const json_t *body);

void mu_ollama_post_chat(mu_call *call);
void mu_ollama_post_generate(mu_call *call);
void mu_ollama_get_tags(mu_call *call);
void mu_ollama_get_ps(mu_call *call);
void mu_ollama_post_show(mu_call *call);

#endif
