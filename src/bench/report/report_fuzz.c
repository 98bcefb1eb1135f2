/* Fuzz the reader of report pages, and the renderings of whatever JSON it finds: any bytes in, a
 * status out; pages keep to their size and hold no markup of the input. */
#include <string.h>

#include "base/base.h"
#include "bench/report/report.h"
#include "bench/result/document.h"
#include "format/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void render(json_t *doc) {
    const json_t *docs[] = {doc};
    mu_buf out = {0};
    json_object_set_new(doc, "schema", json_string("muai.bench/1"));
    mu_status status = mu_document_check(doc, NULL);
    MU_ASSERT(mu_report_html(docs, 1, &out, NULL) == status);
    if (status != MU_OK) { /* no renderer takes what the schema does not allow */
        MU_ASSERT(mu_report_markdown(docs, 1, &out, NULL) == status && out.n == 0);
        MU_ASSERT(mu_report_csv(docs, 1, &out, NULL) == status && out.n == 0);
        MU_ASSERT(mu_report_text(doc, 80, false, &out, NULL) == status && out.n == 0);
        return;
    }
    MU_ASSERT(out.n <= MU_REPORT_HTML_BYTES_MAX);
    json_t *again = NULL;
    MU_ASSERT(mu_report_extract_json(out.data, out.n, &again, NULL) == MU_OK);
    json_decref(again);
    mu_buf_clear(&out);
    MU_ASSERT(mu_report_markdown(docs, 1, &out, NULL) == MU_OK);
    MU_ASSERT(mu_report_csv(docs, 1, &out, NULL) == MU_OK);
    MU_ASSERT(mu_report_csv_wide(docs, 1, &out, NULL) == MU_OK);
    mu_buf_clear(&out);
    MU_ASSERT(mu_report_text(doc, 80, false, &out, NULL) == MU_OK);
    MU_ASSERT(!memchr(out.data, '\x1b', out.n));
    mu_buf_deinit(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    json_t *doc = NULL;
    mu_err err = {0};
    if (mu_report_extract_json((const char *)data, size, &doc, &err) != MU_OK) {
        MU_ASSERT(!doc && err.text[0] != '\0');
        return 0;
    }
    if (json_is_object(doc)) render(doc);
    json_decref(doc);
    return 0;
}
