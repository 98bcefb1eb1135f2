/* subscripts.h - what is in a value: attributes, items, slices, by Jinja's rules.
 *
 * a.b asks for an attribute first (a method, a member of a namespace), then for the item "b";
 * a["b"] asks the other way round, so that a dict's key "items" can be reached. What is not there
 * is undefined. Names with "__" and methods that change a value are there and may not be used.
 * Threads, memory: as the run. */
#ifndef MU_CHAT_JINJA_SUBSCRIPTS_H
#define MU_CHAT_JINJA_SUBSCRIPTS_H

#include "chat/jinja/callable.h"

bool mu_value_attribute(mu_run *run, mu_value object, mu_marked name, mu_value *out);
bool mu_value_item(mu_run *run, mu_value object, mu_value key, mu_value *out);
/* object[start:stop:step]; each none or an int. */
bool mu_value_slice(mu_run *run, mu_value object, const mu_value bounds[3], mu_value *out);
/* "a.b.0", as filters take attributes; a number is an index. fallback stands for each part that is
 * missing, where it is given. */
bool mu_value_path(mu_run *run, mu_value object, mu_value path, mu_value fallback, mu_value *out);

#endif
