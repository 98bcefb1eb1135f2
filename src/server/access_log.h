/* access_log.h - one line for every call that has ended, as text or JSON; never a word of a prompt.
 * Private to server/.
 *
 * Errors: a line that cannot be written is counted (log_writer.h): a full disk or a reader that
 * stopped reading stops the log, not the server.
 */
#ifndef MU_SERVER_ACCESS_LOG_H
#define MU_SERVER_ACCESS_LOG_H

#include "server/call.h"

void mu_access_log_write(mu_call *call, bool is_whole); /* is_whole: all of the answer was sent */

#endif
