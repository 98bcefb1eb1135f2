/* json_schema.h - a JSON Schema to an expression of value sets.
 *
 * Drafts 4 to 2020-12, their keywords side by side. Enforced: type, enum, const, the keywords of
 * numbers, strings (formats: string_format.h), arrays and objects, allOf, anyOf, oneOf, not, if,
 * dependencies, and $ref within the document, recursion included. What constrains and is not done
 * is refused, never ignored: unevaluatedItems, unevaluatedProperties, uniqueItems, $dynamicRef,
 * $recursiveRef, references to other documents. Unknown keywords are annotations.
 *
 * Errors name the JSON pointer: "#/properties/a/pattern: ...". They are those of the lexicon.
 */
#ifndef MU_GRAMMAR_JSON_SCHEMA_H
#define MU_GRAMMAR_JSON_SCHEMA_H

#include <jansson.h>

#include "grammar/value_set.h"

enum { MU_SCHEMA_NODES_MAX = 50000 };

typedef struct mu_schema {
    mu_algebra *algebra;          /* borrowed, and made to ask this schema what its nodes mean */
    const json_t *root;           /* the document that was read last, borrowed */
    bool is_closed;               /* objects that name properties have no others */
    bool ref_stands_alone;        /* draft 7 and before: what is beside a $ref is ignored */
    struct mu_schema_node *nodes; /* [n_nodes], owned */
    size_t n_nodes, nodes_cap;
    uint32_t *slots; /* [slots_size] node + 1 by its value, owned */
    size_t slots_size;
    struct mu_schema_pattern *patterns; /* [n_patterns] lexemes by pattern, owned */
    size_t n_patterns, patterns_cap;
    bool has_place; /* the lexicon's error names its place already */
} mu_schema;

void mu_schema_init(mu_schema *schema, mu_algebra *algebra);
/* A document, which must stay as it is until deinit. Each is settled before the next is read.
 * closed: objects that name their properties and say nothing of others have no others, unless
 * several schemas of the document share an object. */
mu_expr mu_schema_read(mu_schema *schema, const json_t *root, bool closed);
void mu_schema_deinit(mu_schema *schema); /* a zeroed one is allowed */

#endif
