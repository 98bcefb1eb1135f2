/* Every rule fires on a document made for it, cites what it looked at, and is silent when that is
 * INVALID. On the healthy document nothing but information is said.
 */
#include "bench/judge/recommendations.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "bench/judge/targets.h"
#include "tests/bench/sample_document.h"

#define WIDE_TARGET                                                                                \
    "targets=[{\"id\": \"decode\", \"name\": \"Decode speed\", \"cell\": \"latency-128-128-c1\", " \
    "\"limit\": 30, \"value\": 20, \"unit\": \"tok/s\", \"verdict\": \"fail\"}]"
#define PASSED(id, cell)                                                                     \
    "{\"id\": \"" id "\", \"cell\": \"" cell "\", \"limit\": 1, \"value\": 2, \"verdict\": " \
    "\"pass\"}"

/* Each patch makes the rule fire; with the second one on top it is silent. */
static const struct {
    const char *rule, *patch, *says, *evidence, *but;
} rows[] = {
    {"R-CONC-01", "", "8 clients reach 950 tok/s", "cell:throughput-c8",
     "cells.throughput-c2.load.clients=1; cells.throughput-c8.load.clients=4; "
     "cells.throughput-c16.load.clients=4; cells.tiny-c8.load.clients=16"},
    {"R-CONC-02", "", "up to 8 clients, 100% of requests keep TTFT 300 ms", "cell:throughput-c16",
     "cells.latency-128-64-c1.goodput.attainment={\"value\": 0.9, \"low\": 0.88, \"high\": 0.92}"},
    {"R-CONC-03",
     "cells.latency-128-64-c1.goodput.attainment={\"value\": 0.9, \"low\": 0.88, \"high\": 0.92}",
     "even 1 client: 90% (at most 92%)", "cell:latency-128-64-c1",
     "cells.latency-128-64-c1.goodput.attainment={\"value\": 0.98, \"low\": 0.9, \"high\": 0.995}"},
    {"R-BATCH-02",
     "cells.throughput-c16.throughput.output_tok_s={\"value\": 1500, \"low\": 1400, \"high\": "
     "1600}",
     "--clients 32,64", "cell:throughput-c16",
     "cells.throughput-c16.throughput.output_tok_s={\"value\": 1500, \"low\": 900, \"high\": "
     "2000}"},
    {"R-BATCH-03",
     "cells.throughput-c16.throughput.output_tok_s={\"value\": 700, \"low\": 680, \"high\": 720}",
     "--parallel 8", "cell:throughput-c16",
     "cells.throughput-c16.throughput.output_tok_s={\"value\": 700, \"low\": 500, \"high\": 960}"},
    {"R-CAP-01", "", "--max-num-queued-reqs 2 ", "capacity:a", "capacity.a.max_rate_per_s=null"},
    {"R-SAT-01", "cells.rate-9.validity.status=\"SATURATED\"", "9 requests a second more come",
     "cell:rate-9", "cells.rate-9.load.rate_per_s=null"},
    {"R-INST-01", "", "uses 1.9 of 2 cores at 16 clients", "cell:throughput-c16",
     "cells.throughput-c16.server.cpu_share=1.5"},
    {"R-INST-02", "cells.throughput-c16.server.cpu_share=0.9", "0.9 of 2 cores",
     "cell:throughput-c16", "cells.throughput-c16.client.cpu_share=0.2"},
    {"R-LEN-01", "", "16.8 ms for every 100 tokens", "cell:latency-896-64-c1",
     "cells.latency-512-64-c1.load.prompt_tokens=128; "
     "cells.latency-896-64-c1.load.prompt_tokens=128"},
    {"R-LEN-02",
     "cells.latency-896-64-c1.metrics.ttft_service_ms.p95=400; "
     "cells.latency-896-64-c1.metrics.ttft_service_ms.ci.p95=[390, 410]",
     "limit prompts to 512 tokens", "cell:latency-896-64-c1",
     "cells.latency-896-64-c1.metrics.ttft_service_ms.ci.p95=[290, 410]"},
    {"R-QUANT-01", "systems.a.model.dtype=\"f32\"; systems.a.model.weight_bytes=498000000",
     "3.8 times as wide as q8 (498 MB instead of about 132)", "system:a",
     "systems.a.name=\"llama-server\""},
    {"R-QUANT-02", "", "same token as f32 in 99.5% of positions (99% to 99.8%)", "system:a",
     "systems.a.model.dtype=\"f32\""},
    {"R-QUANT-03",
     "systems.a.fidelity={\"greedy_agreement\": [0.9, 0.88, 0.92], \"kl_nats\": 0.01}",
     "--dtype bf16", "system:a", "systems.a.fidelity.kl_nats=0.0004"},
    {"R-QUANT-04", "systems.a.fidelity=null", "muai eval quant synthetic:gpt2 TEXT", "system:a",
     "systems.a.model.dtype=\"bf16\""},
    {"R-GPU-01", "cells.latency-128-128-c1.efficiency.mbu=0.9; " WIDE_TARGET,
     "at 90% of what this machine's memory allows; all of it would give 22.22", "target:decode",
     "cells.latency-128-128-c1.efficiency.mbu=0.5"},
    {"R-GPU-03", "cells.latency-128-128-c1.efficiency.mbu=0.5; " WIDE_TARGET,
     "at 50% of what this machine allows; all of it would give 40", "target:decode",
     "cells.latency-128-128-c1.efficiency.mbu=0.9"},
    {"R-GPU-02",
     "targets=[" PASSED("ttft", "latency-128-64-c1") ", " PASSED(
         "decode", "latency-128-128-c1") ", " PASSED("requests", "tiny-c16") "]",
     "no GPU is needed", "cell:tiny-c16", "targets.ttft.verdict=\"inconclusive\""},
    {"R-MEM-01", "", "give it 252 MB", "memory:a", "memory=[]"},
    {"R-MEM-02", "host.memory_total_bytes=250000000", "84% of this machine's 250 MB", "host",
     "host.memory_total_bytes=null"},
    {"R-MEM-03", "memory.a.footprint.swap_mb=12", "12 MB of the process", "memory:a",
     "memory.a.footprint.swap_mb=null"},
    {"R-KV-01",
     "memory.a.kv.measured_bytes_per_token=73800; memory.a.kv.low=73000; memory.a.kv.high=74000",
     "computed are 36864", "memory:a", "memory.a.kv.low=36000"},
    {"R-LEAK-01", "memory.a.leak.verdict=\"LEAK\"", "restart", "memory:a",
     "memory.a.leak.verdict=\"NO LEAK\""},
    {"R-LEAK-02", "memory.a.leak.verdict=\"RETENTION\"", "MALLOC_ARENA_MAX", "memory:a",
     "memory.a.leak.verdict=null"},
    {"R-LEAK-03", "memory.a.leak.verdict=\"INCONCLUSIVE\"; memory.a.leak.needs_s=600",
     "soak --seconds 1200", "memory:a", "memory.a.leak=null"},
    {"R-LOAD-01", "memory.a.loads.cold.seconds=4.8", "4 s less", "memory:a",
     "memory.a.loads.warm.seconds=4"},
    {"R-ERR-01",
     "cells.tiny-c1.reliability.failed=2; cells.tiny-c1.reliability.classes=[{\"class\": "
     "\"timeout\", \"n\": 2, \"first\": \"10 s\"}]",
     "timeout: \"10 s\"; 2 of 3600", "cell:tiny-c1", "cells.tiny-c1.phase=\"stress\""},
    {"R-CACHE-01", "cells.throughput-c4.tokens.cached=192", "0.5% of prompt tokens",
     "cell:throughput-c4", "cells.throughput-c4.tokens.cached=0"},
    {"R-STALL-01",
     "cells.throughput-c4.stalls.rate=0.3; cells.throughput-c4.metrics.gap_max_ms.p50=90",
     "30% of requests stall", "cell:throughput-c4",
     "cells.throughput-c4.metrics.gap_max_ms.p50=20"},
    {"R-TAIL-01", "cells.tiny-c1.metrics.ttft_service_ms.p95=60", "times p50: 60 ms",
     "cell:tiny-c1", "cells.tiny-c1.metrics.ttft_service_ms.p50=50"},
    {"R-CLIENT-01", "cells.tiny-c8.client.cpu_share=0.5", "0.5 cores of 2", "cell:tiny-c8",
     "host.cores_usable=8"},
    {"R-CLIENT-02", "cells.tiny-c8.client.chunks_coalesced=900", "10% of chunks", "cell:tiny-c8",
     "cells.tiny-c8.client.chunks=null"},
    {"R-CMP-01",
     "comparisons=[{\"a\": \"a\", \"b\": \"b\", \"cell\": \"throughput-c4\", \"metric\": "
     "\"tpot_ms.p50\", \"ratio\": 1.5, \"low\": 1.4, \"high\": 1.6, \"verdict\": \"slower\"}]",
     "1.5 times", "cell:throughput-c4", "comparisons=[]"},
    {"R-RUN-01", "run.runs=1", "1 run of a fresh server", "run", "run.runs=5"},
    {"R-HOST-01", "host.governor=\"powersave\"", "\"powersave\"", "host",
     "host.governor=\"performance\""},
    {"R-HOST-02", "host.thp=\"never\"", "huge pages are off", "host", "host.thp=null"},
    {"R-HOST-03",
     "cells.tiny-c1.timeline.rows=[[0, 1, 1, 1, 1, 1, 0.04], [1, 1, 1, 1, 1, 1, null]]",
     "4% of the CPU time", "cell:tiny-c1", "cells.tiny-c1.timeline.rows=[[0, 1]]"},
    {"R-HOST-04", "host.virtualization=\"kvm\"", "kvm", "host",
     "host.virtualization=\"bare metal\""},
    {"R-HOST-05", "host.cgroup_cpus=1.5", "1.5 cores", "host", "host.cgroup_cpus=2"},
};

static bool cites(const json_t *finding, const char *reference) {
    const json_t *evidence = json_object_get(finding, "evidence");
    for (size_t i = 0; i < json_array_size(evidence); i++) {
        if (strcmp(json_string_value(json_array_get(evidence, i)), reference) == 0) return true;
    }
    return false;
}

static bool says(const json_t *finding, const char *text) {
    static const char *const keys[] = {"finding", "action", "expected"};
    for (size_t i = 0; i < MU_COUNTOF(keys); i++) {
        if (strstr(mu_document_text(finding, keys[i]), text)) return true;
    }
    return false;
}

static void check_fires(size_t i, const json_t *doc) {
    static const char *const needed[] = {"severity", "topic",    "title",     "finding",
                                         "action",   "expected", "confidence"};
    json_t *all = mu_recommend(doc);
    const json_t *finding = sample_row(all, rows[i].rule);
    if (!finding) fail_msg("%s does not fire on \"%s\"", rows[i].rule, rows[i].patch);
    if (!cites(finding, rows[i].evidence) || !says(finding, rows[i].says)) {
        char *text = json_dumps(finding, JSON_INDENT(1));
        fail_msg("%s: %s", rows[i].rule, text);
    }
    for (size_t k = 0; k < MU_COUNTOF(needed); k++) {
        if (mu_document_text(finding, needed[k])[0] == '\0') {
            fail_msg("%s has no %s", rows[i].rule, needed[k]);
        }
    }
    json_decref(all);
}

static void check_silent(size_t i, const json_t *doc, const char *when) {
    json_t *all = mu_recommend(doc);
    const json_t *finding = sample_row(all, rows[i].rule);
    if (finding)
        fail_msg("%s fires %s: %s", rows[i].rule, when, mu_document_text(finding, "finding"));
    json_decref(all);
}

static void every_rule_fires_and_is_silent(void **state) {
    (void)state;
    for (size_t i = 0; i < MU_COUNTOF(rows); i++) {
        json_t *doc = sample_document();
        sample_patch(doc, rows[i].patch);
        check_fires(i, doc);

        json_t *other = json_deep_copy(doc);
        sample_patch(other, rows[i].but);
        check_silent(i, other, "with figures that do not say so");
        json_decref(other);

        sample_invalidate(doc, NULL);
        json_t *all = mu_recommend(doc);
        assert_int_equal(json_array_size(all), 0);
        json_decref(all);
        json_decref(doc);
    }
    print_message("%zu rules\n", MU_COUNTOF(rows));
}

/* No rule cites a cell that is INVALID. */
static void invalid_cells_are_no_evidence(void **state) {
    (void)state;
    for (size_t i = 0; i < MU_COUNTOF(rows); i++) {
        if (strncmp(rows[i].evidence, "cell:", 5) != 0) continue;
        json_t *doc = sample_document();
        sample_patch(doc, rows[i].patch);
        sample_invalidate(doc, rows[i].evidence + 5);
        json_t *all = mu_recommend(doc);
        for (size_t k = 0; k < json_array_size(all); k++) {
            const json_t *finding = json_array_get(all, k);
            if (cites(finding, rows[i].evidence)) {
                fail_msg("%s cites %s, which is INVALID", mu_document_text(finding, "id"),
                         rows[i].evidence);
            }
        }
        json_decref(all);
        json_decref(doc);
    }
}

static void every_rule_has_a_row(void **state) {
    (void)state;
    const mu_rule *rule;
    size_t n = 0;
    for (; (rule = mu_rule_at(n)); n++) {
        size_t n_rows = 0;
        for (size_t i = 0; i < MU_COUNTOF(rows); i++) {
            n_rows += strcmp(rows[i].rule, rule->id) == 0;
        }
        if (n_rows != 1) fail_msg("%s has %zu rows here", rule->id, n_rows);
        for (size_t k = 0; k < n; k++) {
            assert_string_not_equal(mu_rule_at(k)->id, rule->id);
        }
    }
    assert_int_equal(n, MU_COUNTOF(rows));
}

/* The table of docs/benchmarking-rules.md is the rules' own text. */
static void the_documentation_has_every_rule(void **state) {
    (void)state;
    FILE *file = fopen("docs/benchmarking-rules.md", "r");
    assert_non_null(file);
    static char text[1 << 16];
    size_t n = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    text[n] = '\0';
    const mu_rule *rule;
    for (size_t i = 0; (rule = mu_rule_at(i)); i++) {
        char line[600];
        snprintf(line, sizeof(line), "| %s | %s | %s |", rule->id, rule->topic, rule->when);
        if (!strstr(text, line)) fail_msg("docs/benchmarking-rules.md has no line: %s", line);
    }
}

static void a_healthy_run_gets_information(void **state) {
    (void)state;
    json_t *doc = sample_document();
    json_object_set_new(doc, "targets", mu_targets_judge(doc, NULL));
    json_t *all = mu_recommend(doc);
    assert_true(json_array_size(all) >= 8);
    for (size_t i = 0; i < json_array_size(all); i++) {
        assert_string_equal(mu_document_text(json_array_get(all, i), "severity"), "info");
    }
    assert_non_null(sample_row(all, "R-GPU-02"));
    json_decref(all);
    json_decref(doc);
}

/* One report names one limit, and does not ask for more of what it advises against. */
static void advice_does_not_contradict_itself(void **state) {
    (void)state;
    static const struct {
        const char *what, *patch, *with, *without;
    } cases[] = {
        {"throughput still rises",
         "cells.throughput-c16.throughput.output_tok_s={\"value\": 1500, \"low\": 1400, \"high\": "
         "1600}",
         "R-BATCH-02", "R-CONC-01"},
        {"the cell of the highest rate is saturated", "cells.rate-9.validity.status=\"SATURATED\"",
         "R-SAT-01", "R-CAP-01"},
    };
    for (size_t i = 0; i < MU_COUNTOF(cases); i++) {
        json_t *doc = sample_document();
        sample_patch(doc, cases[i].patch);
        json_t *all = mu_recommend(doc);
        if (!sample_row(all, cases[i].with) || sample_row(all, cases[i].without)) {
            fail_msg("%s: not %s alone", cases[i].what, cases[i].with);
        }
        json_decref(all);
        json_decref(doc);
    }
}

static void the_severe_come_first(void **state) {
    (void)state;
    static const char *const order[] = {"warning", "advice", "info"};
    json_t *doc = sample_document();
    for (size_t i = 0; i < MU_COUNTOF(rows); i++) {
        sample_patch(doc, rows[i].patch);
    }
    json_t *all = mu_recommend(doc);
    size_t at = 0;
    for (size_t i = 0; i < json_array_size(all); i++) {
        const char *severity = mu_document_text(json_array_get(all, i), "severity");
        while (at < MU_COUNTOF(order) && strcmp(order[at], severity) != 0) {
            at++;
        }
        assert_true(at < MU_COUNTOF(order));
    }
    assert_true(at == 2 && json_array_size(all) > 20);
    json_decref(all);
    json_decref(doc);
}

/* Documents of any shape: nothing but an array comes out. */
static void odd_documents_say_nothing(void **state) {
    (void)state;
    static const char *const texts[] = {
        "{}",
        "{\"cells\": 3, \"memory\": {}, \"systems\": \"x\", \"host\": []}",
        "{\"systems\": [{\"id\": 3}], \"cells\": [null, 4, {\"id\": null, \"validity\": "
        "{\"status\": \"VALID\"}, \"load\": 7, \"metrics\": [1]}]}",
    };
    for (size_t i = 0; i < MU_COUNTOF(texts); i++) {
        json_t *doc = NULL;
        mu_err err;
        assert_int_equal(mu_json_parse(texts[i], strlen(texts[i]), &doc, &err), MU_OK);
        json_t *all = mu_recommend(doc);
        assert_int_equal(json_array_size(all), 0);
        json_decref(all);
        json_t *judged = mu_targets_judge(doc, NULL);
        for (size_t k = 0; k < json_array_size(judged); k++) {
            assert_string_equal(mu_document_text(json_array_get(judged, k), "verdict"),
                                "inconclusive");
        }
        json_decref(judged);
        json_decref(doc);
    }
}

/* Whatever allocation fails, the answer is NULL or whole, and nothing is leaked. */
static void memory_runs_out(void **state) {
    (void)state;
    enum { N_POINTS = 600 };
    json_t *doc = sample_document(), *whole = mu_recommend(doc);
    assert_non_null(whole);
    int64_t before = mu_alloc_n_alive();
    int n_failed = 0;
    for (int n = 0; n < N_POINTS; n++) {
        mu_alloc_fail_after(n);
        json_t *all = mu_recommend(doc);
        mu_alloc_fail_after(-1);
        if (all) assert_true(json_equal(all, whole));
        n_failed += all == NULL;
        json_decref(all);
        assert_true(mu_alloc_n_alive() == before);
    }
    print_message("%d of %d failures answered with NULL\n", n_failed, N_POINTS);
    assert_true(n_failed > 50 && n_failed < N_POINTS);
    json_decref(whole);
    json_decref(doc);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_rule_fires_and_is_silent),
        cmocka_unit_test(invalid_cells_are_no_evidence),
        cmocka_unit_test(every_rule_has_a_row),
        cmocka_unit_test(the_documentation_has_every_rule),
        cmocka_unit_test(a_healthy_run_gets_information),
        cmocka_unit_test(advice_does_not_contradict_itself),
        cmocka_unit_test(the_severe_come_first),
        cmocka_unit_test(odd_documents_say_nothing),
        cmocka_unit_test(memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
