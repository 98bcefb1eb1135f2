#include "chat/call_body.h"

#include <string.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "chat/json_scan.h"
#include "format/json.h"

enum { CALLS_MAX = 128, NAME_BYTES_MAX = 256 };

typedef struct slice {
    const char *data;
    size_t n;
} slice;

void mu_tool_call_deinit(mu_tool_call *call) {
    mu_buf_deinit(&call->name);
    mu_buf_deinit(&call->arguments);
}

void mu_tool_calls_cut(mu_tool_calls *calls, size_t n) {
    while (calls->n > n) {
        mu_tool_call_deinit(&calls->items[--calls->n]);
    }
}

void mu_tool_calls_deinit(mu_tool_calls *calls) {
    mu_tool_calls_cut(calls, 0);
    mu_free(calls->items);
    *calls = (mu_tool_calls){0};
}

void mu_tool_calls_make_id(mu_tool_calls *calls, char out[10]) {
    static const char letters[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    for (int i = 0; i < 9; i++) {
        calls->id_state = calls->id_state * 6364136223846793005u + 1442695040888963407u;
        out[i] = letters[(calls->id_state >> 33) % (sizeof(letters) - 1)];
    }
    out[9] = '\0';
}

mu_tool_call *mu_tool_calls_add(mu_tool_calls *calls, const char *name, size_t n) {
    void *items = calls->items;
    if (!mu_grow(&items, &calls->cap, calls->n + 1, sizeof(*calls->items))) {
        calls->failed = true;
        return NULL;
    }
    calls->items = items;
    mu_tool_call *call = &calls->items[calls->n++];
    *call = (mu_tool_call){0};
    mu_tool_calls_make_id(calls, call->id);
    mu_buf_append(&call->name, name, n);
    return call;
}

static const json_t *find_tool(const json_t *tools, const char *name, size_t n) {
    size_t i;
    const json_t *tool;
    json_array_foreach(tools, i, tool) {
        const json_t *function = json_object_get(tool, "function");
        const json_t *its = json_object_get(function, "name");
        if (json_string_length(its) == n && memcmp(json_string_value(its), name, n) == 0)
            return function;
    }
    return NULL;
}

bool mu_tool_is_known(const mu_tool_calls *calls, const char *name, size_t n) {
    return n > 0 && find_tool(calls->tools, name, n);
}

static int append_text(const char *data, size_t n, void *ctx) {
    mu_buf_append(ctx, data, n);
    return 0;
}

void mu_json_quote(mu_buf *out, const char *text, size_t n) {
    json_t *string = json_stringn(text, n);
    if (!string || json_dump_callback(string, append_text, out, JSON_ENCODE_ANY))
        out->failed = true;
    json_decref(string);
}

bool mu_json_is_valid(const char *text, size_t n) {
    json_t *json = NULL;
    bool ok = mu_json_parse(text, n, &json, NULL) == MU_OK;
    json_decref(json);
    return ok;
}

static slice trimmed(const char *text, size_t n) {
    while (n > 0 && strchr(" \t\r\n", text[0]) && text[0]) {
        text++;
        n--;
    }
    while (n > 0 && strchr(" \t\r\n", text[n - 1]) && text[n - 1]) {
        n--;
    }
    return (slice){text, n};
}

static bool is_name(slice s) {
    return s.n > 0 && s.n <= NAME_BYTES_MAX && !memchr(s.data, '\n', s.n);
}

/* Arguments as the model wrote them; a string that holds JSON is unwrapped. */
static bool add_arguments(mu_tool_call *call, slice arguments) {
    json_t *json = NULL;
    if (mu_json_parse(arguments.data, arguments.n, &json, NULL) != MU_OK) return false;
    bool ok = json_is_object(json);
    if (ok) mu_buf_append(&call->arguments, arguments.data, arguments.n);
    if (json_is_string(json)) {
        const char *text = json_string_value(json);
        size_t n = json_string_length(json);
        ok = n > 0 && trimmed(text, n).data[0] == '{' && mu_json_is_valid(text, n);
        if (ok) mu_buf_append(&call->arguments, text, n);
    }
    json_decref(json);
    return ok;
}

static bool add_object(slice object, bool only_known, mu_tool_calls *out) {
    slice name, arguments = {"{}", 2};
    if (!mu_json_scan_member(object.data, object.n, "name", &name.data, &name.n) || name.n < 3 ||
        name.data[0] != '"')
        return false;
    name = (slice){name.data + 1, name.n - 2};
    if (!is_name(name) || memchr(name.data, '\\', name.n)) return false;
    if (only_known && !mu_tool_is_known(out, name.data, name.n)) return false;
    bool has_arguments =
        mu_json_scan_member(object.data, object.n, "arguments", &arguments.data, &arguments.n) ||
        mu_json_scan_member(object.data, object.n, "parameters", &arguments.data, &arguments.n);
    if (only_known && !has_arguments) return false;
    mu_tool_call *call = mu_tool_calls_add(out, name.data, name.n);
    return call && add_arguments(call, arguments);
}

static bool add_array(slice array, mu_tool_calls *out) {
    size_t at = 1, n_found = 0;
    while (at < array.n && n_found < CALLS_MAX) {
        slice rest = trimmed(array.data + at, array.n - at);
        size_t n = mu_json_scan_length(rest.data, rest.n);
        if (n == 0 || !add_object((slice){rest.data, n}, false, out)) break;
        n_found++;
        at = (size_t)(rest.data - array.data) + n;
        rest = trimmed(array.data + at, array.n - at);
        if (rest.n == 0 || rest.data[0] != ',') return rest.n == 1 && rest.data[0] == ']';
        at = (size_t)(rest.data - array.data) + 1;
    }
    return false;
}

static bool read_json(const char *text, size_t n, bool only_known, mu_tool_calls *out) {
    size_t n_before = out->n;
    slice body = trimmed(text, n);
    bool ok = body.n > 0 && mu_json_is_valid(body.data, body.n) &&
              (body.data[0] == '[' ? !only_known && add_array(body, out)
                                   : body.data[0] == '{' && add_object(body, only_known, out));
    if (!ok) mu_tool_calls_cut(out, n_before);
    return ok;
}

bool mu_call_body_json(const char *text, size_t n, mu_tool_calls *out) {
    return read_json(text, n, false, out);
}

bool mu_call_body_known_json(const char *text, size_t n, mu_tool_calls *out) {
    return read_json(text, n, true, out);
}

/* "functions.f:0" is f; DeepSeek V3 writes the type of the call before the name. */
static slice bare_name(slice name) {
    static const char prefix[] = "functions.";
    size_t n_prefix = sizeof(prefix) - 1;
    if (name.n > n_prefix && memcmp(name.data, prefix, n_prefix) == 0) {
        name.data += n_prefix;
        name.n -= n_prefix;
    }
    const char *colon = memchr(name.data, ':', name.n);
    if (colon) name.n = (size_t)(colon - name.data);
    return trimmed(name.data, name.n);
}

/* The outermost object within: DeepSeek V3 puts it between lines of backquotes. */
static bool object_in(slice text, slice *before, slice *out) {
    const char *brace = text.n > 0 ? memchr(text.data, '{', text.n) : NULL;
    if (!brace) return false;
    size_t at = (size_t)(brace - text.data);
    size_t n = mu_json_scan_length(brace, text.n - at);
    *before = trimmed(text.data, at);
    *out = (slice){brace, n};
    slice after = trimmed(brace + n, text.n - at - n);
    return n > 0 && (after.n == 0 || (after.n == 3 && memcmp(after.data, "```", 3) == 0));
}

bool mu_call_body_named(const char *text, size_t n, mu_tool_calls *out) {
    static const char *const separators[] = {"<｜tool▁sep｜>", "<|tool_call_argument_begin|>",
                                             "[ARGS]"};
    static const char fence[] = "```json";
    size_t n_before = out->n;
    for (size_t i = 0; i < MU_COUNTOF(separators); i++) {
        const char *sep = memmem(text, n, separators[i], strlen(separators[i]));
        if (!sep) continue;
        slice name = trimmed(text, (size_t)(sep - text)), before, object;
        sep += strlen(separators[i]);
        if (!object_in((slice){sep, n - (size_t)(sep - text)}, &before, &object)) return false;
        size_t n_fence = sizeof(fence) - 1;
        if (before.n >= n_fence && memcmp(before.data + before.n - n_fence, fence, n_fence) == 0) {
            name = trimmed(before.data, before.n - n_fence); /* function SEP name ```json */
        } else if (before.n > 0) {
            return false;
        }
        const char *id = memmem(name.data, name.n, "[CALL_ID]", 9);
        if (id) name.n = (size_t)(id - name.data);
        name = bare_name(name);
        mu_tool_call *call = is_name(name) ? mu_tool_calls_add(out, name.data, name.n) : NULL;
        if (call && add_arguments(call, object)) return true;
        mu_tool_calls_cut(out, n_before);
        return false;
    }
    return false;
}

/* Is the parameter a text by the tool's schema, or unknown to it? */
static bool wants_text(const mu_tool_calls *calls, slice tool, slice key) {
    const json_t *schema =
        json_object_get(find_tool(calls->tools, tool.data, tool.n), "parameters");
    const json_t *property =
        json_object_getn(json_object_get(schema, "properties"), key.data, key.n);
    const char *type = json_string_value(json_object_get(property, "type"));
    if (type) return strcmp(type, "string") == 0;
    return !property; /* a union, an enum, a reference: by its form */
}

static void add_pair(mu_tool_calls *calls, mu_tool_call *call, slice tool, slice key, slice value) {
    mu_buf *out = &call->arguments;
    mu_buf_append_str(out, out->n > 0 ? ", " : "{");
    mu_json_quote(out, key.data, key.n);
    mu_buf_append_str(out, ": ");
    slice bare = trimmed(value.data, value.n);
    if (!wants_text(calls, tool, key) && mu_json_is_valid(bare.data, bare.n)) {
        mu_buf_append(out, bare.data, bare.n);
    } else {
        mu_json_quote(out, value.data, value.n);
    }
}

/* What stands before mark; moves *text behind it. False: mark is not there. */
static bool take_until(slice *text, const char *mark, slice *out) {
    const char *found = text->n > 0 ? memmem(text->data, text->n, mark, strlen(mark)) : NULL;
    if (!found) return false;
    *out = (slice){text->data, (size_t)(found - text->data)};
    text->n -= out->n + strlen(mark);
    text->data = found + strlen(mark);
    return true;
}

static slice without_outer_newlines(slice s) {
    if (s.n > 0 && s.data[0] == '\n') s = (slice){s.data + 1, s.n - 1};
    if (s.n > 0 && s.data[s.n - 1] == '\n') s.n--;
    return s;
}

bool mu_call_body_function(const char *text, size_t n, mu_tool_calls *out) {
    slice rest = trimmed(text, n), before, name, key, value;
    size_t n_before = out->n;
    if (!take_until(&rest, "<function=", &before) || before.n > 0 ||
        !take_until(&rest, ">", &name) || !is_name(name))
        return false;
    mu_tool_call *call = mu_tool_calls_add(out, name.data, name.n);
    if (!call) return false;
    while (take_until(&rest, "<parameter=", &before)) {
        bool ok = trimmed(before.data, before.n).n == 0 && take_until(&rest, ">", &key) &&
                  take_until(&rest, "</parameter>", &value);
        if (!ok) {
            mu_tool_calls_cut(out, n_before);
            return false;
        }
        add_pair(out, call, name, key, without_outer_newlines(value));
    }
    mu_buf_append_str(&call->arguments, call->arguments.n > 0 ? "}" : "{}");
    return true;
}

bool mu_call_body_pairs(const char *text, size_t n, mu_tool_calls *out) {
    slice rest = trimmed(text, n), name, before, key, value;
    size_t n_before = out->n;
    const char *first = memmem(rest.data, rest.n, "<arg_key>", 9);
    name = trimmed(rest.data, first ? (size_t)(first - rest.data) : rest.n);
    if (!is_name(name) || memchr(name.data, '<', name.n) || memchr(name.data, ' ', name.n) ||
        memchr(name.data, '{', name.n))
        return false;
    mu_tool_call *call = mu_tool_calls_add(out, name.data, name.n);
    if (!call) return false;
    while (take_until(&rest, "<arg_key>", &before)) {
        if (!take_until(&rest, "</arg_key>", &key) || !take_until(&rest, "<arg_value>", &before) ||
            !take_until(&rest, "</arg_value>", &value)) {
            mu_tool_calls_cut(out, n_before);
            return false;
        }
        add_pair(out, call, name, trimmed(key.data, key.n), value);
    }
    mu_buf_append_str(&call->arguments, call->arguments.n > 0 ? "}" : "{}");
    return true;
}
