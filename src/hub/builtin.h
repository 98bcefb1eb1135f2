/* builtin.h - models that are part of the program: GGUF files that the assembler put among its
 * read-only data, named like any other model.
 *
 * The bytes are pages of the program's own file: they cost memory only while they are read, and
 * nothing is copied. Threads: any, the table is constant.
 */
#ifndef MU_HUB_BUILTIN_H
#define MU_HUB_BUILTIN_H

#include "base/base.h"

typedef struct mu_builtin {
    const char *name;
    const uint8_t *data, *end; /* the GGUF file, page aligned */
    float temperature;         /* what suits it */
} mu_builtin;

const mu_builtin *mu_builtin_find(const char *name); /* NULL: there is none of this name */
const mu_builtin *mu_builtin_at(uint32_t i);         /* NULL past the last */
const char *mu_builtin_default(void);                /* what commands take when no model is named */

#endif
