/* One buffer holds what is not decided yet, from `at` on. Each state looks for the marks that end
 * it and says whether it got further; when none does, the rest waits for more text.
 *
 * Invariant: what a state does depends on the text alone and not on how it was cut, because a state
 * acts on a mark only when no longer one could begin before it.
 */
#include "chat/answer_parts.h"

#include <string.h>

#include "base/alloc.h"
#include "chat/answer_format.h"
#include "chat/json_scan.h"

enum { MARKS_MAX = 12 };

typedef enum state { START, REASONING, CONTENT, CALL, HEADER, BODY } state;

struct mu_answer_parts {
    const mu_call_format *calls_as;          /* NULL: calls are not looked for */
    const mu_reasoning_format *reasoning_as; /* NULL: there is none */
    mu_buf pending;                          /* from at on: not decided */
    size_t at;
    state state;
    bool is_finished;
    bool skips_space; /* white space that comes next is nobody's */

    const char *opened; /* CALL: the mark that began it, "" for an answer that is one */
    size_t scanned;     /* CALL: bytes of pending that were looked at */
    mu_json_scan scan;  /* CALL: at scanned */
    bool in_json;       /* CALL without closing mark: its JSON has begun */
    bool is_in_form;    /* calls are written as the format's layout has them */
    bool has_live;      /* CALL: live is shown; its arguments are scanned up to live_at */
    mu_tool_call live;
    mu_json_scan live_scan;
    size_t live_at;
    const char *channel; /* BODY: "analysis", "call", "final" */
    mu_buf recipient;    /* BODY of a call: its name */

    mu_buf content, reasoning;
    mu_tool_calls calls;
};

static const char *text_of(const mu_answer_parts *a) {
    return a->pending.data ? a->pending.data + a->at : "";
}

static size_t n_of(const mu_answer_parts *a) {
    return a->pending.n - a->at;
}

static void take(mu_answer_parts *a, size_t n) {
    MU_ASSERT(n <= n_of(a));
    a->at += n;
    if (a->at < 4096 || a->at < a->pending.n / 2) return;
    memmove(a->pending.data, a->pending.data + a->at, a->pending.n - a->at);
    a->pending.n -= a->at;
    a->at = 0;
}

static size_t leading_space(const char *text, size_t n) {
    size_t i = 0;
    while (i < n && text[i] && strchr(" \t\r\n", text[i])) {
        i++;
    }
    return i;
}

static size_t trailing_space(const char *text, size_t n) {
    size_t i = 0;
    while (i < n && text[n - 1 - i] && strchr(" \t\r\n", text[n - 1 - i])) {
        i++;
    }
    return i;
}

typedef struct marks {
    const char *items[MARKS_MAX];
    size_t n;
} marks;

static void add_mark(marks *m, const char *mark) {
    MU_ASSERT(m->n < MARKS_MAX);
    if (mark) m->items[m->n++] = mark;
}

/* The first mark in text, the longest where several begin. *out_at: where; NULL: there is none, and
 * from *out_at on one could begin. At the end of the answer nothing could. */
static const char *find_mark(const mu_answer_parts *a, const marks *m, size_t *out_at) {
    const char *text = text_of(a);
    size_t n = n_of(a);
    for (size_t i = 0; i < n; i++) {
        const char *found = NULL;
        bool may_begin = false;
        for (size_t k = 0; k < m->n; k++) {
            size_t n_mark = strlen(m->items[k]), n_there = n - i < n_mark ? n - i : n_mark;
            if (memcmp(text + i, m->items[k], n_there) != 0) continue;
            if (n_there < n_mark) {
                may_begin = may_begin || !a->is_finished;
            } else if (!found || n_mark > strlen(found)) {
                found = m->items[k];
            }
        }
        if (!found && !may_begin) continue;
        *out_at = i;
        return may_begin ? NULL : found;
    }
    *out_at = n;
    return NULL;
}

static bool skip_space(mu_answer_parts *a) {
    size_t n = leading_space(text_of(a), n_of(a));
    take(a, n);
    return n_of(a) > 0 || a->is_finished;
}

/* Text up to n goes to a part, but not the white space at its end, which a mark may drop. */
static void give(mu_answer_parts *a, mu_buf *part, size_t n, bool before_mark) {
    size_t space = trailing_space(text_of(a), n);
    if (before_mark || !a->is_finished) {
        mu_buf_append(part, text_of(a), n - space);
        take(a, before_mark ? n : n - space);
    } else {
        mu_buf_append(part, text_of(a), n);
        take(a, n);
    }
}

static void begin_call(mu_answer_parts *a, const char *mark) {
    a->opened = mark;
    a->state = CALL;
    a->scanned = 0;
    a->scan = (mu_json_scan){0};
    a->in_json = false;
}

/* Before anything was said reasoning may open. */
static bool step_start(mu_answer_parts *a) {
    const char *open = a->reasoning_as->open;
    size_t space = leading_space(text_of(a), n_of(a)), n = n_of(a) - space, n_open = strlen(open);
    size_t n_there = n < n_open ? n : n_open;
    bool may_open = memcmp(text_of(a) + space, open, n_there) == 0;
    if (may_open && n_there < n_open && !a->is_finished) return false;
    a->state = CONTENT;
    if (may_open && n_there == n_open) {
        take(a, space + n_open);
        a->state = REASONING;
        a->skips_space = true;
    }
    return true;
}

static bool step_reasoning(mu_answer_parts *a) {
    marks m = {0};
    size_t at;
    if (a->skips_space) {
        if (!skip_space(a)) return false;
        a->skips_space = n_of(a) == 0;
    }
    add_mark(&m, a->reasoning_as->close);
    bool is_first = a->reasoning.n == 0;
    if (is_first) add_mark(&m, a->reasoning_as->open);   /* some repeat what the prompt opened */
    if (a->calls_as) add_mark(&m, a->calls_as->open[0]); /* some forget to close */
    const char *mark = find_mark(a, &m, &at);
    if (mark == a->reasoning_as->open && is_first && at == 0) {
        take(a, strlen(mark));
        a->skips_space = true;
        return true;
    }
    if (mark == a->reasoning_as->open) mark = NULL, at += strlen(a->reasoning_as->open);
    size_t before = n_of(a);
    give(a, &a->reasoning, at, mark != NULL);
    if (!mark) return n_of(a) < before;
    if (mark == a->reasoning_as->close) take(a, strlen(mark));
    a->state = CONTENT;
    a->skips_space = true;
    return true;
}

/* A format without opening mark: an answer that begins with '{' may be a call. */
static bool begins_as_call(const mu_answer_parts *a, bool *out_may) {
    size_t space = leading_space(text_of(a), n_of(a));
    bool is_open = a->calls_as && !a->calls_as->open[0] && a->content.n == 0;
    *out_may = is_open && space == n_of(a) && !a->is_finished;
    return is_open && space < n_of(a) && text_of(a)[space] == '{';
}

static bool step_content(mu_answer_parts *a) {
    marks m = {0};
    size_t at;
    if (a->skips_space) {
        if (!skip_space(a)) return false;
        a->skips_space = n_of(a) == 0;
    }
    bool may_begin;
    if (begins_as_call(a, &may_begin)) {
        begin_call(a, "");
        return true;
    }
    if (may_begin) return false;
    if (!a->calls_as) {
        size_t n = n_of(a);
        mu_buf_append(&a->content, text_of(a), n);
        take(a, n);
        return false;
    }
    for (size_t i = 0; i < MU_COUNTOF(a->calls_as->open); i++) {
        add_mark(&m, a->calls_as->open[i]);
    }
    for (size_t i = 0; i < MU_DROPPED_MAX; i++) {
        add_mark(&m, a->calls_as->dropped[i]);
    }
    const char *mark = find_mark(a, &m, &at);
    size_t before = n_of(a);
    give(a, &a->content, at, mark != NULL);
    if (!mark) return n_of(a) < before;
    take(a, strlen(mark));
    bool opens = mark == a->calls_as->open[0] || mark == a->calls_as->open[1];
    if (opens) begin_call(a, mark);
    a->skips_space = !opens;
    return true;
}

static void drop_live(mu_answer_parts *a) {
    mu_tool_call_deinit(&a->live);
    a->live = (mu_tool_call){0};
    a->has_live = false;
}

/* What of the layout comes before the name, after the mark that opened the call; NULL: the layout
 * has no such mark. */
static const char *before_name(const mu_answer_parts *a, mu_buf *out) {
    const mu_call_layout *layout = &a->calls_as->layout;
    size_t n_opened = strlen(a->opened);
    if (strncmp(layout->begin, a->opened, n_opened) != 0) mu_buf_append_str(out, layout->open);
    mu_buf_append_str(out, layout->begin);
    bool is_known = !out->failed && strncmp(out->data, a->opened, n_opened) == 0;
    return is_known ? out->data + n_opened : NULL;
}

/* The name is whole: from here on the call is shown. */
static void begin_live(mu_answer_parts *a) {
    const char *middle = a->calls_as->layout.middle;
    mu_buf text = {0};
    const char *before = before_name(a, &text);
    size_t n = before ? strlen(before) : 0;
    bool is_so = before && n_of(a) > n && memcmp(text_of(a), before, n) == 0;
    const char *name = text_of(a) + n;
    const char *end = is_so ? memmem(name, n_of(a) - n, middle, strlen(middle)) : NULL;
    mu_buf_deinit(&text);
    if (!end) return;
    mu_buf_append(&a->live.name, name, (size_t)(end - name));
    mu_tool_calls_make_id(&a->calls, a->live.id);
    a->live_scan = (mu_json_scan){0};
    a->live_at = (size_t)(end - text_of(a)) + strlen(middle);
    a->has_live = true;
}

static void follow_call(mu_answer_parts *a) {
    if (!a->is_in_form) return;
    if (!a->has_live) begin_live(a);
    bool is_whole = !a->has_live || (a->live_scan.has_begun && a->live_scan.depth == 0);
    size_t from = a->live_at;
    while (a->live_at < n_of(a) && !is_whole) {
        is_whole = mu_json_scan_byte(&a->live_scan, text_of(a)[a->live_at++]);
    }
    if (a->has_live && a->live_at > from)
        mu_buf_append(&a->live.arguments, text_of(a) + from, a->live_at - from);
}

/* What was shown is the first of the calls that were read, or all that there is. */
static bool settle_live(mu_answer_parts *a, size_t n_before, bool is_read) {
    mu_tool_call *call = is_read && a->calls.n > n_before ? &a->calls.items[n_before] : NULL;
    if (!a->has_live) return is_read;
    if (!is_read) {
        call = mu_tool_calls_add(&a->calls, a->live.name.data, a->live.name.n);
        if (call && a->live.arguments.n > 0)
            mu_buf_append(&call->arguments, a->live.arguments.data, a->live.arguments.n);
    }
    if (call) memcpy(call->id, a->live.id, sizeof(call->id));
    drop_live(a);
    return call != NULL;
}

static bool read_body(mu_answer_parts *a, const char *text, size_t n) {
    size_t n_before = a->calls.n;
    mu_buf whole = {0};
    const mu_call_format *f = a->calls_as;
    if (f->keeps_open && strcmp(a->opened, f->open[1]) == 0) mu_buf_append_str(&whole, a->opened);
    mu_buf_append(&whole, text, n);
    bool ok = f->read(whole.data, whole.n, &a->calls) ||
              (f->read_else && f->read_else(whole.data, whole.n, &a->calls));
    a->calls.failed |= whole.failed;
    mu_buf_deinit(&whole);
    return settle_live(a, n_before, ok);
}

/* The body is the first n bytes; n_close more belong to its mark. */
static void end_call(mu_answer_parts *a, size_t n, size_t n_close) {
    bool ok = read_body(a, text_of(a), n);
    if (!ok) { /* the words of the model, all of them */
        mu_buf_append_str(&a->content, a->opened);
        mu_buf_append(&a->content, text_of(a), n + n_close);
    }
    take(a, n + n_close);
    a->state = CONTENT;
    a->skips_space = ok;
}

/* Without a closing mark: the first '{' or '[' that is no mark itself begins the JSON. */
static bool find_json(mu_answer_parts *a) {
    static const char *const not_json[] = {"[ARGS]", "[CALL_ID]"};
    const char *text = text_of(a);
    while (a->scanned < n_of(a) && text[a->scanned] != '{' && text[a->scanned] != '[') {
        a->scanned++;
    }
    size_t n = n_of(a) - a->scanned;
    for (size_t i = 0; i < MU_COUNTOF(not_json); i++) {
        size_t n_mark = strlen(not_json[i]), n_there = n < n_mark ? n : n_mark;
        if (memcmp(text + a->scanned, not_json[i], n_there) != 0) continue;
        if (n_there < n_mark && !a->is_finished) return false;
        if (n_there == n_mark) {
            a->scanned += n_mark;
            return find_json(a);
        }
    }
    a->in_json = n > 0;
    return a->in_json;
}

static bool scan_to_json_end(mu_answer_parts *a) {
    if (!a->in_json && !find_json(a)) return false;
    while (a->scanned < n_of(a)) {
        if (mu_json_scan_byte(&a->scan, text_of(a)[a->scanned++])) {
            end_call(a, a->scanned, 0);
            return true;
        }
    }
    return false;
}

static bool scan_to_close(mu_answer_parts *a) {
    const char *close = a->calls_as->close;
    size_t n_close = strlen(close);
    while (n_of(a) >= n_close && a->scanned <= n_of(a) - n_close) {
        const char *here = text_of(a) + a->scanned;
        bool counts = !a->calls_as->in_json || !a->scan.in_string;
        if (counts && memcmp(here, close, n_close) == 0) {
            bool is_inside = a->calls_as->keeps_open; /* </function> ends the body as part of it */
            end_call(a, a->scanned + (is_inside ? n_close : 0), is_inside ? 0 : n_close);
            return true;
        }
        if (a->calls_as->in_json) mu_json_scan_byte(&a->scan, *here);
        a->scanned++;
    }
    return false;
}

static bool step_call(mu_answer_parts *a) {
    if (a->calls_as->close ? scan_to_close(a) : scan_to_json_end(a)) return true;
    if (!a->is_finished) {
        follow_call(a);
        return false;
    }
    size_t n = n_of(a); /* a stop token may stand for the mark */
    if (read_body(a, text_of(a), n)) {
        take(a, n);
    } else { /* later calls may yet be whole: only the mark is text for certain */
        mu_buf_append_str(&a->content, a->opened);
        if (a->opened[0] == '\0' && n > 0) {
            mu_buf_append(&a->content, text_of(a), 1);
            take(a, 1);
        }
    }
    a->state = CONTENT;
    return true;
}

/* gpt-oss: <|channel|>NAME to=functions.f<|message|>text<|end|><|start|>assistant ... */
static bool step_header(mu_answer_parts *a) {
    static const char to[] = "to=functions.", message[] = "<|message|>";
    const char *text = text_of(a), *end = memmem(text, n_of(a), message, sizeof(message) - 1);
    if (!end) {
        bool said_nothing = a->content.n == 0 && a->reasoning.n == 0 && a->calls.n == 0;
        if (a->is_finished && said_nothing) mu_buf_append(&a->content, text, n_of(a));
        if (a->is_finished) take(a, n_of(a)); /* else a header without a message says nothing */
        return false;
    }
    size_t n = (size_t)(end - text);
    const char *name = memmem(text, n, to, sizeof(to) - 1);
    a->channel = name ? "call" : memmem(text, n, "analysis", 8) ? "analysis" : "final";
    mu_buf_clear(&a->recipient);
    if (name) {
        name += sizeof(to) - 1;
        size_t n_name = 0;
        while (name + n_name < end && !strchr(" <\t\n", name[n_name])) {
            n_name++;
        }
        mu_buf_append(&a->recipient, name, n_name);
    }
    take(a, n + sizeof(message) - 1);
    a->state = BODY;
    return true;
}

static void end_channel_call(mu_answer_parts *a, size_t n) {
    size_t lead = leading_space(text_of(a), n), tail = trailing_space(text_of(a), n);
    const char *text = text_of(a) + lead;
    size_t n_arguments = lead + tail < n ? n - lead - tail : 0;
    bool ok = a->calls.tools && a->recipient.n > 0 && n_arguments > 0 && text[0] == '{' &&
              mu_json_is_valid(text, n_arguments);
    mu_tool_call *call =
        ok ? mu_tool_calls_add(&a->calls, a->recipient.data, a->recipient.n) : NULL;
    mu_buf_append(call ? &call->arguments : &a->content, call ? text : text_of(a),
                  call ? n_arguments : n);
    take(a, n);
}

static bool step_body(mu_answer_parts *a) {
    static const marks ends = {{"<|end|>", "<|call|>", "<|return|>", "<|start|>", "<|channel|>"},
                               5};
    size_t at, before = n_of(a);
    const char *mark = find_mark(a, &ends, &at);
    if (strcmp(a->channel, "call") == 0) {
        if (!mark && !a->is_finished) return false;
        end_channel_call(a, at);
    } else {
        mu_buf *part = strcmp(a->channel, "analysis") == 0 ? &a->reasoning : &a->content;
        mu_buf_append(part, text_of(a), at);
        take(a, at);
    }
    if (!mark) return n_of(a) < before;
    if (strcmp(mark, "<|channel|>") != 0) take(a, strlen(mark));
    a->state = HEADER;
    return true;
}

static bool step(mu_answer_parts *a) {
    switch (a->state) {
    case START:
        return step_start(a);
    case REASONING:
        return step_reasoning(a);
    case CONTENT:
        return step_content(a);
    case CALL:
        return step_call(a);
    case HEADER:
        return step_header(a);
    case BODY:
        return step_body(a);
    }
    MU_ASSERT(false); /* every state is above */
    return false;
}

void mu_answer_parts_push(mu_answer_parts *a, const char *text, size_t n) {
    MU_ASSERT(!a->is_finished);
    mu_buf_append(&a->pending, text, n);
    while (!a->pending.failed && step(a)) {}
}

void mu_answer_parts_finish(mu_answer_parts *a) {
    a->is_finished = true;
    while (!a->pending.failed && (n_of(a) > 0 || a->state == CALL) && step(a)) {}
}

mu_status mu_answer_parts_open(const mu_answer_parts_options *o, mu_answer_parts **out,
                               mu_err *err) {
    mu_answer_parts *a = mu_alloc(sizeof(*a));
    if (!a) return mu_fail(err, MU_ERR_NOMEM, "answer");
    if (o->tools && o->is_constrained) {
        a->calls_as = mu_call_format_constrained(o->template_text, o->template_n);
    } else if (o->tools) {
        a->calls_as = mu_call_format_of(o->template_text, o->template_n);
    }
    if (!o->keeps_reasoning)
        a->reasoning_as = mu_reasoning_format_of(o->template_text, o->template_n);
    a->is_in_form = o->is_in_form && a->calls_as && a->calls_as->layout.begin;
    a->calls.tools = o->tools;
    a->calls.id_state = o->id_seed;
    bool is_open = a->reasoning_as && mu_reasoning_is_open(a->reasoning_as, o->prompt, o->prompt_n);
    if (is_open) {
        a->state = REASONING;
        a->skips_space = true;
    } else if (!a->reasoning_as) {
        a->state = CONTENT;
    }
    if (mu_answer_is_harmony(o->template_text, o->template_n)) a->state = HEADER;
    *out = a;
    return MU_OK;
}

void mu_answer_parts_close(mu_answer_parts *a) {
    if (!a) return;
    mu_buf_deinit(&a->pending);
    mu_buf_deinit(&a->recipient);
    drop_live(a);
    mu_buf_deinit(&a->content);
    mu_buf_deinit(&a->reasoning);
    mu_tool_calls_deinit(&a->calls);
    mu_free(a);
}

bool mu_answer_parts_shows_special(const char *template_text, size_t n, bool has_tools) {
    bool by_calls = has_tools && mu_call_format_of(template_text, n)->shows_special;
    return by_calls || mu_answer_is_harmony(template_text, n);
}

bool mu_answer_parts_are_told(const char *template_text, size_t n, bool has_tools) {
    return has_tools || mu_answer_is_harmony(template_text, n) ||
           mu_reasoning_format_of(template_text, n);
}

const mu_buf *mu_answer_parts_content(const mu_answer_parts *a) {
    return &a->content;
}

const mu_buf *mu_answer_parts_reasoning(const mu_answer_parts *a) {
    return &a->reasoning;
}

const mu_tool_calls *mu_answer_parts_calls(const mu_answer_parts *a) {
    return &a->calls;
}

const mu_tool_call *mu_answer_parts_live_call(const mu_answer_parts *a) {
    return a->has_live ? &a->live : NULL;
}

bool mu_answer_parts_failed(const mu_answer_parts *a) {
    bool failed = a->pending.failed || a->recipient.failed || a->content.failed ||
                  a->reasoning.failed || a->calls.failed || a->live.name.failed ||
                  a->live.arguments.failed;
    for (size_t i = 0; i < a->calls.n; i++) {
        failed = failed || a->calls.items[i].name.failed || a->calls.items[i].arguments.failed;
    }
    return failed;
}
