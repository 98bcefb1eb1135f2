#include "server/http_peers.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

/* FNV-1a. Not keyed: addresses cannot be chosen at will, and a long bucket costs microseconds. */
static uint64_t hash(const void *data, size_t n) {
    const unsigned char *bytes = data;
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < n; i++) {
        h = (h ^ bytes[i]) * 0x100000001b3u;
    }
    return h;
}

static uint64_t id_of(const struct sockaddr_storage *address, char text[MU_PEER_TEXT_MAX]) {
    enum { PREFIX_BYTES = 8, MAPPED_BYTES = 12 };
    const void *any = address;
    if (address->ss_family == AF_INET) {
        const struct in_addr *v4 = &((const struct sockaddr_in *)any)->sin_addr;
        inet_ntop(AF_INET, v4, text, MU_PEER_TEXT_MAX);
        return hash(v4, sizeof(*v4));
    }
    if (address->ss_family != AF_INET6) {
        snprintf(text, MU_PEER_TEXT_MAX, "unix");
        return hash(text, strlen(text));
    }
    const struct in6_addr *v6 = &((const struct sockaddr_in6 *)any)->sin6_addr;
    if (IN6_IS_ADDR_V4MAPPED(v6)) {
        const unsigned char *v4 = v6->s6_addr + MAPPED_BYTES;
        inet_ntop(AF_INET, v4, text, MU_PEER_TEXT_MAX);
        return hash(v4, sizeof(struct in_addr));
    }
    inet_ntop(AF_INET6, v6, text, MU_PEER_TEXT_MAX);
    return hash(v6, PREFIX_BYTES);
}

mu_peer *mu_peers_enter(mu_peers *peers, const struct sockaddr_storage *address,
                        char text[MU_PEER_TEXT_MAX]) {
    uint64_t id = id_of(address, text);
    mu_peer **bucket = &peers->buckets[id % MU_PEER_BUCKETS], *peer = *bucket;
    while (peer && peer->id != id) {
        peer = peer->next;
    }
    if (!peer) {
        peer = mu_alloc(sizeof(*peer));
        if (!peer) return NULL;
        peer->id = id;
        peer->is_unix = address->ss_family == AF_UNIX;
        peer->next = *bucket;
        *bucket = peer;
    }
    peer->n_connections++;
    return peer;
}

void mu_peers_leave(mu_peers *peers, mu_peer *peer) {
    MU_ASSERT(peer->n_connections > 0);
    if (--peer->n_connections > 0) return;
    mu_peer **at = &peers->buckets[peer->id % MU_PEER_BUCKETS];
    while (*at != peer) {
        at = &(*at)->next;
    }
    *at = peer->next;
    mu_free(peer);
}
