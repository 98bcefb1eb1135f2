/* Patterns of several models are made of the same parts; the parts have names here. */
#include "format/pre_tokenizers.h"

#include <string.h>

#define SHORT     "(?i:'s|'t|'re|'ve|'m|'ll|'d)" /* what follows an English apostrophe */
#define WORD      "[^\\r\\n\\p{L}\\p{N}]?\\p{L}+"
#define SIGNS     " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*"
#define SLASHES   " ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*"
#define SPACES    "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define UPPER     "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER     "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define ONE_DIGIT "\\p{N}"
#define DIGITS    "\\p{N}{1,3}"
#define KANJI     "[\\x{4e00}-\\x{9fa5}\\x{3040}-\\x{309f}\\x{30a0}-\\x{30ff}]+"
#define HAN       "[\\x{4e00}-\\x{9fa5}\\x{800}-\\x{4e00}\\x{ac00}-\\x{d7ff}]+"
#define GPT2                                      \
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+" \
    "| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
#define LLAMA3 SHORT "|" WORD "|" DIGITS "|" SIGNS "|" SPACES
#define QWEN2  SHORT "|" WORD "|" ONE_DIGIT "|" SIGNS "|" SPACES
#define CASED(end)                                                                             \
    "[^\\r\\n\\p{L}\\p{N}]?" UPPER "*" LOWER "+" end "|[^\\r\\n\\p{L}\\p{N}]?" UPPER "+" LOWER \
    "*" end
#define GPT4O CASED(SHORT "?") "|" DIGITS "|" SLASHES "|" SPACES
#define DEEPSEEK3(signs)                                                                 \
    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?" \
    "[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+" signs "\\s+(?!\\S)|\\s+"
#define NOT_STOPS " ?[^(\\s|.,!?\\x{2026}\\x{3002}\\x{ff0c}\\x{3001}\\x{964}\\x{6d4}\\x{60c})]+"

/* Letters that have case, as deepseek-llm lists them. */
#define HAVE_CASE                                                                    \
    "A-Za-z\\x{b5}\\x{c0}-\\x{d6}\\x{d8}-\\x{f6}\\x{f8}-\\x{1ba}\\x{1bc}-\\x{1bf}"   \
    "\\x{1c4}-\\x{293}\\x{295}-\\x{2af}\\x{370}-\\x{373}\\x{376}\\x{377}"            \
    "\\x{37b}-\\x{37d}\\x{37f}\\x{386}\\x{388}-\\x{38a}\\x{38c}\\x{38e}-\\x{3a1}"    \
    "\\x{3a3}-\\x{3f5}\\x{3f7}-\\x{481}\\x{48a}-\\x{52f}\\x{531}-\\x{556}"           \
    "\\x{10a0}-\\x{10c5}\\x{13a0}-\\x{13f5}\\x{13f8}-\\x{13fd}\\x{1c90}-\\x{1cba}"   \
    "\\x{1cbd}-\\x{1cbf}\\x{1d00}-\\x{1d2b}\\x{1d6b}-\\x{1d77}\\x{1d79}-\\x{1d9a}"   \
    "\\x{1e00}-\\x{1f15}\\x{1f18}-\\x{1f1d}\\x{1f20}-\\x{1f45}\\x{1f48}-\\x{1f4d}"   \
    "\\x{1f50}-\\x{1f57}\\x{1f59}\\x{1f5b}\\x{1f5d}\\x{1f5f}-\\x{1f7d}"              \
    "\\x{1f80}-\\x{1fb4}\\x{1fb6}-\\x{1fbc}\\x{1fbe}\\x{1fc2}-\\x{1fc4}"             \
    "\\x{1fc6}-\\x{1fcc}\\x{1fd0}-\\x{1fd3}\\x{1fd6}-\\x{1fdb}\\x{1fe0}-\\x{1fec}"   \
    "\\x{1ff2}-\\x{1ff4}\\x{1ff6}-\\x{1ffc}\\x{2102}\\x{2107}\\x{210a}-\\x{2113}"    \
    "\\x{2115}\\x{2119}-\\x{211d}\\x{2124}\\x{2126}\\x{2128}\\x{212a}-\\x{212d}"     \
    "\\x{212f}-\\x{2134}\\x{2139}\\x{213c}-\\x{213f}\\x{2145}-\\x{2149}\\x{214e}"    \
    "\\x{2183}\\x{2184}\\x{2c00}-\\x{2c7b}\\x{2c7e}-\\x{2ce4}\\x{2ceb}-\\x{2cee}"    \
    "\\x{2cf2}\\x{2cf3}\\x{a640}-\\x{a66d}\\x{a680}-\\x{a69b}\\x{a722}-\\x{a76f}"    \
    "\\x{a771}-\\x{a787}\\x{a78b}-\\x{a78e}\\x{ab70}-\\x{abbf}\\x{fb00}-\\x{fb06}"   \
    "\\x{fb13}-\\x{fb17}\\x{ff21}-\\x{ff3a}\\x{ff41}-\\x{ff5a}\\x{10400}-\\x{1044f}" \
    "\\x{104b0}-\\x{104d3}\\x{104d8}-\\x{104fb}\\x{10c80}-\\x{10cb2}"                \
    "\\x{10cc0}-\\x{10cf2}\\x{118a0}-\\x{118df}\\x{1e900}-\\x{1e943}"

static const mu_pre_tokenizer table[] = {
    {"gpt-2 phi-2 mpt olmo jais exaone4 mellum modern-bert gigachat a.x-4.0 trillion "
     "granite-docling jina-es jina-de jina-v2-es jina-v2-de",
     {GPT2},
     false,
     false,
     false},
    {"jina-v1-en jina-v2-code roberta-bpe", {GPT2}, false, false, true},
    {"llama3 llama-v3 llama-bpe falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano",
     {LLAMA3},
     true,
     true,
     false},
    {"dbrx smaug-bpe chatglm-bpe", {LLAMA3}, false, false, false},
    {"glm4 glm5", {LLAMA3}, true, false, false},
    {"qwen2 deepseek-r1-qwen kormo f2llmv2 stablelm2 megrez hunyuan solar-open grok-2",
     {QWEN2},
     false,
     false,
     false},
    {"qwen35",
     {SHORT "|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|" ONE_DIGIT
            "| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|" SPACES},
     false,
     false,
     false},
    {"smollm starcoder refact command-r codeshell exaone minerva-7b mellum2",
     {ONE_DIGIT, GPT2},
     false,
     false,
     false},
    {"tekken", {CASED("") "|" ONE_DIGIT "|" SLASHES "|" SPACES}, true, true, false},
    {"gpt-4o llama4 kanana2 talkie minimax-m2", {GPT4O}, false, false, false},
    {"granite-embed-multi-97m", {GPT4O}, true, false, false},
    {"tiny_aya cohere2moe", {"\\d{1,3}(?=(?:\\d{3})*\\b)", GPT4O}, false, false, false},
    {"deepseek-v3 hunyuan-dense joyai-llm hy_v4",
     {DIGITS, KANJI, DEEPSEEK3("[\\r\\n]*|\\s*[\\r\\n]+|")},
     false,
     false,
     false},
    {"spark2_5", {DIGITS, KANJI, DEEPSEEK3("|[\\r\\n]|"), ONE_DIGIT}, false, false, false},
    {"deepseek-llm",
     {"[\\r\\n]", "\\s?[" HAVE_CASE "]+",
      "\\s?[!-/:-~\\x{ff01}-\\x{ff0f}\\x{ff1a}-\\x{ff5e}\\x{2018}-\\x{201f}\\x{3000}-\\x{3002}]+",
      "\\s+$", HAN, "\\p{N}+"},
     false,
     false,
     false},
    {"deepseek-coder",
     {"[\\r\\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", HAN, ONE_DIGIT},
     false,
     false,
     false},
    {"youtu",
     {"[\\x{ac00}-\\x{d7a3}\\x{3131}-\\x{318e}]+|[\\x{ff01}\\x{2026}\\x{201c}\\x{201d}\\x{2018}"
      "\\x{2019}\\x{2014}\\x{ff1a}\\x{ff1b}\\x{ff0c}\\x{3001}-\\x{303f}\\x{fe30}-\\x{fe4f}]+|"
      "[\\x{3105}-\\x{312f}]+|" KANJI,
      CASED(SHORT "?") "|" ONE_DIGIT "|" SLASHES "|" SPACES},
     true,
     false,
     false},
    {"falcon", {"[\\p{P}\\$\\+<=>\\^~\\|`]+", GPT2, "[0-9][0-9][0-9]"}, false, false, false},
    {"default",
     {"[\\p{P}\\$\\+<=>\\^~\\|]+", GPT2, "\\p{N}+", "[0-9][0-9][0-9]"},
     false,
     false,
     false},
    {"poro-chat bloom gpt3-finnish", {NOT_STOPS}, false, false, false},
    {"viking", {NOT_STOPS, ONE_DIGIT}, false, false, false},
    {"bailingmoe bailingmoe2 llada-moe",
     {"'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*|"
      "\\s*[\\r\\n]|\\s+(?!\\S)|\\s+"},
     false,
     false,
     false},
    {"seed-coder",
     {SHORT "|" WORD "|" ONE_DIGIT "| ?[^\\s\\p{L}\\p{N}\\r\\n]+|" SPACES},
     false,
     false,
     false},
    {"ufakzeka", {WORD "|" ONE_DIGIT "|" SIGNS "|" SPACES}, false, false, false},
    {"laguna", {"[^\\n]+|[\\n]+", QWEN2}, false, false, false},
    {"exaone-moe",
     {SHORT "|[^\\r\\n\\p{L}\\p{N}]?(?:\\p{L}\\p{M}*(?: \\p{L}\\p{M}*)*)+|" ONE_DIGIT
            "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]?|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+"},
     false,
     false,
     false},
    {"minicpm5", {DIGITS, SHORT "|" WORD "|\\p{N}+|" SIGNS "|" SPACES}, true, false, false},
};

static bool lists(const char *names, mu_meta_string name) {
    while (*names) {
        size_t n = strcspn(names, " ");
        if (n == name.n && memcmp(names, name.data, n) == 0) return true;
        names += n + strspn(names + n, " ");
    }
    return false;
}

const mu_pre_tokenizer *mu_pre_tokenizer_find(mu_meta_string name) {
    for (size_t i = 0; i < MU_COUNTOF(table); i++) {
        if (lists(table[i].names, name)) return &table[i];
    }
    return NULL;
}
