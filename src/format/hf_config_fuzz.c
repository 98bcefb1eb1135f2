/* Any bytes as config.json: metadata or one line that says why not. */
#include <string.h>

#include "format/hf_config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    mu_hf_config *config = NULL;
    mu_err err = {0};
    mu_status status = mu_hf_config_parse((const char *)data, size, &config, &err);
    if (status != MU_OK) {
        MU_ASSERT(!config && err.status == status && err.text[0] != '\0');
        MU_ASSERT(!strchr(err.text, '\n'));
        return 0;
    }
    const mu_metadata *metadata = mu_hf_config_metadata(config);
    for (size_t i = 0; i < metadata->n; i++) {
        const mu_meta_entry *entry = &metadata->entries[i];
        MU_ASSERT(mu_metadata_find(metadata, entry->key) == &entry->value);
    }
    mu_hf_config_close(config);
    return 0;
}
