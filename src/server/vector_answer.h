/* vector_answer.h - an answer of vectors or scores: texts of one body, one request of the model's,
 * written when all are there. Private to server/; embedding.c and rerank.c say what is asked and
 * how it is shown.
 *
 *     start ──▶ read() the body ──▶ submit ──▶ woken: all done ──▶ write()
 */
#ifndef MU_SERVER_VECTOR_ANSWER_H
#define MU_SERVER_VECTOR_ANSWER_H

#include "server/call.h"

typedef struct mu_vector_answer mu_vector_answer;

/* How an API asks and shows; the first member of its own table, if it has more to say. */
typedef struct mu_vector_form {
    /* Chooses the model and submits the texts. Names of no field go to unknown. */
    bool (*read)(mu_vector_answer *p, json_t *body, mu_buf *unknown, mu_api_error *error);
    /* The answer as JSON, all news being there. */
    void (*write)(const mu_vector_answer *p, mu_buf *out);
    void (*close)(mu_vector_answer *p); /* what else it owns */
} mu_vector_form;

/* The first member of an API's own struct. */
struct mu_vector_answer {
    mu_answer answer; /* first: the server's pointer is ours */
    const mu_vector_form *form;
    char model[256]; /* the name it was asked under */
    uint32_t n_texts, n_tokens;
    mu_request *request;
    mu_request_news *news; /* [n_texts] */
    uint64_t answer_bytes; /* of it, at most */
};

/* The answer is of so many bytes, zeroed, and is freed with the call. */
void mu_vector_start(mu_call *call, const mu_vector_form *form, size_t size);
/* The call's model, which must be one that gives embeddings. False: *error says that it is not. */
bool mu_vector_choose_model(mu_vector_answer *p, const char *name, mu_api_error *error);
/* texts: [n_texts]; tokens and n_first of each, borrowed. field: of the body, for errors. */
bool mu_vector_submit(mu_vector_answer *p, const mu_seq_options *texts, uint32_t n_texts,
                      const char *field, mu_api_error *error);
/* What text i became: [*out_n]. */
const float *mu_vector_values(const mu_vector_answer *p, uint32_t i, uint32_t *out_n);
/* A name as JSON text. */
void mu_vector_append_text(const char *text, size_t n, mu_buf *out);

#endif
