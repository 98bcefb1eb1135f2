/* json_scan.h - where JSON ends in text that is still being written, and where a member's value
 * lies in it. Only structure is looked at; whether it is JSON is the parser's to say.
 * Threads: any. Memory: none. */
#ifndef MU_CHAT_JSON_SCAN_H
#define MU_CHAT_JSON_SCAN_H

#include "base/base.h"

/* Goes over a text byte by byte, across pushes. */
typedef struct mu_json_scan {
    uint32_t depth;
    bool in_string, is_escaped;
    bool has_begun; /* a '{' or '[' came */
} mu_json_scan;

/* True: byte was the last of the outermost object or array. */
bool mu_json_scan_byte(mu_json_scan *scan, char byte);

/* Length of the object or array at text[0]; 0: it does not end, or is none. */
size_t mu_json_scan_length(const char *text, size_t n);

/* The value of a member of the object in text, as it is written. False: there is none. */
bool mu_json_scan_member(const char *text, size_t n, const char *key, const char **out,
                         size_t *out_n);

#endif
