/* http_head.h - the head of an HTTP/1.1 request, read strictly.
 *
 *     POST /v1/completions?a=b HTTP/1.1 CRLF
 *     Host: localhost CRLF
 *     Content-Length: 12 CRLF
 *     CRLF
 *
 * Two steps. scan() looks at what has come so far and finds the end, or says early that there will
 * be no good one. parse() takes the whole head apart in place. Where RFC 9112 lets a recipient be
 * lenient this one is not: a proxy that reads such a request otherwise would disagree on where it
 * ends. Refused are bare CR and LF, folded lines, blanks before a colon, control characters, names
 * that are not tokens, Content-Length beside Transfer-Encoding or repeated or not digits, codings
 * other than "chunked", no Host or two, and repeated fields that say who asks for what.
 *
 * Threads: pure. Memory: the parsed head points into the caller's text, which it changes.
 */
#ifndef MU_SERVER_HTTP_HEAD_H
#define MU_SERVER_HTTP_HEAD_H

#include "base/base.h"

typedef struct mu_http_limits {
    uint32_t request_line_bytes_max, header_bytes_max, n_headers_max;
} mu_http_limits;

/* Why a head is refused. */
typedef struct mu_http_refusal {
    unsigned code;   /* HTTP's: 400, 414 or 431; 0: nothing is wrong */
    const char *why; /* a constant text */
} mu_http_refusal;

typedef struct mu_http_head {
    const char *method;
    const char *path;       /* percent-decoded, without query, empty segments and last slash */
    const char *fields;     /* name NUL value NUL ... */
    const char *fields_end; /* behind the last of them */
    bool is_11;             /* false: HTTP/1.0 */
    bool is_chunked;        /* the body is */
    bool has_length;        /* the body has n_body bytes */
    bool is_last;           /* the connection ends with the answer */
    bool expects_continue;  /* the body comes when asked for */
    uint64_t n_body;        /* bytes; UINT64_MAX: too many to count */
} mu_http_head;

/* Length of the head at the start of data [n], its empty line included; 0: it has not come whole
 * yet, or *refusal is set. *n_scanned is kept between calls, 0 at first. */
size_t mu_http_head_scan(const char *data, size_t n, const mu_http_limits *limits,
                         size_t *n_scanned, mu_http_refusal *refusal);

/* text: [n], a head as scan() found it. */
mu_http_refusal mu_http_head_parse(char *text, size_t n, const mu_http_limits *limits,
                                   mu_http_head *out);

/* The value of the first such field, any case; NULL: absent. */
const char *mu_http_head_field(const mu_http_head *head, const char *name);

/* Is there nothing but characters of a token (RFC 9110, 5.6.2), and at least one? */
bool mu_http_is_token(const char *text, size_t n);

#endif
