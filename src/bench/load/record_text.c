/* Raw records as text. Lines are printed, not built as trees: there may be millions, and every
 * field but the cell's name is a number or a name of ours.
 */
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include "bench/load/record.h"

typedef enum kind { INSTANT, DURATION, U32, COUNT, U16, BOOL, HASH, FAILURE, SOURCE } kind;

static const struct {
    const char *name;
    kind kind;
    size_t offset;
} columns[] = {
#define AT(member) offsetof(mu_record, member)
    {"index", U32, AT(index)},
    {"failure", FAILURE, AT(failure)},
    {"http_status", U16, AT(http_status)},
    {"is_warmup", BOOL, AT(is_warmup)},
    {"is_drained", BOOL, AT(is_drained)},
    {"is_stream", BOOL, AT(is_stream)},
    {"is_new_connection", BOOL, AT(is_new_connection)},
    {"intended_ns", INSTANT, AT(intended_ns)},
    {"dispatch_ns", INSTANT, AT(dispatch_ns)},
    {"written_ns", INSTANT, AT(written_ns)},
    {"first_byte_ns", INSTANT, AT(first_byte_ns)},
    {"first_token_ns", INSTANT, AT(first_token_ns)},
    {"first_content_ns", INSTANT, AT(first_content_ns)},
    {"second_chunk_ns", INSTANT, AT(second_chunk_ns)},
    {"last_token_ns", INSTANT, AT(last_token_ns)},
    {"end_ns", INSTANT, AT(end_ns)},
    {"connect_ns", DURATION, AT(connect_ns)},
    {"gap_max_ns", DURATION, AT(gap_max_ns)},
    {"prompt_tokens_wanted", U32, AT(prompt_tokens_wanted)},
    {"prompt_tokens", COUNT, AT(prompt_tokens)},
    {"cached_tokens", COUNT, AT(cached_tokens)},
    {"output_tokens_wanted", U32, AT(output_tokens_wanted)},
    {"output_tokens", COUNT, AT(output_tokens)},
    {"first_chunk_tokens", COUNT, AT(first_chunk_tokens)},
    {"n_chunks", U32, AT(n_chunks)},
    {"n_coalesced", U32, AT(n_coalesced)},
    {"token_source", SOURCE, AT(token_source)},
    {"text_hash", HASH, AT(text_hash)},
};

typedef struct style {
    const char *null, *quote; /* what stands for the unknown; around words */
} style;

static void write_field(const mu_record *r, size_t column, uint64_t start_ns, style s, FILE *file) {
    const char *at = (const char *)r + columns[column].offset;
    uint64_t u64 = 0;
    uint32_t u32 = 0;
    uint16_t u16 = 0;
    switch (columns[column].kind) {
    case INSTANT:
        memcpy(&u64, at, sizeof(u64));
        if (u64 == 0) {
            fputs(s.null, file);
        } else {
            fprintf(file, "%" PRId64, (int64_t)(u64 - start_ns));
        }
        break;
    case DURATION:
        memcpy(&u64, at, sizeof(u64));
        fprintf(file, "%" PRIu64, u64);
        break;
    case HASH:
        memcpy(&u64, at, sizeof(u64));
        fprintf(file, "%s%016" PRIx64 "%s", s.quote, u64, s.quote);
        break;
    case U32:
    case COUNT:
        memcpy(&u32, at, sizeof(u32));
        if (columns[column].kind == COUNT && u32 == MU_TOKENS_UNKNOWN) {
            fputs(s.null, file);
        } else {
            fprintf(file, "%" PRIu32, u32);
        }
        break;
    case U16:
        memcpy(&u16, at, sizeof(u16));
        fprintf(file, "%u", u16);
        break;
    case BOOL:
        fputs(*(const bool *)at ? "true" : "false", file);
        break;
    case FAILURE:
        fprintf(file, "%s%s%s", s.quote, mu_failure_name((mu_failure) * (const uint8_t *)at),
                s.quote);
        break;
    case SOURCE:
        fprintf(file, "%s%s%s", s.quote,
                mu_token_source_name((mu_token_source) * (const uint8_t *)at), s.quote);
        break;
    }
}

static void write_gaps(const mu_gap *gaps, uint32_t n, FILE *file) {
    for (uint32_t i = 0; i < n; i++) {
        const char *sign = gaps[i].flags & MU_GAP_COALESCED ? "-" : "";
        fprintf(file, "%s[%s%" PRIu64 ",", i > 0 ? "," : "", sign, gaps[i].ns);
        if (gaps[i].tokens == MU_TOKENS_UNKNOWN) {
            fputs("null]", file);
        } else {
            fprintf(file, "%" PRIu32 "]", gaps[i].tokens);
        }
    }
}

static mu_status finish(FILE *file, mu_err *err) {
    if (fflush(file) == 0 && !ferror(file)) return MU_OK;
    return mu_fail_os(err, MU_ERR_IO, "raw records: write");
}

mu_status mu_records_write_jsonl(const mu_records *records, uint64_t start_ns, const char *cell,
                                 FILE *file, mu_err *err) {
    json_t *name = json_string(cell);
    char *quoted = name ? json_dumps(name, JSON_ENCODE_ANY) : NULL;
    json_decref(name);
    if (!quoted) {
        return mu_fail(err, MU_ERR_INVALID, "raw records: the cell's name is not UTF-8");
    }
    for (size_t i = 0; i < records->n_records; i++) {
        const mu_record *r = &records->records[i];
        fprintf(file, "{\"cell\":%s", quoted);
        for (size_t c = 0; c < MU_COUNTOF(columns); c++) {
            fprintf(file, ",\"%s\":", columns[c].name);
            write_field(r, c, start_ns, (style){"null", "\""}, file);
        }
        fputs(",\"gaps\":[", file);
        write_gaps(records->gaps + r->gap_first, r->n_gaps, file);
        fputs("]}\n", file);
    }
    json_free_t release;
    json_get_alloc_funcs(NULL, &release);
    release(quoted);
    return finish(file, err);
}

/* A name in quotes where commas, quotes, line ends would be read as more. */
static void write_csv_text(const char *text, FILE *file) {
    if (!strpbrk(text, ",\"\r\n")) {
        fputs(text, file);
        return;
    }
    fputc('"', file);
    for (const char *c = text; *c; c++) {
        if (*c == '"') fputc('"', file);
        fputc(*c, file);
    }
    fputc('"', file);
}

mu_status mu_records_write_csv(const mu_records *records, uint64_t start_ns, const char *cell,
                               bool with_head, FILE *file, mu_err *err) {
    if (with_head) {
        fputs("cell", file);
        for (size_t c = 0; c < MU_COUNTOF(columns); c++) {
            fprintf(file, ",%s", columns[c].name);
        }
        fputc('\n', file);
    }
    for (size_t i = 0; i < records->n_records; i++) {
        write_csv_text(cell, file);
        for (size_t c = 0; c < MU_COUNTOF(columns); c++) {
            fputc(',', file);
            write_field(&records->records[i], c, start_ns, (style){"", ""}, file);
        }
        fputc('\n', file);
    }
    return finish(file, err);
}
