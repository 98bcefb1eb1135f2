#include "bench/load/record.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

const char *mu_failure_name(mu_failure failure) {
    static const char *const names[] = {
#define X(name, text) text,
        MU_FAILURE_MAP(X)
#undef X
    };
    return names[failure];
}

const char *mu_token_source_name(mu_token_source source) {
    static const char *const names[] = {
#define X(name, text) text,
        MU_TOKEN_SOURCE_MAP(X)
#undef X
    };
    return names[source];
}

void mu_records_deinit(mu_records *records) {
    mu_free(records->records);
    mu_free(records->gaps);
    *records = (mu_records){0};
}

void mu_records_clear(mu_records *records) {
    records->n_records = records->n_gaps = 0;
    memset(records->n_by_failure, 0, sizeof(records->n_by_failure));
    memset(records->first_message, 0, sizeof(records->first_message));
}

static bool reserve(mu_records *r, size_t n_records, size_t n_gaps) {
    void *records = r->records, *gaps = r->gaps;
    bool ok = mu_grow(&records, &r->cap_records, r->n_records + n_records, sizeof(*r->records));
    r->records = records;
    ok = ok && mu_grow(&gaps, &r->cap_gaps, r->n_gaps + n_gaps, sizeof(*r->gaps));
    r->gaps = gaps;
    return ok;
}

static mu_status no_memory(mu_err *err, const mu_records *r) {
    return mu_fail(err, MU_ERR_NOMEM, "records of %zu requests", r->n_records);
}

static void note_message(mu_records *r, mu_failure failure, const char *message) {
    if (failure == MU_FAILURE_NONE || !message || r->first_message[failure][0] != '\0') return;
    snprintf(r->first_message[failure], MU_CHUNK_MESSAGE_MAX, "%s", message);
}

mu_status mu_records_add(mu_records *records, const mu_record *record, const mu_gap *gaps,
                         const char *message, mu_err *err) {
    if (!reserve(records, 1, record->n_gaps)) return no_memory(err, records);
    mu_record *to = &records->records[records->n_records++];
    *to = *record;
    to->gap_first = records->n_gaps;
    if (record->n_gaps > 0) {
        memcpy(records->gaps + records->n_gaps, gaps, record->n_gaps * sizeof(*gaps));
    }
    records->n_gaps += record->n_gaps;
    records->n_by_failure[record->failure]++;
    note_message(records, record->failure, message);
    return MU_OK;
}

mu_status mu_records_append(mu_records *records, const mu_records *other, mu_err *err) {
    if (!reserve(records, other->n_records, other->n_gaps)) return no_memory(err, records);
    for (size_t i = 0; i < other->n_records; i++) {
        records->records[records->n_records + i] = other->records[i];
        records->records[records->n_records + i].gap_first += records->n_gaps;
    }
    if (other->n_gaps > 0) {
        memcpy(records->gaps + records->n_gaps, other->gaps, other->n_gaps * sizeof(mu_gap));
    }
    records->n_records += other->n_records;
    records->n_gaps += other->n_gaps;
    for (int f = 0; f < MU_N_FAILURES; f++) {
        records->n_by_failure[f] += other->n_by_failure[f];
        if (other->n_by_failure[f] > 0) {
            note_message(records, (mu_failure)f, other->first_message[f]);
        }
    }
    return MU_OK;
}
