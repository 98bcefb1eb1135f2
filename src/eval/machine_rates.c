#include "eval/machine_rates.h"

#include <stdio.h>

mu_rate mu_rate_get(const mu_machine_rates *rates, uint32_t i) {
    const mu_rate all[MU_N_RATES] = {
        {"dram_gb_s", "memory read", "GB/s", rates->dram_gb_s},
        {"f32_gflop_s", "f32", "GFLOP/s", rates->f32_gflop_s},
        {"bf16_gflop_s", "bf16", "GFLOP/s", rates->bf16_gflop_s},
        {"int8_gop_s", "int8", "GOP/s", rates->int8_gop_s},
        {"int4_gop_s", "int4", "GOP/s", rates->int4_gop_s},
    };
    return all[i];
}

void mu_rates_text(const mu_machine_rates *rates, char out[MU_RATES_TEXT_MAX]) {
    int n = 0;
    out[0] = '\0';
    for (uint32_t i = 0; i < MU_N_RATES; i++) {
        mu_rate rate = mu_rate_get(rates, i);
        if (rate.value == 0.0) continue;
        n += snprintf(out + n, (size_t)(MU_RATES_TEXT_MAX - n), "%s%s %.*f %s", n > 0 ? ", " : "",
                      rate.name, i == 0 ? 1 : 0, rate.value, rate.unit);
        MU_ASSERT(n < MU_RATES_TEXT_MAX);
    }
}

void mu_rates_json(const mu_machine_rates *rates, json_t *object) {
    for (uint32_t i = 0; i < MU_N_RATES; i++) {
        mu_rate rate = mu_rate_get(rates, i);
        json_object_set_new(object, rate.key, json_real(rate.value));
    }
}
