/* params.h - the fields of a JSON request: one table parses, validates, sets defaults and documents
 * them, so the four cannot disagree. To add a field: add the struct member, add a row.
 */
#ifndef MU_SERVER_PARAMS_H
#define MU_SERVER_PARAMS_H

#include "base/buf.h"
#include "server/api_error.h"

typedef enum mu_param_kind {
    MU_PARAM_BOOL,
    MU_PARAM_U32, /* min -1: that is UINT32_MAX, and says "no limit" */
    MU_PARAM_U64, /* any 64 bits, signed or not; min and max do not count */
    MU_PARAM_F32,
    MU_PARAM_TEXT,    /* const char *, borrowed from the JSON */
    MU_PARAM_JSON,    /* json_t *, borrowed; what it may be is the owner's to say */
    MU_PARAM_IGNORED, /* accepted, without effect */
} mu_param_kind;

typedef struct mu_param {
    const char *name;
    mu_param_kind kind;
    size_t offset;
    double min, max;     /* of numbers */
    const char *initial; /* as docs show it; the struct holds the value itself */
    const char *help;
} mu_param;

/* The fields of a request; more: the fields it shares with others, NULL: none. */
typedef struct mu_param_table {
    const mu_param *rows;
    size_t n;
    const struct mu_param_table *more;
} mu_param_table;

/* Fields of object into out, which holds the defaults; null is as absent. Names that are in no row
 * are appended to unknown, with ", " between. False: *error names the field. */
bool mu_params_read(const mu_param_table *table, json_t *object, void *out, mu_buf *unknown,
                    mu_api_error *error);

/* The table as Markdown. */
void mu_params_document(const mu_param_table *table, mu_buf *out);

#endif
