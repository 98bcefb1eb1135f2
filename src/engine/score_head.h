/* score_head.h - the labels of a text from its pooled state: score * tanh(head * x + b) + b, in
 * f32, read from the model's files when it is created. Private to engine/. Threads: run() by one at
 * a time. */
#ifndef MU_ENGINE_SCORE_HEAD_H
#define MU_ENGINE_SCORE_HEAD_H

#include "base/arena.h"
#include "model/model.h"

typedef struct mu_score_head mu_score_head;

size_t mu_score_head_bytes(const mu_decoder_spec *spec);
/* NULL: the model has no labels; the arena has room for mu_score_head_bytes(). */
mu_score_head *mu_score_head_create(mu_arena *arena, const mu_model *model);
/* x: [hidden_dim], its first n_labels become the scores. False: one is not finite. n_labels is at
 * most hidden_dim. */
bool mu_score_head_run(mu_score_head *head, float *x);

#endif
