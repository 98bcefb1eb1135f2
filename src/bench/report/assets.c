/* The assembler finds the files in the include path and writes their sizes beside them;
 * CMakeLists.txt makes this file depend on them. */
#include "bench/report/assets.h"

#include <stdint.h>

#define EMBED(name, file)                                         \
    __asm__(".section .rodata\n"                                  \
            ".global mu_asset_" #name "\n"                        \
            "mu_asset_" #name ":\n"                               \
            ".incbin \"bench/report/" file "\"\n"                 \
            "mu_asset_" #name "_end:\n"                           \
            ".balign 8\n"                                         \
            ".global mu_asset_" #name "_size\n"                   \
            "mu_asset_" #name "_size:\n"                          \
            ".quad mu_asset_" #name "_end - mu_asset_" #name "\n" \
            ".previous\n");                                       \
    extern const char mu_asset_##name[];                          \
    extern const uint64_t mu_asset_##name##_size

EMBED(css, "report.css");
EMBED(js, "report.js");

const char *mu_report_css(size_t *n) {
    *n = mu_asset_css_size;
    return mu_asset_css;
}

const char *mu_report_js(size_t *n) {
    *n = mu_asset_js_size;
    return mu_asset_js;
}
