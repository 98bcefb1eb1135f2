#include "bench/report/groups.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static double number(const json_t *cell, const char *path, bool is_wanted) {
    return is_wanted ? mu_document_number(cell, path) : NAN;
}

static mu_group group_of(const mu_view_cell *cell, mu_group_by by) {
    return (mu_group){
        .i_system = cell->i_system,
        .prompt_tokens = number(cell->json, "load.prompt_tokens", by == MU_GROUP_SHAPE),
        .output_tokens = number(cell->json, "load.output_tokens", true),
        .clients = number(cell->json, "load.clients", by == MU_GROUP_CLIENTS),
    };
}

static bool is_equal(double a, double b) {
    return a == b || (isnan(a) && isnan(b));
}

static bool is_same(const mu_group *a, const mu_group *b) {
    return a->i_system == b->i_system && is_equal(a->prompt_tokens, b->prompt_tokens) &&
           is_equal(a->output_tokens, b->output_tokens) && is_equal(a->clients, b->clients);
}

bool mu_group_has(const mu_groups *groups, size_t i, const mu_view_cell *cell) {
    if (!groups->is_member(cell->json)) return false;
    mu_group own = group_of(cell, groups->by);
    return is_same(&own, &groups->items[i]);
}

static void append(mu_group *g, const char *text) {
    size_t n = strlen(g->name);
    snprintf(g->name + n, sizeof(g->name) - n, "%s%s", n > 0 ? " " : "", text);
}

static void name_group(const mu_view *view, const mu_groups *all, mu_group *g) {
    bool has_shapes = false, has_clients = false, has_systems = false;
    char text[64];
    for (size_t i = 0; i < all->n; i++) {
        const mu_group *other = &all->items[i];
        has_systems = has_systems || other->i_system != g->i_system;
        has_shapes = has_shapes || !is_equal(other->prompt_tokens, g->prompt_tokens) ||
                     !is_equal(other->output_tokens, g->output_tokens);
        has_clients = has_clients || !is_equal(other->clients, g->clients);
    }
    if (has_systems) append(g, mu_view_name(view, g->i_system));
    if (has_shapes && isnan(g->prompt_tokens)) {
        snprintf(text, sizeof(text), "%.20s out", mu_number_count(g->output_tokens).text);
        append(g, text);
    } else if (has_shapes) {
        snprintf(text, sizeof(text), "%.20s/%.20s", mu_number_count(g->prompt_tokens).text,
                 mu_number_count(g->output_tokens).text);
        append(g, text);
    }
    if (has_clients) {
        snprintf(text, sizeof(text), "%.20s client%s", mu_number_count(g->clients).text,
                 g->clients == 1.0 ? "" : "s");
        append(g, text);
    }
}

void mu_groups_of(const mu_view *view, bool (*is_member)(const json_t *cell), mu_group_by by,
                  mu_groups *out) {
    *out = (mu_groups){.is_member = is_member, .by = by};
    for (size_t i = 0; i < view->n_cells; i++) {
        bool is_known = !is_member(view->cells[i].json) || out->n == MU_GROUPS_MAX ||
                        view->cells[i].i_system >= view->n_systems;
        for (size_t k = 0; k < out->n && !is_known; k++) {
            is_known = mu_group_has(out, k, &view->cells[i]);
        }
        if (!is_known) out->items[out->n++] = group_of(&view->cells[i], by);
    }
    for (size_t k = 0; k < out->n; k++) {
        name_group(view, out, &out->items[k]);
    }
}
