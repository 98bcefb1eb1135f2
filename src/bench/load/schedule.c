/* Gaps are drawn one after the other from one generator. Lengths are a function of seed and index
 * alone, so that a closed loop without end needs no array and two kinds of arrival with one seed
 * send the same requests.
 */
#include "bench/load/schedule.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/map.h"
#include "base/rng.h"

enum { HASHED_WITHOUT_END = 4096, WINDOW_GAPS = 10, WINDOWS_MIN = 20 };

struct mu_schedule {
    mu_schedule_options options; /* shapes points to ours */
    mu_shape shapes[MU_SHAPES_MAX];
    uint32_t n;
    mu_scheduled *entries; /* [cap]; NULL in a closed loop */
    size_t cap;
};

static const char *const names[] = {
    [MU_ARRIVAL_CLOSED] = "closed",   [MU_ARRIVAL_CONSTANT] = "constant",
    [MU_ARRIVAL_POISSON] = "poisson", [MU_ARRIVAL_GAMMA] = "gamma",
    [MU_ARRIVAL_RAMP] = "ramp",       [MU_ARRIVAL_BURST] = "burst",
    [MU_ARRIVAL_TRACE] = "trace",
};

const char *mu_arrival_name(mu_arrival_kind kind) {
    return names[kind];
}

/* ":number" within [min, max]; *at is behind it. */
static bool parse_number(const char **at, double min, double max, double *out) {
    if (**at != ':') return false;
    char *end;
    double value = strtod(*at + 1, &end);
    if (end == *at + 1 || !(value >= min && value <= max)) return false;
    *at = end;
    *out = value;
    return true;
}

static bool parse_parameters(const char *at, mu_arrivals *out) {
    double n = 0;
    switch (out->kind) {
    case MU_ARRIVAL_GAMMA:
        if (!parse_number(&at, 0.01, 20, &out->cv)) return false;
        break;
    case MU_ARRIVAL_RAMP:
        if (!parse_number(&at, 0, 1e6, &out->from_per_s)) return false;
        if (!parse_number(&at, 0, 1e6, &out->to_per_s)) return false;
        if (out->from_per_s + out->to_per_s <= 0) return false;
        break;
    case MU_ARRIVAL_BURST:
        if (!parse_number(&at, 1, 100000, &n) || n != floor(n)) return false;
        if (!parse_number(&at, 1e-6, 1e6, &out->burst_every_s)) return false;
        out->burst_n = (uint32_t)n;
        break;
    case MU_ARRIVAL_TRACE:
        if (at[0] != ':' || at[1] == '\0') return false;
        out->trace_path = at + 1;
        return true;
    default:
        break;
    }
    return *at == '\0';
}

mu_status mu_arrivals_parse(const char *text, mu_arrivals *out, mu_err *err) {
    size_t n = strcspn(text, ":");
    for (size_t kind = 0; kind < MU_COUNTOF(names); kind++) {
        if (strlen(names[kind]) != n || memcmp(names[kind], text, n) != 0) continue;
        mu_arrivals parsed = {.kind = (mu_arrival_kind)kind};
        if (!parse_parameters(text + n, &parsed)) break;
        *out = parsed;
        return MU_OK;
    }
    return mu_fail(err, MU_ERR_INVALID,
                   "arrivals \"%.60s\": closed, constant, poisson, gamma:CV (0.01 to 20), "
                   "ramp:FROM:TO, burst:N:SECONDS or trace:FILE",
                   text);
}

static double exponential(mu_rng *rng) {
    return -log(1.0 - mu_rng_f64(rng));
}

static double normal(mu_rng *rng) { /* Box and Muller, one of the pair */
    double radius = sqrt(2.0 * exponential(rng));
    return radius * cos(2.0 * 3.14159265358979323846 * mu_rng_f64(rng));
}

/* Marsaglia and Tsang (2000), "A simple method for generating gamma variables"; scale 1. */
static double gamma_of(mu_rng *rng, double shape) {
    if (shape < 1) {
        double u = 1.0 - mu_rng_f64(rng);
        return gamma_of(rng, shape + 1) * pow(u, 1.0 / shape);
    }
    double d = shape - 1.0 / 3.0, c = 1.0 / sqrt(9.0 * d);
    for (;;) {
        double x = normal(rng), v = 1 + c * x;
        if (v <= 0) continue;
        v = v * v * v;
        if (log(1.0 - mu_rng_f64(rng)) < 0.5 * x * x + d - d * v + d * log(v)) return d * v;
    }
}

/* The instant at which a rate that goes from a to b over duration has let through so many events:
 * the root of a t + (b - a) t^2 / (2 duration) = events. NAN when it never does. */
static double ramp_instant(const mu_schedule_options *o, double events) {
    double a = o->arrivals.from_per_s, b = o->arrivals.to_per_s;
    double slope = (b - a) / o->duration_s, root = a * a + 2.0 * slope * events;
    if (root < 0) return NAN;
    return 2.0 * events / (a + sqrt(root));
}

/* Seconds of arrival i; *state is what the kind has summed up so far. */
static double instant_of(const mu_schedule_options *o, uint32_t i, mu_rng *rng, double *state) {
    const mu_arrivals *a = &o->arrivals;
    switch (a->kind) {
    case MU_ARRIVAL_CONSTANT:
        return i / o->rate_per_s;
    case MU_ARRIVAL_POISSON:
        return *state += exponential(rng) / o->rate_per_s;
    case MU_ARRIVAL_GAMMA: {
        double shape = 1.0 / (a->cv * a->cv);
        return *state += gamma_of(rng, shape) / (shape * o->rate_per_s);
    }
    case MU_ARRIVAL_RAMP:
        return ramp_instant(o, *state += exponential(rng));
    default: /* burst */
        return i / a->burst_n * a->burst_every_s;
    }
}

static mu_scheduled entry(const mu_schedule *s, uint32_t i, uint64_t intended_ns) {
    mu_rng rng = {.state = mu_mix64(s->options.seed) ^ mu_mix64(i + 1u)};
    const mu_shape *shape = &s->shapes[mu_rng_below(&rng, s->options.n_shapes)];
    return (mu_scheduled){.intended_ns = intended_ns,
                          .index = i,
                          .prompt_tokens = shape->prompt_tokens,
                          .output_tokens = shape->output_tokens};
}

static mu_status draw(mu_schedule *s, mu_err *err) {
    const mu_schedule_options *o = &s->options;
    mu_rng rng = {.state = mu_mix64(o->seed ^ 0x7363686564756c65u)};
    double state = 0;
    for (uint32_t i = 0; o->n_requests == 0 || i < o->n_requests; i++) {
        double seconds = instant_of(o, i, &rng, &state);
        if (o->duration_s > 0 && !(seconds < o->duration_s)) break;
        if (!(seconds < 1e9)) {
            return mu_fail(err, MU_ERR_LIMIT, "schedule: request %u is over 30 years away", i);
        }
        if (i == MU_SCHEDULE_MAX) {
            return mu_fail(err, MU_ERR_LIMIT, "schedule: over %d requests", MU_SCHEDULE_MAX);
        }
        void *entries = s->entries;
        if (!mu_grow(&entries, &s->cap, i + 1u, sizeof(*s->entries))) {
            return mu_fail(err, MU_ERR_NOMEM, "schedule of %u requests", i);
        }
        s->entries = entries;
        s->entries[i] = entry(s, i, (uint64_t)(seconds * 1e9));
        s->n = i + 1;
    }
    if (s->n > 0) return MU_OK;
    return mu_fail(err, MU_ERR_INVALID, "schedule: no request arrives within %g s", o->duration_s);
}

/* Lines are counted first, so that the array is as large as the file needs and no larger. */
static mu_status read_trace(mu_schedule *s, mu_err *err) {
    const char *path = s->options.arrivals.trace_path;
    mu_map map = {0};
    mu_status status = mu_map_open(path, &map, err);
    if (status != MU_OK) return status;
    size_t n_lines = 1;
    for (size_t i = 0; i < map.size; i++) {
        n_lines += map.data[i] == '\n';
    }
    if (n_lines > MU_SCHEDULE_MAX) n_lines = MU_SCHEDULE_MAX;
    s->entries = MU_ALLOC(mu_scheduled, n_lines);
    mu_err why = {0};
    status = s->entries ? mu_trace_parse((const char *)map.data, map.size, s->entries,
                                         (uint32_t)n_lines, &s->n, &why)
                        : mu_fail(&why, MU_ERR_NOMEM, "%zu lines", n_lines);
    mu_map_close(&map);
    if (status != MU_OK) return mu_fail(err, status, "%.80s: %.140s", path, why.text);
    const mu_schedule_options *o = &s->options;
    if (o->n_requests > 0 && o->n_requests < s->n) s->n = o->n_requests;
    while (o->duration_s > 0 && s->n > 0 &&
           (double)s->entries[s->n - 1].intended_ns >= o->duration_s * 1e9) {
        s->n--;
    }
    if (s->n > 0) return MU_OK;
    return mu_fail(err, MU_ERR_INVALID, "%.120s: no request within %g s", path, o->duration_s);
}

static mu_status check(const mu_schedule_options *o, mu_err *err) {
    mu_arrival_kind kind = o->arrivals.kind;
    if (kind != MU_ARRIVAL_TRACE && (o->n_shapes == 0 || o->n_shapes > MU_SHAPES_MAX)) {
        return mu_fail(err, MU_ERR_INVALID, "schedule: needs 1 to %d shapes", MU_SHAPES_MAX);
    }
    if (kind == MU_ARRIVAL_CLOSED || kind == MU_ARRIVAL_TRACE) return MU_OK;
    bool has_rate = kind != MU_ARRIVAL_RAMP && kind != MU_ARRIVAL_BURST;
    if (has_rate && !(o->rate_per_s > 0 && o->rate_per_s <= 1e6)) {
        return mu_fail(err, MU_ERR_INVALID, "schedule: %s needs a rate of up to 1e6 a second",
                       names[kind]);
    }
    if (!(o->duration_s > 0) && (o->n_requests == 0 || kind == MU_ARRIVAL_RAMP)) {
        return mu_fail(err, MU_ERR_INVALID, "schedule: %s needs a duration", names[kind]);
    }
    return MU_OK;
}

mu_status mu_schedule_open(const mu_schedule_options *options, mu_schedule **out, mu_err *err) {
    mu_status status = check(options, err);
    if (status != MU_OK) return status;
    mu_schedule *s = MU_ALLOC(mu_schedule, 1);
    if (!s) return mu_fail(err, MU_ERR_NOMEM, "schedule");
    s->options = *options;
    s->options.shapes = s->shapes;
    if (options->arrivals.kind == MU_ARRIVAL_TRACE) {
        status = read_trace(s, err);
    } else {
        memcpy(s->shapes, options->shapes, options->n_shapes * sizeof(*s->shapes));
        if (options->arrivals.kind == MU_ARRIVAL_CLOSED) {
            s->n = options->n_requests > 0 ? options->n_requests : UINT32_MAX;
        } else {
            status = draw(s, err);
        }
    }
    s->options.arrivals.trace_path = NULL; /* the caller's text may go */
    if (status == MU_OK) {
        *out = s;
    } else {
        mu_schedule_close(s);
    }
    return status;
}

void mu_schedule_close(mu_schedule *schedule) {
    if (!schedule) return;
    mu_free(schedule->entries);
    mu_free(schedule);
}

mu_arrival_kind mu_schedule_kind(const mu_schedule *schedule) {
    return schedule->options.arrivals.kind;
}

uint32_t mu_schedule_n(const mu_schedule *schedule) {
    return schedule->n;
}

mu_scheduled mu_schedule_at(const mu_schedule *schedule, uint32_t i) {
    MU_ASSERT(i < schedule->n);
    return schedule->entries ? schedule->entries[i] : entry(schedule, i, 0);
}

static double gap_cv(const mu_scheduled *entries, uint32_t n, double mean_ns) {
    double sum = 0;
    for (uint32_t i = 1; i < n; i++) {
        double d = (double)(entries[i].intended_ns - entries[i - 1].intended_ns) - mean_ns;
        sum += d * d;
    }
    return sqrt(sum / (n - 2)) / mean_ns;
}

/* Variance / mean of counts in whole windows; what is behind the last whole one does not count. */
static double dispersion(const mu_scheduled *entries, uint32_t n, double window_ns) {
    double first = (double)entries[0].intended_ns;
    double span = (double)entries[n - 1].intended_ns - first;
    uint32_t n_windows = (uint32_t)(span / window_ns), at = 0;
    if (n_windows < WINDOWS_MIN) return NAN;
    double sum = 0, squares = 0;
    for (uint32_t w = 0; w < n_windows; w++) {
        double end = first + (w + 1) * window_ns, count = 0;
        for (; at < n && (double)entries[at].intended_ns < end; at++) {
            count++;
        }
        sum += count;
        squares += count * count;
    }
    double mean = sum / n_windows;
    return (squares / n_windows - mean * mean) * n_windows / (n_windows - 1) / mean;
}

mu_schedule_stats mu_schedule_measure(const mu_schedule *schedule) {
    mu_schedule_stats stats = {NAN, NAN, NAN, NAN};
    const mu_scheduled *entries = schedule->entries;
    uint32_t n = schedule->n;
    if (!entries) return stats;
    stats.duration_s = (double)entries[n - 1].intended_ns * 1e-9;
    double span_ns = (double)(entries[n - 1].intended_ns - entries[0].intended_ns);
    if (n < 3 || span_ns <= 0) return stats;
    double mean_ns = span_ns / (n - 1);
    stats.offered_per_s = 1e9 / mean_ns;
    stats.gap_cv = gap_cv(entries, n, mean_ns);
    stats.dispersion = dispersion(entries, n, mean_ns * WINDOW_GAPS);
    return stats;
}

static uint64_t hash_u64(uint64_t hash, uint64_t value) { /* FNV-1a, low byte first */
    for (int i = 0; i < 8; i++) {
        hash = (hash ^ (value >> (8 * i) & 0xff)) * 0x100000001b3u;
    }
    return hash;
}

uint64_t mu_schedule_hash(const mu_schedule *schedule) {
    uint64_t hash = hash_u64(0xcbf29ce484222325u, schedule->options.arrivals.kind);
    uint32_t n = schedule->n == UINT32_MAX ? HASHED_WITHOUT_END : schedule->n;
    for (uint32_t i = 0; i < n; i++) {
        mu_scheduled e = mu_schedule_at(schedule, i);
        hash = hash_u64(hash, e.intended_ns);
        hash = hash_u64(hash, (uint64_t)e.prompt_tokens << 32 | e.output_tokens);
    }
    return hash;
}
