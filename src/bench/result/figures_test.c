/* The table of figures fits together: what one reader of it takes for granted is true of each row.
 */
#include "bench/result/figures.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static bool is_same(const char *a, const char *b) {
    return strcmp(a, b) == 0;
}

static void rows_are_told_apart(void **state) {
    (void)state;
    for (uint32_t i = 0; i < mu_n_figure_rows; i++) {
        const mu_figure_row *a = &mu_figure_rows[i];
        for (uint32_t k = 0; k < i; k++) {
            const mu_figure_row *b = &mu_figure_rows[k];
            bool is_one_place = (a->place <= MU_PLACE_CELL) == (b->place <= MU_PLACE_CELL);
            bool is_twice = (a->place == b->place && is_same(a->path, b->path)) ||
                            is_same(a->label, b->label) ||
                            (is_one_place && is_same(mu_figure_name(a), mu_figure_name(b)));
            if (is_twice) fail_msg("%s and %s", a->path, b->path);
        }
    }
}

static void rows_have_what_their_readers_need(void **state) {
    (void)state;
    for (uint32_t i = 0; i < mu_n_figure_rows; i++) {
        const mu_figure_row *row = &mu_figure_rows[i];
        bool is_metric = i < MU_N_REQUEST_METRICS;
        bool is_good = (row->place == MU_PLACE_METRIC) == is_metric;
        uint32_t stats = row->followed | row->compared;
        is_good = is_good && !(stats & (is_metric ? MU_STAT_VALUE : ~(uint32_t)MU_STAT_VALUE));
        is_good = is_good && (!row->compared || row->better != MU_BETTER_NEITHER);
        bool has_key = row->place > MU_PLACE_CELL && row->followed;
        is_good = is_good && has_key == (row->key != NULL);
        is_good = is_good && !row->formula == !row->remark;
        if (!is_good) fail_msg("%s", row->path);
    }
}

static void rows_are_found(void **state) {
    (void)state;
    static const struct {
        mu_place place;
        const char *path, *name;
    } cases[] = {
        {MU_PLACE_METRIC, "ttft_ms.p95", "ttft_ms"},
        {MU_PLACE_METRIC, "metrics.ttft_ms", "ttft_ms"},
        {MU_PLACE_METRIC, "ttft", NULL},
        {MU_PLACE_CELL, "throughput.output_tok_s", "output_tok_s"},
        {MU_PLACE_CELL, "ttft_ms", NULL},
        {MU_PLACE_MEMORY, "peak_mb", "peak"},
        {MU_PLACE_CAPACITY, "max_rate_per_s", "capacity"},
        {MU_PLACE_CELL, "", NULL},
    };
    for (size_t i = 0; i < MU_COUNTOF(cases); i++) {
        const mu_figure_row *row = mu_figure_row_of(cases[i].place, cases[i].path);
        bool is_right = cases[i].name ? row && is_same(mu_figure_name(row), cases[i].name) : !row;
        if (!is_right) fail_msg("%s: %s", cases[i].path, row ? row->path : "none");
    }
}

static void runs_are_merged_by_key(void **state) {
    (void)state;
    assert_int_equal(mu_merge_of("p50"), MU_MERGE_MEDIAN);
    assert_int_equal(mu_merge_of("low"), MU_MERGE_LEAST);
    assert_int_equal(mu_merge_of("rss_peak_mb"), MU_MERGE_MOST);
    assert_int_equal(mu_merge_of("failed"), MU_MERGE_SUM);
    assert_int_equal(mu_merge_of("need"), MU_MERGE_FEWEST);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_told_apart),
        cmocka_unit_test(rows_have_what_their_readers_need),
        cmocka_unit_test(rows_are_found),
        cmocka_unit_test(runs_are_merged_by_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
