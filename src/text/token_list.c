#include "text/token_list.h"

#include <string.h>

#include "base/alloc.h"

void mu_token_list_deinit(mu_token_list *list) {
    mu_free(list->tokens);
    *list = (mu_token_list){0};
}

bool mu_token_list_add(mu_token_list *list, const mu_token *tokens, size_t n) {
    if (list->n + n > list->cap) {
        void *grown = list->tokens;
        if (!mu_grow(&grown, &list->cap, list->n + n, sizeof(*tokens))) return false;
        list->tokens = grown;
    }
    if (n > 0) memcpy(list->tokens + list->n, tokens, n * sizeof(*tokens));
    list->n += n;
    return true;
}
