#include "backend/region.h"

enum { ALIGN = 64 };

void *mu_region_take(mu_region *region, size_t bytes) {
    size_t at = region->used;
    region->used += (bytes + ALIGN - 1) / ALIGN * ALIGN;
    return region->base ? region->base + at : NULL;
}
