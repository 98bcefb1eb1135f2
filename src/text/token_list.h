/* token_list.h - tokens being collected. Private to text/.
 *
 * Memory: owned; mu_token_list_deinit() frees it. Threads: one at a time.
 */
#ifndef MU_TEXT_TOKEN_LIST_H
#define MU_TEXT_TOKEN_LIST_H

#include "base/base.h"
#include "base/token.h"

typedef struct mu_token_list {
    mu_token *tokens; /* [n], owned */
    size_t n, cap;
} mu_token_list;

void mu_token_list_deinit(mu_token_list *list); /* a zeroed list is allowed */

/* False: no memory. */
bool mu_token_list_add(mu_token_list *list, const mu_token *tokens, size_t n) MU_MUST_USE;

#endif
