/* synthetic.h - the shapes behind synthetic:NAME: what a config.json of the model would say.
 * Private to model/.
 */
#ifndef MU_MODEL_SYNTHETIC_H
#define MU_MODEL_SYNTHETIC_H

/* JSON of a config.json; NULL: no such name. */
const char *mu_synthetic_config(const char *name);

#endif
