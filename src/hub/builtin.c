/* The assembler searches the source folder for the file (CMakeLists.txt), so the path is the
 * repository's.
 */
#include "hub/builtin.h"

#include <string.h>

__asm__(".pushsection .rodata.mu_muai_tiny, \"a\", %progbits\n"
        ".balign 4096\n"
        ".global mu_muai_tiny_data, mu_muai_tiny_end\n"
        ".hidden mu_muai_tiny_data, mu_muai_tiny_end\n"
        "mu_muai_tiny_data:\n"
        ".incbin \"models/muai-tiny/muai-tiny.gguf\"\n"
        "mu_muai_tiny_end:\n"
        ".balign 4096\n"
        ".popsection\n");

extern const uint8_t mu_muai_tiny_data[], mu_muai_tiny_end[];

static const mu_builtin builtins[] = {
    {"muai-tiny", mu_muai_tiny_data, mu_muai_tiny_end, 0.7f},
};

const mu_builtin *mu_builtin_find(const char *name) {
    for (size_t i = 0; i < MU_COUNTOF(builtins); i++) {
        if (strcmp(builtins[i].name, name) == 0) return &builtins[i];
    }
    return NULL;
}

const mu_builtin *mu_builtin_at(uint32_t i) {
    return i < MU_COUNTOF(builtins) ? &builtins[i] : NULL;
}

const char *mu_builtin_default(void) {
    return builtins[0].name;
}
