#include "bench/suite/frame.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/rng.h"
#include "bench/probe/machine.h"
#include "muai_commit.h" /* the build writes it */

static void format_time(time_t at, const char *format, char *out, size_t cap) {
    struct tm utc;
    gmtime_r(&at, &utc);
    strftime(out, cap, format, &utc);
}

static time_t wall_clock(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now); /* to label only; durations are monotonic */
    return now.tv_sec;
}

static json_t *command_json(const mu_document_options *o) {
    json_t *to = json_array();
    for (uint32_t i = 0; i < o->n_command; i++) {
        json_t *word = json_string(o->command[i]);
        json_array_append_new(to, word ? word : json_string("(not UTF-8)"));
    }
    return to;
}

static json_t *host_json(void) {
    mu_machine machine;
    mu_machine_read(&machine);
    json_t *host = mu_machine_json(&machine);
    if (!host) return NULL;
    /* The names that every reader of a document looks for. */
    json_t *cpu = json_object_get(host, "cpu_model");
    json_object_set(host, "cpu", cpu);
    json_object_set(host, "cores_usable", json_object_get(host, "n_cpus_allowed"));
    json_object_set(host, "memory_total_bytes", json_object_get(host, "memory_bytes"));
    return host;
}

json_t *mu_document_begin(const mu_document_options *o) {
    char start[32], id[48], stamp[24];
    time_t now = wall_clock();
    format_time(now, "%Y-%m-%dT%H:%M:%SZ", start, sizeof(start));
    format_time(now, "%Y%m%dT%H%M%SZ", stamp, sizeof(stamp));
    snprintf(id, sizeof(id), "%s-%08x", stamp, (unsigned)(mu_mix64(mu_now_ns()) >> 32));
    return json_pack("{s:s, s:{s:s, s:s, s:s, s:s, s:s*}, s:{s:s, s:s, s:s, s:b, s:s, s:n, s:n, "
                     "s:o, s:I, s:i, s:s},"
                     " s:o, s:[], s:{s:[], s:n}, s:[], s:[], s:[], s:[], s:[], s:[], s:[], s:[]}",
                     "schema", "muai.bench/1", "tool", "name", "muai", "version", MUAI_VERSION,
                     "compiler", "cc " __VERSION__, "build", MUAI_BUILD_TYPE, "git",
                     MUAI_COMMIT[0] ? MUAI_COMMIT : NULL, "run", "id", id, "title", o->title,
                     "suite", o->suite, "quick", o->is_quick, "start", start, "end", "duration_s",
                     "command", command_json(o), "seed", (json_int_t)(o->seed & INT64_MAX), "runs",
                     (int)o->runs, "stop_reason", "done", "host", host_json(), "systems",
                     "instrument", "rows", "why", "phases", "cells", "memory", "capacity",
                     "comparisons", "targets", "recommendations", "notes");
}

void mu_document_end(json_t *doc, double duration_s, const char *stop_reason, const char *why) {
    char end[32];
    json_t *run = json_object_get(doc, "run");
    format_time(wall_clock(), "%Y-%m-%dT%H:%M:%SZ", end, sizeof(end));
    json_object_set_new(run, "end", json_string(end));
    json_object_set_new(run, "duration_s", json_real(duration_s));
    json_object_set_new(run, "stop_reason", json_string(stop_reason));
    if (why) json_object_set_new(run, "why", json_string(why));
}

void mu_document_add_note(json_t *doc, const char *fmt, ...) {
    char text[400];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    json_array_append_new(json_object_get(doc, "notes"), json_string(text));
}
