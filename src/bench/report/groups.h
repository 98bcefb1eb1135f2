/* groups.h - the cells of a chart that one line may join: those that differ in nothing but what the
 * chart's x axis shows.
 *
 * A line through cells of several shapes is a zigzag that means nothing. A group has a name of what
 * tells it from the others: the system where there are several, the shape where there are several,
 * and so on; of a single group it is empty.
 *
 * Pure; any thread. Memory: results are values.
 */
#ifndef MU_BENCH_REPORT_GROUPS_H
#define MU_BENCH_REPORT_GROUPS_H

#include "bench/report/chart.h"

enum { MU_GROUPS_MAX = MU_CHART_SERIES_MAX };

/* What cells of a group have in common besides the system. */
typedef enum mu_group_by {
    MU_GROUP_SHAPE,   /* prompt and output tokens; x: clients or a rate */
    MU_GROUP_CLIENTS, /* output tokens and clients; x: prompt tokens */
} mu_group_by;

typedef struct mu_group {
    size_t i_system;
    double prompt_tokens, output_tokens, clients; /* NAN: not in common */
    char name[MU_CHART_NAME_BYTES];
} mu_group;

typedef struct mu_groups {
    bool (*is_member)(const json_t *cell);
    mu_group_by by;
    size_t n; /* the first MU_GROUPS_MAX of them */
    mu_group items[MU_GROUPS_MAX];
} mu_groups;

void mu_groups_of(const mu_view *view, bool (*is_member)(const json_t *cell), mu_group_by by,
                  mu_groups *out);
bool mu_group_has(const mu_groups *groups, size_t i, const mu_view_cell *cell);

#endif
