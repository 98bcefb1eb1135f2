#include "text/chat_template.h"

#include <string.h>

enum { N_ROLES = 4 };

struct mu_chat_template {
    const char *name;
    const char *before[N_ROLES]; /* by role: system, user, assistant, tool */
    const char *after;           /* each message */
    const char *invite, *stop;
};

static const struct {
    const char *name;
    int role;
} roles[] = {{"system", 0},    {"developer", 0}, {"user", 1},
             {"assistant", 2}, {"tool", 3},      {"function", 3}};

static const mu_chat_template templates[] = {
    {"plain", {"System: ", "User: ", "Assistant: ", "Tool: "}, "\n\n", "Assistant:", "\n\nUser:"},
    {"chatml",
     {"<|im_start|>system\n", "<|im_start|>user\n", "<|im_start|>assistant\n",
      "<|im_start|>tool\n"},
     "<|im_end|>\n",
     "<|im_start|>assistant\n",
     "<|im_end|>"},
};

const mu_chat_template *mu_chat_template_find(const char *name) {
    for (size_t i = 0; i < MU_COUNTOF(templates); i++) {
        if (strcmp(templates[i].name, name) == 0) return &templates[i];
    }
    return NULL;
}

const char *mu_chat_template_names(void) {
    return "plain, chatml";
}

bool mu_chat_template_append(const mu_chat_template *t, const char *role, const char *content,
                             size_t n, mu_buf *out) {
    for (size_t i = 0; i < MU_COUNTOF(roles); i++) {
        if (strcmp(roles[i].name, role) != 0) continue;
        mu_buf_append_str(out, t->before[roles[i].role]);
        mu_buf_append(out, content, n);
        mu_buf_append_str(out, t->after);
        return true;
    }
    return false;
}

void mu_chat_template_invite(const mu_chat_template *t, mu_buf *out) {
    mu_buf_append_str(out, t->invite);
}

const char *mu_chat_template_stop(const mu_chat_template *t) {
    return t->stop;
}
