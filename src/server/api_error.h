/* api_error.h - one error as an API tells it: HTTP code, type, code, the field, the text.
 *
 *     OpenAI     {"error": {"message": "...", "type": "...", "param": "..." | null, "code": "..."}}
 *     Anthropic  {"type": "error", "error": {"type": "...", "message": "..."}}
 *     Ollama     {"error": "..."}
 */
#ifndef MU_SERVER_API_ERROR_H
#define MU_SERVER_API_ERROR_H

#include <jansson.h>

#include "base/status.h"

typedef enum mu_api_code {
    MU_API_INVALID_JSON,
    MU_API_INVALID_VALUE,
    MU_API_CONTEXT_LENGTH,
    MU_API_BAD_REQUEST,
    MU_API_KEY,
    MU_API_NO_OPERATOR,
    MU_API_ORIGIN,
    MU_API_HOST,
    MU_API_MODEL_NOT_FOUND,
    MU_API_NOT_FOUND,
    MU_API_METHOD,
    MU_API_LATE,
    MU_API_TOO_LARGE,
    MU_API_URI_TOO_LONG,
    MU_API_HEADERS_TOO_LARGE,
    MU_API_MEDIA_TYPE,
    MU_API_QUEUE_FULL,
    MU_API_CLIENT_LIMIT,
    MU_API_INTERNAL,
    MU_API_NOT_SUPPORTED,
    MU_API_OVERLOADED,
    MU_API_LOADING,
    MU_API_DRAINING,
    MU_N_API_CODES,
} mu_api_code;

typedef struct mu_api_error {
    mu_api_code code;
    char param[48]; /* "": none */
    char text[280];
} mu_api_error;

typedef enum mu_api { MU_API_OPENAI, MU_API_ANTHROPIC, MU_API_OLLAMA } mu_api;

/* Whose path it is; NULL is nobody's, which is OpenAI's. */
mu_api mu_api_of_path(const char *path);

unsigned mu_api_http_code(mu_api_code code);
const char *mu_api_code_name(mu_api_code code);
const char *mu_api_code_type(mu_api_code code);

/* Returns false, so that a failing check is one line. param may be NULL. */
bool mu_api_fail(mu_api_error *error, mu_api_code code, const char *param, const char *format, ...)
    MU_PRINTF(4, 5);
bool mu_api_no_memory(mu_api_error *error);
/* An invalid value: "field: what". */
bool mu_api_wrong(mu_api_error *error, const char *field, const char *what);
/* From below: the one table from mu_status. A text "field: ..." names the param. */
bool mu_api_fail_status(mu_api_error *error, const mu_err *err);

json_t *mu_api_error_json(mu_api api, const mu_api_error *error); /* NULL: no memory */

#endif
