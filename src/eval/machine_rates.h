/* machine_rates.h - what a machine can do, by name: the same words and keys in every table and
 * document. Pure functions; no state, any thread.
 */
#ifndef MU_EVAL_MACHINE_RATES_H
#define MU_EVAL_MACHINE_RATES_H

#include <jansson.h>

#include "backend/machine.h"

enum { MU_N_RATES = 5, MU_RATES_TEXT_MAX = 160 };

typedef struct mu_rate {
    const char *key, *name, *unit; /* "f32_gflop_s", "f32", "GFLOP/s": static */
    double value;                  /* 0: the device has no such instruction, or none is measured */
} mu_rate;

mu_rate mu_rate_get(const mu_machine_rates *rates, uint32_t i); /* i < MU_N_RATES */

/* "memory read 31.0 GB/s, f32 207 GFLOP/s, ...", what is 0 left out. */
void mu_rates_text(const mu_machine_rates *rates, char out[MU_RATES_TEXT_MAX]);

/* One number a key, 0 included, into an object. */
void mu_rates_json(const mu_machine_rates *rates, json_t *object);

#endif
