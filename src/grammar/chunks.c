#include "grammar/chunks.h"

#include "base/alloc.h"

enum { CHUNK_BYTES = 32 << 10, ALIGN = 8 };

struct mu_chunk {
    mu_chunk *next;
    size_t used, cap; /* bytes after this header */
};

void mu_chunks_init(mu_chunks *chunks, size_t bytes_max) {
    *chunks = (mu_chunks){.bytes_max = bytes_max};
}

void mu_chunks_deinit(mu_chunks *chunks) {
    for (mu_chunk *chunk = chunks->head, *next; chunk; chunk = next) {
        next = chunk->next;
        mu_free(chunk);
    }
    *chunks = (mu_chunks){0};
}

/* A large piece gets a chunk of its own behind the head, which goes on serving small ones. */
static mu_chunk *add_chunk(mu_chunks *chunks, size_t need) {
    size_t cap = need > CHUNK_BYTES / 4 ? need : CHUNK_BYTES - sizeof(mu_chunk);
    if (cap > chunks->bytes_max || chunks->bytes > chunks->bytes_max - cap) {
        chunks->is_full = true;
        return NULL;
    }
    mu_chunk *chunk = mu_alloc(sizeof(*chunk) + cap);
    if (!chunk) return NULL;
    chunk->cap = cap;
    chunks->bytes += cap;
    if (need > CHUNK_BYTES / 4 && chunks->head) {
        chunk->next = chunks->head->next;
        chunks->head->next = chunk;
    } else {
        chunk->next = chunks->head;
        chunks->head = chunk;
    }
    return chunk;
}

void *mu_chunks_alloc(mu_chunks *chunks, size_t n, size_t elem_size) {
    MU_ASSERT(elem_size > 0);
    if (n > (chunks->bytes_max - ALIGN) / elem_size) {
        chunks->is_full = true;
        return NULL;
    }
    size_t need = (n * elem_size + ALIGN - 1) / ALIGN * ALIGN;
    mu_chunk *chunk = chunks->head;
    if (!chunk || chunk->cap - chunk->used < need) {
        chunk = add_chunk(chunks, need);
        if (!chunk) return NULL;
    }
    void *piece = (char *)(chunk + 1) + chunk->used;
    chunk->used += need;
    return piece;
}
