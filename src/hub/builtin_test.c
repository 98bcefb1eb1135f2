#include "hub/builtin.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/map.h"

/* What the assembler took in is the file in the repository, byte for byte and no byte more. */
static void the_program_holds_the_file(void **state) {
    (void)state;
    const mu_builtin *b = NULL;
    for (uint32_t i = 0; (b = mu_builtin_at(i)); i++) {
        char path[128];
        mu_map map;
        snprintf(path, sizeof(path), "models/%s/%s.gguf", b->name, b->name);
        assert_int_equal(mu_map_open(path, &map, NULL), MU_OK);
        assert_int_equal(b->end - b->data, map.size);
        assert_memory_equal(b->data, map.data, map.size);
        assert_int_equal((uintptr_t)b->data % 4096, 0);
        mu_map_close(&map);
        print_message("%s: %td bytes\n", b->name, b->end - b->data);
    }
}

static void names_are_found(void **state) {
    (void)state;
    assert_ptr_equal(mu_builtin_find(mu_builtin_default()), mu_builtin_at(0));
    assert_null(mu_builtin_find("muai"));
    assert_null(mu_builtin_find(""));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_program_holds_the_file),
        cmocka_unit_test(names_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
