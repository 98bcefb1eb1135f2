/* embedding.h - texts to vectors, as OpenAI and Ollama ask for them. Private to server/.
 *
 *     POST /v1/embeddings                 {"data": [{"embedding": [...] | base64}, ...]}
 *     POST /api/embed, /api/embeddings    {"embeddings": [[...], ...]}, {"embedding": [...]}
 *
 * A text is a sequence that ends with its prompt; all of a body are one request of the model's, so
 * that short ones share steps. Vectors have length 1.
 */
#ifndef MU_SERVER_EMBEDDING_H
#define MU_SERVER_EMBEDDING_H

#include "server/call.h"

void mu_embedding_post_openai(mu_call *call);
void mu_embedding_post_ollama(mu_call *call);
void mu_embedding_post_ollama_one(mu_call *call); /* the older form, of one text */

/* Fields of a body of /v1/embeddings; false: *error names one. For fuzzing. */
bool mu_embedding_check_body(json_t *body, mu_api_error *error);
/* As Markdown. */
void mu_embedding_params_document(mu_buf *out);

#endif
