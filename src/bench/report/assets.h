/* assets.h - the style sheet and the script of the HTML report, as they are in report.css and
 * report.js, built into the program. */
#ifndef MU_BENCH_REPORT_ASSETS_H
#define MU_BENCH_REPORT_ASSETS_H

#include <stddef.h>

const char *mu_report_css(size_t *n); /* [*n], not NUL-terminated */
const char *mu_report_js(size_t *n);

#endif
