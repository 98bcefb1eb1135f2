/* region.h - a run of memory handed out piece by piece, 64-byte aligned; private to backend/.
 *
 * With base NULL it only counts, so the same code that lays memory out also says how much it takes.
 * The memory may be a device's: it is not touched here.
 */
#ifndef MU_BACKEND_REGION_H
#define MU_BACKEND_REGION_H

#include "base/base.h"

typedef struct mu_region {
    uint8_t *base;
    size_t used; /* bytes */
    size_t cap;  /* bytes behind base */
} mu_region;

void *mu_region_take(mu_region *region, size_t bytes); /* NULL while counting */

#endif
