/* admin.h - what an operator sees of the models and asks of them. Private to server/.
 *
 *     GET  /admin/models                what is loaded, and what it takes
 *     POST /admin/models/load           {"model": NAME}; also unload, pin, unpin
 *
 * A POST is answered at once with the model as it was before: a counter that GET then shows higher
 * has counted what was asked for, or what came after it. "force": true with unload ends the
 * model's requests.
 */
#ifndef MU_SERVER_ADMIN_H
#define MU_SERVER_ADMIN_H

#include "server/call.h"

void mu_admin_get_models(mu_call *call);
void mu_admin_post_model(mu_call *call); /* the path's last word is what to do */

#endif
