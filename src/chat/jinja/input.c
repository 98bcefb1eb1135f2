#include "chat/jinja/input.h"

#include <string.h>

enum { DEPTH_MAX = 128 /* above what the JSON parser lets in */ };

static bool is_role(const char *key, mu_marked text) {
    static const char *const roles[] = {"system",    "developer",     "user",
                                        "assistant", "tool",          "function",
                                        "ipython",   "tool_response", "documents"};
    if (strcmp(key, "role") != 0) return false;
    for (size_t i = 0; i < MU_COUNTOF(roles); i++) {
        if (mu_marked_is(text, roles[i])) return true;
    }
    return false;
}

static mu_marked marked(const char *text, size_t n) {
    return (mu_marked){.data = text, .n = n, .from_input = true};
}

static bool convert(mu_run *run, const json_t *json, const char *key, uint32_t depth,
                    mu_value *out);

static bool convert_array(mu_run *run, const json_t *json, uint32_t depth, mu_value *out) {
    mu_value_list *list;
    size_t n = json_array_size(json);
    if (!mu_value_list_new(run, n, &list)) return false;
    for (size_t i = 0; i < n; i++) {
        mu_value item;
        if (!convert(run, json_array_get(json, i), "", depth + 1, &item) ||
            !mu_value_list_append(run, list, item))
            return false;
    }
    *out = mu_value_of_list(list, MU_VALUE_LIST);
    return true;
}

static bool convert_object(mu_run *run, const json_t *json, uint32_t depth, mu_value *out) {
    mu_value_dict *dict;
    const char *key;
    json_t *member;
    if (!mu_value_dict_new(run, json_object_size(json), &dict)) return false;
    json_object_foreach((json_t *)json, key, member) {
        mu_value value, name = mu_value_text(marked(key, strlen(key)));
        if (!convert(run, member, key, depth + 1, &value) ||
            !mu_value_dict_add(run, dict, name, value))
            return false;
    }
    *out = mu_value_of_dict(dict);
    return true;
}

static bool convert(mu_run *run, const json_t *json, const char *key, uint32_t depth,
                    mu_value *out) {
    if (depth > DEPTH_MAX)
        return mu_run_fail(run, MU_ERR_LIMIT, "messages nested deeper than %d", DEPTH_MAX);
    switch (json_typeof(json)) {
    case JSON_OBJECT:
        return convert_object(run, json, depth, out);
    case JSON_ARRAY:
        return convert_array(run, json, depth, out);
    case JSON_STRING:
        *out = mu_value_text(marked(json_string_value(json), json_string_length(json)));
        if (is_role(key, out->text)) out->text.from_input = false;
        return true;
    case JSON_INTEGER:
        *out = mu_value_int(json_integer_value(json));
        return true;
    case JSON_REAL:
        *out = mu_value_float(json_real_value(json));
        return true;
    case JSON_TRUE:
    case JSON_FALSE:
        *out = mu_value_bool(json_is_true(json));
        return true;
    case JSON_NULL:
        *out = mu_value_none();
        return true;
    }
    MU_ASSERT(false); /* every kind is above */
    return false;
}

bool mu_input_value(mu_run *run, const json_t *json, mu_value *out) {
    return convert(run, json, "", 0, out);
}

size_t mu_input_bytes(const json_t *json) {
    size_t n = sizeof(mu_value_pair), i;
    const char *key;
    json_t *member;
    if (json_is_string(json)) return n + json_string_length(json);
    if (json_is_array(json)) {
        json_array_foreach(json, i, member) n += mu_input_bytes(member);
    }
    if (json_is_object(json)) {
        json_object_foreach((json_t *)json, key, member) n += strlen(key) + mu_input_bytes(member);
    }
    return n;
}
