/* white_space.h - the characters with the property White_Space (Unicode 16, PropList.txt): what \s
 * is in patterns, and what is stripped and split at. Private to text/. */
#ifndef MU_TEXT_WHITE_SPACE_H
#define MU_TEXT_WHITE_SPACE_H

#include "base/base.h"

static inline bool mu_is_space(int32_t c) {
    return (c >= 9 && c <= 13) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F ||
           c == 0x205F || c == 0x3000;
}

#endif
