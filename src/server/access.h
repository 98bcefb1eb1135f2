/* access.h - who may ask what: the Host header against DNS rebinding, the Origin of a page, the API
 * key. Private to server/. */
#ifndef MU_SERVER_ACCESS_H
#define MU_SERVER_ACCESS_H

#include "server/call.h"

/* Headers that every answer has. */
void mu_access_add_headers(mu_call *call);
/* False: answered, with the error or as a preflight. path_is_known: a route has the call's path, if
 * with another method. */
bool mu_access_check(mu_call *call, bool path_is_known);

#endif
