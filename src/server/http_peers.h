/* http_peers.h - who is connected, and how often: the count that connections are shared by.
 *
 * A peer is an IPv4 address, or the first 64 bits of an IPv6 one, because whoever has one of those
 * has all. All Unix sockets together are one peer without a limit: file permissions are theirs.
 *
 * Threads: one at a time. Memory: an entry lives while its peer has a connection.
 */
#ifndef MU_SERVER_HTTP_PEERS_H
#define MU_SERVER_HTTP_PEERS_H

#include <sys/socket.h>

#include "base/base.h"

enum { MU_PEER_TEXT_MAX = 46, MU_PEER_BUCKETS = 1024 };

typedef struct mu_peer mu_peer;
struct mu_peer {
    mu_peer *next; /* of the bucket */
    uint64_t id;   /* of the address; keeps its value between connections */
    uint32_t n_connections;
    bool is_unix;
};

typedef struct mu_peers {
    mu_peer *buckets[MU_PEER_BUCKETS];
} mu_peers;

/* One more connection of this address; text: it as text, of this very connection. NULL: no memory.
 */
mu_peer *mu_peers_enter(mu_peers *peers, const struct sockaddr_storage *address,
                        char text[MU_PEER_TEXT_MAX]);
void mu_peers_leave(mu_peers *peers, mu_peer *peer);

#endif
