#include "bench/report/number.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const mu_number unknown = {"\xe2\x80\x93"};

static int decimals_of(double value) {
    double size = fabs(value);
    if (size == 0.0 || size >= 99.95) return 0;
    int decimals = 2 - (int)floor(log10(size * 1.0005));
    return decimals < 0 ? 0 : decimals > 8 ? 8 : decimals;
}

mu_number mu_number_of(double value) {
    if (!isfinite(value)) return unknown;
    mu_number f;
    double size = fabs(value);
    if (size != 0.0 && (size < 1e-6 || size >= 1e15)) {
        snprintf(f.text, sizeof(f.text), "%.2e", value);
    } else {
        snprintf(f.text, sizeof(f.text), "%.*f", decimals_of(value), value);
    }
    return f;
}

mu_number mu_number_tick(double value) {
    mu_number f = mu_number_of(fabs(value) < 1e-12 ? 0.0 : value);
    if (!strchr(f.text, '.') || strchr(f.text, 'e')) return f;
    size_t n = strlen(f.text);
    while (f.text[n - 1] == '0')
        f.text[--n] = '\0';
    if (f.text[n - 1] == '.') f.text[n - 1] = '\0';
    return f;
}

mu_number mu_number_count(double value) {
    if (!isfinite(value)) return unknown;
    mu_number f;
    snprintf(f.text, sizeof(f.text), fabs(value) < 1e15 ? "%.0f" : "%.3e", value);
    return f;
}

mu_number mu_number_exact(double value) {
    mu_number f = {""};
    if (!isfinite(value)) return f;
    bool is_whole = value == floor(value) && fabs(value) < 1e15;
    snprintf(f.text, sizeof(f.text), is_whole ? "%.0f" : "%.10g", value);
    return f;
}

/* 99.88 must not become 100: as many decimals as show the distance from 0 or 1. */
mu_number mu_number_percent(double share) {
    if (!isfinite(share)) return unknown;
    mu_number f;
    double edge = fmin(fabs(share), fabs(1.0 - share)) * 100.0;
    int decimals = edge < 1e-7 ? 0 : edge >= 1.0 ? 1 : edge >= 0.01 ? 2 : edge >= 0.001 ? 3 : 4;
    snprintf(f.text, sizeof(f.text), "%.*f %%", decimals, share * 100.0);
    return f;
}

mu_number mu_number_range(double low, double high) {
    if (!isfinite(low) || !isfinite(high)) return unknown;
    mu_number f;
    snprintf(f.text, sizeof(f.text), "%.20s to %.20s", mu_number_of(low).text,
             mu_number_of(high).text);
    return f;
}

mu_number mu_number_bytes(double bytes) {
    static const char *units[] = {"B", "kB", "MB", "GB", "TB"};
    if (!isfinite(bytes)) return unknown;
    mu_number f;
    size_t u = 0;
    while (fabs(bytes) >= 999.5 && u + 1 < MU_COUNTOF(units)) {
        bytes /= 1000.0;
        u++;
    }
    snprintf(f.text, sizeof(f.text), "%.24s %s",
             u == 0 ? mu_number_count(bytes).text : mu_number_of(bytes).text, units[u]);
    return f;
}

mu_number mu_number_seconds(double seconds) {
    if (!isfinite(seconds)) return unknown;
    mu_number f;
    if (seconds < 0.9995) {
        snprintf(f.text, sizeof(f.text), "%.24s ms", mu_number_of(seconds * 1e3).text);
    } else if (seconds < 119.5) {
        snprintf(f.text, sizeof(f.text), "%.24s s", mu_number_of(seconds).text);
    } else if (seconds < 7199.5) {
        double whole = round(seconds);
        snprintf(f.text, sizeof(f.text), "%.0f min %.0f s", floor(whole / 60.0), fmod(whole, 60.0));
    } else {
        snprintf(f.text, sizeof(f.text), "%.24s h", mu_number_of(seconds / 3600.0).text);
    }
    return f;
}
