/* rerank.h - how well texts fit another, by a model that scores pairs. Private to server/.
 *
 *     POST /v1/rerank, /rerank    query and documents, as Jina and Cohere have it
 *     POST /v1/score, /score      text_1 and text_2, as vLLM has it
 *
 * A score is the model's one label through a sigmoid, between 0 and 1. A pair that is too long
 * loses the end of its second text.
 */
#ifndef MU_SERVER_RERANK_H
#define MU_SERVER_RERANK_H

#include "server/call.h"

void mu_rerank_post(mu_call *call);
void mu_rerank_post_score(mu_call *call);

/* Fields of a body of either; false: *error names one. For fuzzing. */
bool mu_rerank_check_body(json_t *body, mu_api_error *error);

#endif
