#include "server/http_chunks.h"

enum { SIZE_DIGITS_MAX = 15 };

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static mu_http_chunks_state read_size(mu_http_chunks *c, char byte) {
    int digit = hex_digit(byte);
    if (digit >= 0) {
        if (++c->n_digits > SIZE_DIGITS_MAX) return MU_CHUNKS_BROKEN;
        c->n_left = c->n_left << 4 | (uint64_t)digit;
        return MU_CHUNKS_SIZE;
    }
    if (c->n_digits == 0) return MU_CHUNKS_BROKEN;
    if (byte == ';') return MU_CHUNKS_EXTENSION;
    return byte == '\r' ? MU_CHUNKS_SIZE_LF : MU_CHUNKS_BROKEN;
}

/* Of an extension or a trailer field: any text. */
static mu_http_chunks_state read_over(mu_http_chunks *c, char byte, mu_http_chunks_state after_cr) {
    bool is_text = (unsigned char)byte >= ' ' || byte == '\t';
    if (byte == '\r') return after_cr;
    if (!is_text || byte == 0x7f || ++c->n_extra > MU_HTTP_CHUNK_EXTRA_MAX) return MU_CHUNKS_BROKEN;
    return c->state;
}

static mu_http_chunks_state after_size(mu_http_chunks *c) {
    c->n_digits = 0;
    return c->n_left > 0 ? MU_CHUNKS_DATA : MU_CHUNKS_TRAILER;
}

static mu_http_chunks_state read_byte(mu_http_chunks *c, char byte) {
    switch (c->state) {
    case MU_CHUNKS_SIZE:
        return read_size(c, byte);
    case MU_CHUNKS_EXTENSION:
        return read_over(c, byte, MU_CHUNKS_SIZE_LF);
    case MU_CHUNKS_SIZE_LF:
        return byte == '\n' ? after_size(c) : MU_CHUNKS_BROKEN;
    case MU_CHUNKS_DATA_CR:
        return byte == '\r' ? MU_CHUNKS_DATA_LF : MU_CHUNKS_BROKEN;
    case MU_CHUNKS_DATA_LF:
        return byte == '\n' ? MU_CHUNKS_SIZE : MU_CHUNKS_BROKEN;
    case MU_CHUNKS_TRAILER:
        if (byte == '\r') return MU_CHUNKS_LAST_LF;
        c->state = MU_CHUNKS_TRAILER_LINE;
        return read_over(c, byte, MU_CHUNKS_BROKEN);
    case MU_CHUNKS_TRAILER_LINE:
        return read_over(c, byte, MU_CHUNKS_TRAILER_LF);
    case MU_CHUNKS_TRAILER_LF:
        return byte == '\n' ? MU_CHUNKS_TRAILER : MU_CHUNKS_BROKEN;
    case MU_CHUNKS_LAST_LF:
        return byte == '\n' ? MU_CHUNKS_DONE : MU_CHUNKS_BROKEN;
    default:
        return c->state;
    }
}

size_t mu_http_chunks_read(mu_http_chunks *c, const char *data, size_t n, const char **out_run,
                           size_t *out_n) {
    size_t used = 0;
    *out_n = 0;
    while (used < n && c->state < MU_CHUNKS_DONE) {
        if (c->state != MU_CHUNKS_DATA) {
            c->state = read_byte(c, data[used++]);
            continue;
        }
        size_t n_run = n - used < c->n_left ? n - used : (size_t)c->n_left;
        c->n_left -= n_run;
        if (c->n_left == 0) c->state = MU_CHUNKS_DATA_CR;
        *out_run = data + used;
        *out_n = n_run;
        return used + n_run;
    }
    return used;
}
