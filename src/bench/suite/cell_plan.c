#include "bench/suite/cell_plan.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const mu_shape mu_shape_short = {"short", 6, 30};

static const mu_shape latency_shapes[] = {
    {"", 128, 64}, {"", 128, 128}, {"", 512, 64}, {"", 512, 128}, {"", 896, 64}, {"", 896, 128},
};
static const uint32_t throughput_clients[] = {1, 2, 4, 8, 16, 32};

/* How long cells take: at most, at least before a look at precision, and the warm-up. */
typedef struct pace {
    double seconds_max, seconds_min, warmup_s;
    uint32_t n_requests_min, n_warmup_min;
} pace;

static const pace latency_pace[] = {{60, 30, 5, 80, 10}, {5, 2, 0.5, 80, 2}}; /* full, quick */
static const pace headline_pace[] = {{120, 30, 5, 400, 10}, {12, 2, 1, 80, 2}};
static const pace throughput_pace[] = {{60, 30, 5, 200, 10}, {5, 5, 1, 200, 2}};
/* Of a full run: they show a share of 99% also with two misses. */
enum { CAPACITY_REQUESTS = 800, CAPACITY_SECONDS_MAX = 150 };
static const pace capacity_pace[] = {{40, 40, 5, 0, 10}, {5, 5, 1, 0, 2}};

static bool fits(const mu_plan_options *o, const mu_shape *shape) {
    return o->n_ctx == 0 || shape->prompt_tokens + shape->output_tokens <= o->n_ctx;
}

static void set_pace(const mu_plan_options *o, const pace paces[2], mu_cell_plan *cell) {
    const pace *p = &paces[o->is_quick];
    cell->warmup_s = p->warmup_s;
    cell->seconds_max = o->seconds > 0 ? o->seconds : p->seconds_max;
    cell->seconds_min = p->seconds_min < cell->seconds_max ? p->seconds_min : cell->seconds_max;
    cell->n_requests_min = p->n_requests_min;
    uint32_t per_client = o->is_quick ? cell->clients : 2 * cell->clients;
    cell->n_warmup = per_client > p->n_warmup_min ? per_client : p->n_warmup_min;
    cell->n_requests_max = o->n_requests;
    cell->is_precise = o->n_requests == 0;
    if (o->n_requests > 0) cell->seconds_max = 3600;
    cell->no_stream = o->no_stream;
    cell->keep_cache = o->keep_cache;
}

static bool add(mu_plan *plan, const mu_cell_plan *cell) {
    if (plan->n == MU_PLAN_CELLS_MAX) return false;
    plan->cells[plan->n++] = *cell;
    return true;
}

static mu_cell_plan closed_cell(const char *phase, const mu_shape *shape, uint32_t clients) {
    mu_cell_plan cell = {.phase = phase, .shape = *shape, .clients = clients};
    cell.arrivals.kind = MU_ARRIVAL_CLOSED;
    snprintf(cell.id, sizeof(cell.id), "%s-%u-%u-c%u", phase, shape->prompt_tokens,
             shape->output_tokens, clients);
    snprintf(cell.label, sizeof(cell.label), "prompt %u, output %u, %u client%s",
             shape->prompt_tokens, shape->output_tokens, clients, clients == 1 ? "" : "s");
    return cell;
}

bool mu_plan_latency(const mu_plan_options *o, mu_plan *plan) {
    const mu_shape *shapes = o->n_shapes > 0 ? o->shapes : latency_shapes;
    uint32_t n_shapes = o->n_shapes > 0 ? o->n_shapes : MU_COUNTOF(latency_shapes);
    static const uint32_t one[] = {1};
    const uint32_t *clients = o->n_clients > 0 ? o->clients : one;
    uint32_t n_clients = o->n_clients > 0 ? o->n_clients : 1;
    for (uint32_t s = 0; s < n_shapes; s++) {
        if (!fits(o, &shapes[s])) {
            plan->n_left_out++;
            continue;
        }
        for (uint32_t c = 0; c < n_clients; c++) {
            mu_cell_plan cell = closed_cell("latency", &shapes[s], clients[c]);
            /* The cell that the target of TTFT is about gets time for its p95. */
            bool is_headline = s == 0 && c == 0;
            set_pace(o, is_headline ? headline_pace : latency_pace, &cell);
            if (!add(plan, &cell)) return false;
        }
    }
    return true;
}

bool mu_plan_throughput(const mu_plan_options *o, mu_plan *plan) {
    const mu_shape *shapes = o->n_shapes > 0 ? o->shapes : &mu_shape_short;
    uint32_t n_shapes = o->n_shapes > 0 ? o->n_shapes : 1;
    const uint32_t *clients = o->n_clients > 0 ? o->clients : throughput_clients;
    uint32_t n_clients = o->n_clients > 0 ? o->n_clients : MU_COUNTOF(throughput_clients);
    for (uint32_t s = 0; s < n_shapes; s++) {
        if (!fits(o, &shapes[s])) {
            plan->n_left_out++;
            continue;
        }
        for (uint32_t c = 0; c < n_clients; c++) {
            mu_cell_plan cell = closed_cell("throughput", &shapes[s], clients[c]);
            set_pace(o, throughput_pace, &cell);
            if (!add(plan, &cell)) return false;
        }
    }
    return true;
}

static mu_cell_plan open_cell(const mu_plan_options *o, const mu_shape *shape, double rate,
                              const char *prefix) {
    mu_cell_plan cell = {.phase = "rate", .shape = *shape, .rate_per_s = rate};
    cell.arrivals = o->arrivals;
    const char *kind = mu_arrival_name(o->arrivals.kind);
    snprintf(cell.id, sizeof(cell.id), "%s-%u-%u-%s-%.4g", prefix, shape->prompt_tokens,
             shape->output_tokens, kind, rate);
    snprintf(cell.label, sizeof(cell.label), "prompt %u, output %u, %s arrivals, %.4g a second",
             shape->prompt_tokens, shape->output_tokens, kind, rate);
    return cell;
}

bool mu_plan_rate(const mu_plan_options *o, mu_plan *plan) {
    const mu_shape *shapes = o->n_shapes > 0 ? o->shapes : &mu_shape_short;
    uint32_t n_shapes = o->n_shapes > 0 ? o->n_shapes : 1;
    for (uint32_t s = 0; s < n_shapes; s++) {
        if (!fits(o, &shapes[s])) {
            plan->n_left_out++;
            continue;
        }
        for (uint32_t r = 0; r < o->n_rates; r++) {
            mu_cell_plan cell = open_cell(o, &shapes[s], o->rates[r], "rate");
            set_pace(o, throughput_pace, &cell);
            cell.is_precise = false; /* one schedule, offered whole */
            if (!add(plan, &cell)) return false;
        }
    }
    return true;
}

mu_cell_plan mu_plan_capacity_cell(const mu_plan_options *o, const mu_shape *shape,
                                   double rate_per_s) {
    mu_cell_plan cell = open_cell(o, shape, rate_per_s, "capacity");
    set_pace(o, capacity_pace, &cell);
    cell.is_precise = false;
    if (!o->is_quick && o->seconds == 0 && o->n_requests == 0) {
        double needed = fmin(CAPACITY_REQUESTS / rate_per_s, CAPACITY_SECONDS_MAX);
        cell.seconds_max = cell.seconds_min = fmax(cell.seconds_max, needed);
    }
    return cell;
}

double mu_plan_seconds(const mu_plan *plan) {
    double seconds = 0;
    for (uint32_t i = 0; i < plan->n; i++) {
        seconds += plan->cells[i].seconds_max + plan->cells[i].warmup_s + 0.5;
    }
    return seconds;
}
