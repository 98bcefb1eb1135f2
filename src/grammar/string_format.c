#include "grammar/string_format.h"

#include <string.h>

#include "grammar/regex.h"

#define DAY                                                                                       \
    "([0-9]{4}-(((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01]))|((0[469]|11)-(0[1-9]|[12][0-9]|30))|" \
    "(02-(0[1-9]|[12][0-9]))))"
#define CLOCK                                                    \
    "(([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(\\.[0-9]+)?" \
    "([zZ]|[-+]([01][0-9]|2[0-3]):[0-5][0-9]))"
#define LABEL "[A-Za-z0-9]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?"
#define OCTET "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
#define IPV4  "(" OCTET "\\.){3}" OCTET
#define HEX   "[0-9A-Fa-f]{1,4}"
#define LS32  "(" HEX ":" HEX "|" IPV4 ")"
#define IPV6                                                                                  \
    "((" HEX ":){6}" LS32 "|::(" HEX ":){5}" LS32 "|(" HEX ")?::(" HEX ":){4}" LS32 "|((" HEX \
    ":){0,1}" HEX ")?::(" HEX ":){3}" LS32 "|((" HEX ":){0,2}" HEX ")?::(" HEX ":){2}" LS32   \
    "|((" HEX ":){0,3}" HEX ")?::" HEX ":" LS32 "|((" HEX ":){0,4}" HEX ")?::" LS32 "|((" HEX \
    ":){0,5}" HEX ")?::" HEX "|((" HEX ":){0,6}" HEX ")?::)"
/* RFC 3986 without splitting the path, which no server needs: what may stand behind the colon. */
#define URI_TEXT   "([-A-Za-z0-9._~:/?#\\[\\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})"
#define VARIABLE   "([A-Za-z0-9_.]|%[0-9A-Fa-f]{2})+(:[0-9]{1,4}|\\*)?"
#define EXPRESSION "\\{[-+#./;?&=,!@|]?" VARIABLE "(," VARIABLE ")*\\}"
#define ATEXT      "[-A-Za-z0-9!#$%&'*+/=?^_`{|}~]+"

static const struct {
    const char *name, *pattern;
} formats[] = {
    {"date-time", DAY "[Tt]" CLOCK},
    {"date", DAY},
    {"time", CLOCK},
    {"duration", "P([0-9]+W|([0-9]+Y([0-9]+M([0-9]+D)?)?|[0-9]+M([0-9]+D)?|[0-9]+D)"
                 "(T([0-9]+H([0-9]+M([0-9]+S)?)?|[0-9]+M([0-9]+S)?|[0-9]+S))?|"
                 "T([0-9]+H([0-9]+M([0-9]+S)?)?|[0-9]+M([0-9]+S)?|[0-9]+S))"},
    {"email", ATEXT "(\\." ATEXT ")*@" LABEL "(\\." LABEL ")*"},
    {"hostname", LABEL "(\\." LABEL ")*"},
    {"ipv4", IPV4},
    {"ipv6", IPV6},
    {"uuid", "[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}"},
    {"uri-template", "([^\\x00-\\x20\"'%<>\\\\^`{|}]|%[0-9A-Fa-f]{2}|" EXPRESSION ")*"},
    {"uri", "[A-Za-z][-A-Za-z0-9+.]*:" URI_TEXT "+"},
};

bool mu_string_format(mu_lexicon *lexicon, const char *name, mu_lexeme *out) {
    for (size_t i = 0; i < MU_COUNTOF(formats); i++) {
        if (strcmp(formats[i].name, name) != 0) continue;
        const char *pattern = formats[i].pattern;
        *out = mu_regex_lexeme(lexicon, pattern, strlen(pattern), MU_REGEX_WHOLE);
        return true;
    }
    return false;
}
