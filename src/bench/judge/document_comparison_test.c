/* Comparisons: what is faster is found, A against A is not, and nothing is compared that must not
 * be. Run-level values are simulated.
 */
#include "bench/judge/document_comparison.h"

#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "bench/judge/targets.h"
#include "tests/bench/sample_document.h"

static double gauss(mu_rng *rng) {
    double u = 1.0 - mu_rng_f64(rng), v = mu_rng_f64(rng);
    return sqrt(-2.0 * log(u)) * cos(2.0 * 3.14159265358979 * v);
}

typedef struct runs {
    const char *system;
    int n;
    double slower; /* factor on every duration */
    double noise;  /* of the logs, from run to run */
    bool in_blocks;
} runs;

static void scale(json_t *parent, const char *key, double factor) {
    double value = mu_document_number(parent, key);
    assert_int_equal(json_object_set_new(parent, key, json_real(value * factor)), 0);
}

/* Each metric with noise of its own, as far as they can be apart. */
static void add_runs(json_t *doc, const json_t *cell, const runs *r, mu_rng *rng) {
    static const char *const durations[] = {"ttft_ms", "tpot_ms"};
    static const char *const rates[] = {"output_tok_s", "requests_s"};
    for (int k = 1; k <= r->n; k++) {
        json_t *run = json_deep_copy(cell);
        json_object_set_new(run, "system", json_string(r->system));
        json_object_set_new(run, "id",
                            json_sprintf("c8-%s-%c%d", r->system, r->in_blocks ? 'b' : 'r', k));
        json_object_set_new(run, r->in_blocks ? "block" : "run", json_integer(k));
        for (size_t i = 0; i < MU_COUNTOF(durations); i++) {
            json_t *metric = json_object_get(json_object_get(run, "metrics"), durations[i]);
            scale(metric, "p50", r->slower * exp(r->noise * gauss(rng)));
            scale(metric, "p95", r->slower * exp(r->noise * gauss(rng)));
        }
        for (size_t i = 0; i < MU_COUNTOF(rates); i++) {
            json_t *rate = json_object_get(json_object_get(run, "throughput"), rates[i]);
            scale(rate, "value", 1.0 / r->slower * exp(r->noise * gauss(rng)));
        }
        scale(json_object_get(run, "goodput"), "requests_s",
              1.0 / r->slower * exp(r->noise * gauss(rng)));
        json_array_append_new(json_object_get(doc, "cells"), run);
    }
}

/* Two systems, a and b, with only these runs of throughput-c8. */
static json_t *two_systems(runs a, runs b, uint64_t seed) {
    json_t *doc = sample_document();
    json_t *cell = json_deep_copy(mu_document_cell(doc, "throughput-c8"));
    json_t *system = json_deep_copy(mu_document_system(doc, "a"));
    mu_rng rng = {seed};
    json_object_set_new(doc, "cells", json_array());
    json_object_set_new(system, "id", json_string("b"));
    json_object_set_new(system, "name", json_string("other"));
    json_array_append_new(json_object_get(doc, "systems"), system);
    a.system = "a";
    b.system = "b";
    add_runs(doc, cell, &a, &rng);
    add_runs(doc, cell, &b, &rng);
    json_decref(cell);
    return doc;
}

static json_t *compare(const json_t *doc, json_t *notes) {
    mu_compare_options options = {.seed = 1};
    json_t *rows = mu_compare_systems(doc, &options, notes);
    assert_non_null(rows);
    return rows;
}

static const json_t *row_of(const json_t *rows, const char *metric) {
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        if (strcmp(mu_document_text(row, "metric"), metric) == 0) return row;
    }
    fail_msg("no row of %s", metric);
    return NULL;
}

static const char *const of_cells[] = {"ttft_ms.p50",  "ttft_ms.p95", "tpot_ms.p50",
                                       "output_tok_s", "requests_s",  "goodput"};

static void all_are(const json_t *rows, const char *verdict) {
    for (size_t i = 0; i < MU_COUNTOF(of_cells); i++) {
        const json_t *row = row_of(rows, of_cells[i]);
        if (strcmp(mu_document_text(row, "verdict"), verdict) != 0) {
            fail_msg("%s: %s, not %s: %s", of_cells[i], mu_document_text(row, "verdict"), verdict,
                     mu_document_text(row, "why"));
        }
    }
}

static void differences_are_found(void **state) {
    (void)state;
    static const struct {
        double slower; /* a */
        int n;
        bool in_blocks;
        const char *verdict;
        int code;
    } cases[] = {
        {0.7, 5, false, "faster", MU_JUDGED_INCONCLUSIVE}, /* of memory there is one run each */
        {1.4, 5, false, "slower", MU_JUDGED_FAIL},
        {0.7, 8, true, "faster", MU_JUDGED_INCONCLUSIVE},
        {1.4, 8, true, "slower", MU_JUDGED_FAIL},
        {1.0, 12, false, "equivalent", MU_JUDGED_INCONCLUSIVE},
        {1.4, 3, false, "inconclusive", MU_JUDGED_INCONCLUSIVE}, /* p cannot reach 0.05 */
        {1.4, 5, true, "inconclusive", MU_JUDGED_INCONCLUSIVE},
    };
    for (size_t i = 0; i < MU_COUNTOF(cases); i++) {
        runs a = {.n = cases[i].n,
                  .slower = cases[i].slower,
                  .noise = 0.004,
                  .in_blocks = cases[i].in_blocks};
        runs b = a;
        b.slower = 1.0;
        json_t *doc = two_systems(a, b, 3 + i);
        json_t *rows = compare(doc, NULL);
        all_are(rows, cases[i].verdict);
        const json_t *ttft = row_of(rows, "ttft_ms.p50"), *tok = row_of(rows, "output_tok_s");
        assert_true(fabs(mu_document_number(ttft, "ratio") - cases[i].slower) < 0.02);
        assert_true(fabs(mu_document_number(tok, "ratio") * cases[i].slower - 1.0) < 0.02);
        assert_int_equal(json_is_true(json_object_get(ttft, "paired")), cases[i].in_blocks);
        assert_true(mu_document_number(ttft, "blocks") == cases[i].n);
        assert_string_equal(mu_document_text(ttft, "cell"), "c8-a");
        assert_int_equal(mu_compare_exit_code(rows), cases[i].code);
        json_decref(rows);
        json_decref(doc);
    }
}

/* A against A: something is called faster or slower in at most 5% of 200 comparisons. */
static void equal_systems_are_not_told_apart(void **state) {
    (void)state;
    enum { N = 200 };
    static const struct {
        int n;
        bool in_blocks;
    } designs[] = {{5, false}, {8, true}};
    for (size_t d = 0; d < MU_COUNTOF(designs); d++) {
        int n_wrong = 0;
        for (uint64_t seed = 1; seed <= N; seed++) {
            runs arm = {
                .n = designs[d].n, .slower = 1.0, .noise = 0.05, .in_blocks = designs[d].in_blocks};
            json_t *doc = two_systems(arm, arm, 1000 * (d + 1) + seed);
            json_t *rows = compare(doc, NULL);
            bool is_wrong = false;
            for (size_t i = 0; i < json_array_size(rows); i++) {
                const char *verdict = mu_document_text(json_array_get(rows, i), "verdict");
                is_wrong =
                    is_wrong || strcmp(verdict, "faster") == 0 || strcmp(verdict, "slower") == 0;
            }
            n_wrong += is_wrong;
            json_decref(rows);
            json_decref(doc);
        }
        print_message("%d %s a side: %d of %d wrong\n", designs[d].n,
                      designs[d].in_blocks ? "blocks" : "runs", n_wrong, N);
        assert_true(n_wrong <= N / 20);
    }
}

static void one_run_is_exploratory(void **state) {
    (void)state;
    runs a = {.n = 1, .slower = 2.0}, b = {.n = 1, .slower = 1.0};
    json_t *doc = two_systems(a, b, 1), *rows = compare(doc, NULL);
    const json_t *row = row_of(rows, "tpot_ms.p50");
    assert_string_equal(mu_document_text(row, "verdict"), "inconclusive");
    assert_true(json_is_true(json_object_get(row, "exploratory")));
    assert_true(fabs(mu_document_number(row, "ratio") - 2.0) < 1e-9);
    assert_true(json_is_null(json_object_get(row, "low")));
    assert_non_null(strstr(mu_document_text(row, "why"), "at least 4 are needed"));
    json_decref(rows);
    json_decref(doc);
}

static void refusals(void **state) {
    (void)state;
    static const struct {
        const char *patch, *metric, *says;
        bool is_comparable;
    } cases[] = {
        {"systems.b.model.dtype=\"f32\"", "tpot_ms.p50", "NOT COMPARABLE: weights: q8 against f32",
         false},
        {"systems.b.model.parameters=1", "tpot_ms.p50", "parameters: 124439808 against 1", false},
        {"systems.b.model.architecture=\"llama\"", "tpot_ms.p50", "gpt2 against llama", false},
        {"systems.b.model.dtype=null", "tpot_ms.p50", "", true},
        {"cells.c8-a-r1.tokens.output_mean=40", "requests_s", "output tokens: 40 against 64",
         false},
        {"cells.c8-a-r1.tokens.output_mean=40", "tpot_ms.p50", "", true},
        {"cells.c8-a-r1.tokens.prompt_mean=130", "ttft_ms.p50", "prompt tokens: 130 against 128",
         false},
        {"cells.c8-a-r1.tokens.prompt_mean=128.5", "ttft_ms.p50", "", true},
        {"cells.c8-a-r1.validity.status=\"SATURATED\"", "ttft_ms.p95", "SATURATED", true},
        {"cells.c8-a-r1.validity.status=\"SATURATED\"", "requests_s", "", true},
        {"run.stop_reason=\"failed\"", "requests_s", "an invalid run", false},
        {"cells.c8-a-r1.goodput.requests_s=0", "goodput", "not above 0", true},
        {"cells.c8-a-r1.metrics.tpot_ms={\"n\": 0, \"why\": \"one token\"}; "
         "cells.c8-a-r2.metrics.tpot_ms={\"n\": 0, \"why\": \"one token\"}; "
         "cells.c8-a-r3.metrics.tpot_ms={\"n\": 0, \"why\": \"one token\"}; "
         "cells.c8-a-r4.metrics.tpot_ms={\"n\": 0, \"why\": \"one token\"}; "
         "cells.c8-a-r5.metrics.tpot_ms={\"n\": 0, \"why\": \"one token\"}",
         "tpot_ms.p50", "muai: one token", true},
    };
    for (size_t i = 0; i < MU_COUNTOF(cases); i++) {
        runs a = {.n = 5, .slower = 1.5, .noise = 0.001},
             b = {.n = 5, .slower = 1.0, .noise = 0.001};
        json_t *doc = two_systems(a, b, 1);
        sample_patch(doc, cases[i].patch);
        json_t *rows = compare(doc, NULL);
        const json_t *row = row_of(rows, cases[i].metric);
        const char *why = mu_document_text(row, "why"), *verdict = mu_document_text(row, "verdict");
        bool is_refused = cases[i].says[0] != '\0';
        if (strcmp(verdict, is_refused ? "inconclusive" : "slower") != 0 ||
            (is_refused ? !strstr(why, cases[i].says) : why[0] != '\0') ||
            json_is_true(json_object_get(row, "comparable")) != cases[i].is_comparable) {
            fail_msg("%s: %s: %s", cases[i].patch, verdict, why);
        }
        json_decref(rows);
        json_decref(doc);
    }
}

static void invalid_runs_are_left_out(void **state) {
    (void)state;
    runs a = {.n = 6, .slower = 1.5, .noise = 0.001}, b = {.n = 5, .slower = 1.0, .noise = 0.001};
    json_t *doc = two_systems(a, b, 1);
    sample_invalidate(doc, "c8-a-r6");
    json_t *rows = compare(doc, NULL);
    assert_true(mu_document_number(row_of(rows, "tpot_ms.p50"), "blocks") == 5.0);
    all_are(rows, "slower");
    json_decref(rows);
    for (int k = 1; k <= 5; k++) {
        char id[16];
        snprintf(id, sizeof(id), "c8-a-r%d", k);
        sample_invalidate(doc, id);
    }
    rows = compare(doc, NULL);
    all_are(rows, "inconclusive");
    assert_string_equal(mu_document_text(row_of(rows, "tpot_ms.p50"), "why"),
                        "muai: every run is INVALID");
    json_decref(rows);
    json_decref(doc);
}

static void precision_may_be_allowed(void **state) {
    (void)state;
    runs a = {.n = 5, .slower = 0.5, .noise = 0.001}, b = {.n = 5, .slower = 1.0, .noise = 0.001};
    json_t *doc = two_systems(a, b, 1), *notes = json_array();
    sample_set(doc, "systems.b.model.dtype", "\"f32\"");
    mu_compare_options options = {.seed = 1, .any_precision = true};
    json_t *rows = mu_compare_systems(doc, &options, notes);
    all_are(rows, "faster");
    assert_int_equal(json_array_size(notes), 1);
    assert_string_equal(json_string_value(json_array_get(notes, 0)), "weights: q8 against f32");
    json_decref(notes);
    json_decref(rows);
    json_decref(doc);
}

/* A noise floor above delta takes its place: 3% are within 5%. */
static void the_noise_floor_widens_the_margin(void **state) {
    (void)state;
    runs a = {.n = 6, .slower = 1.03, .noise = 0.001}, b = {.n = 6, .slower = 1.0, .noise = 0.001};
    json_t *doc = two_systems(a, b, 1), *rows = compare(doc, NULL);
    all_are(rows, "slower");
    json_decref(rows);
    mu_compare_options options = {.seed = 1, .noise_floor = 0.05};
    rows = mu_compare_systems(doc, &options, NULL);
    all_are(rows, "equivalent");
    assert_true(mu_document_number(row_of(rows, "tpot_ms.p50"), "delta") == 0.05);
    json_decref(rows);
    json_decref(doc);
}

static json_t *merge(const json_t *const *docs, size_t n) {
    static const char *const names[] = {"A.json", "B.json", "C.json"};
    mu_compare_options options = {.seed = 1};
    json_t *doc = NULL;
    mu_err err;
    if (mu_compare_documents(docs, names, n, &options, &doc, &err) != MU_OK)
        fail_msg("%s", err.text);
    assert_int_equal(mu_document_check(doc, &err), MU_OK);
    return doc;
}

static void files_become_one_document(void **state) {
    (void)state;
    json_t *a = sample_document(), *b = sample_document();
    sample_patch(b, "host.cpu=\"Another CPU\"; cells.throughput-c8.load.clients=7; "
                    "memory.a.footprint.peak_mb=410");
    const json_t *docs[] = {a, b};
    json_t *doc = merge(docs, 2);
    assert_int_equal(json_array_size(json_object_get(doc, "systems")), 2);
    assert_int_equal(json_array_size(json_object_get(doc, "cells")), 24);
    assert_string_equal(mu_document_text(mu_document_system(doc, "b"), "name"), "muai (B.json)");
    assert_string_equal(mu_document_text(mu_document_cell(doc, "rate-9-b"), "system"), "b");
    assert_string_equal(
        json_string_value(json_array_get(mu_document_at(doc, "capacity.b.cells"), 0)), "rate-9-b");
    const json_t *rows = json_object_get(doc, "comparisons");
    assert_int_equal(json_array_size(rows), 11 * 6 + 1);
    const json_t *memory = row_of(rows, "memory.peak_mb");
    assert_true(fabs(mu_document_number(memory, "ratio") - 210.0 / 410.0) < 1e-9);
    const json_t *notes = json_object_get(doc, "notes");
    assert_int_equal(json_array_size(notes), 2);
    assert_non_null(strstr(json_string_value(json_array_get(notes, 0)), "ratios are of machines"));
    assert_non_null(
        strstr(json_string_value(json_array_get(notes, 1)), "2 cells have no counterpart"));
    json_decref(doc);

    sample_set(b, "run.stop_reason", "\"failed\"");
    const json_t *three[] = {a, a, b};
    doc = merge(three, 3);
    assert_int_equal(json_array_size(json_object_get(doc, "systems")), 3);
    size_t n_refused = 0;
    rows = json_object_get(doc, "comparisons");
    for (size_t i = 0; i < json_array_size(rows); i++) {
        n_refused += json_is_false(json_object_get(json_array_get(rows, i), "comparable"));
    }
    assert_int_equal(json_array_size(rows), 12 * 6 + 1 + 11 * 6 + 1);
    assert_int_equal(n_refused, 11 * 6 + 1);
    json_decref(doc);
    json_decref(a);
    json_decref(b);
}

static void memory_runs_out(void **state) {
    (void)state;
    runs a = {.n = 4, .slower = 1.5, .noise = 0.001}, b = {.n = 4, .slower = 1.0, .noise = 0.001};
    json_t *doc = two_systems(a, b, 1);
    const json_t *docs[] = {doc, doc};
    mu_compare_options options = {.seed = 1};
    int64_t before = mu_alloc_n_alive();
    int n = 0;
    for (mu_status status = MU_ERR_NOMEM; status != MU_OK; n += 7) {
        json_t *out = NULL;
        mu_err err;
        mu_alloc_fail_after(n);
        status = mu_compare_documents(docs, NULL, 2, &options, &out, &err);
        mu_alloc_fail_after(-1);
        assert_true(status == MU_OK || status == MU_ERR_NOMEM);
        json_decref(out);
        assert_true(mu_alloc_n_alive() == before);
    }
    print_message("allocations up to %d fail cleanly\n", n);
    assert_true(n > 500);
    json_decref(doc);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(differences_are_found),
        cmocka_unit_test(equal_systems_are_not_told_apart),
        cmocka_unit_test(one_run_is_exploratory),
        cmocka_unit_test(refusals),
        cmocka_unit_test(invalid_runs_are_left_out),
        cmocka_unit_test(precision_may_be_allowed),
        cmocka_unit_test(the_noise_floor_widens_the_margin),
        cmocka_unit_test(files_become_one_document),
        cmocka_unit_test(memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
