/* tokenizer.h - text to tokens and back, exactly as the model's own tokenizer does it.
 *
 * A tokenizer is a row of stages, each of which is data:
 *
 *     text ─▶ added tokens cut out ─▶ normalizers ─▶ split steps ─▶ model ─▶ tokens
 *             <|im_end|>              NFC, " " to ▁   patterns       BPE, Unigram, WordPiece
 *
 * Decoding concatenates the pieces of tokens; mu_detokenizer does so without ever splitting a UTF-8
 * character.
 *
 * Threads: a tokenizer is immutable once open and may be used by any thread; encode() takes its
 * scratch from the caller's mu_encoder, one per thread. A detokenizer belongs to one sequence.
 */
#ifndef MU_TEXT_TOKENIZER_H
#define MU_TEXT_TOKENIZER_H

#include "base/buf.h"
#include "base/status.h"
#include "base/token.h"

typedef struct mu_tokenizer mu_tokenizer;
typedef struct mu_encoder mu_encoder;

typedef struct mu_bytes {
    const char *data; /* borrowed, [n] */
    size_t n;
} mu_bytes;

typedef enum mu_token_kind {
    MU_TOKEN_NORMAL,
    MU_TOKEN_ADDED,   /* matched in text before the pattern is applied */
    MU_TOKEN_SPECIAL, /* the same, and shown only on request: <|endoftext|> */
    MU_TOKEN_UNUSED,  /* a hole in the vocabulary; never produced */
    MU_TOKEN_BYTE,    /* stands for one byte that no other token has: <0x0A> */
} mu_token_kind;

typedef enum mu_token_model {
    MU_TOKEN_MODEL_BYTE_BPE,  /* of bytes; pairs merge by rank */
    MU_TOKEN_MODEL_CHAR_BPE,  /* of characters; pairs merge by rank */
    MU_TOKEN_MODEL_SCORE_BPE, /* of characters; what together is a token merges, by its score */
    MU_TOKEN_MODEL_UNIGRAM,   /* the tokens of a piece with the highest sum of scores */
    MU_TOKEN_MODEL_WORDPIECE, /* the longest token, again and again */
} mu_token_model;

enum {                                /* how an added token is matched */
       MU_ADDED_LSTRIP = 1 << 0,      /* with the white space before it */
       MU_ADDED_RSTRIP = 1 << 1,      /* with the white space after it */
       MU_ADDED_SINGLE_WORD = 1 << 2, /* only where no word touches it */
       MU_ADDED_NORMALIZED = 1 << 3,  /* in normalized text */
};

typedef enum mu_normalizer_kind {
    MU_NORMALIZE_NFC,
    MU_NORMALIZE_NFD,
    MU_NORMALIZE_NFKC,
    MU_NORMALIZE_NFKD,
    MU_NORMALIZE_LOWERCASE,
    MU_NORMALIZE_STRIP_ACCENTS, /* without the marks that take no space */
    MU_NORMALIZE_STRIP_LEFT,    /* without white space in front */
    MU_NORMALIZE_STRIP_RIGHT,
    MU_NORMALIZE_CLEAN,              /* without control characters; white space is " " */
    MU_NORMALIZE_SPACE_CJK,          /* " " around each ideograph */
    MU_NORMALIZE_PREPEND,            /* `text` in front, unless nothing follows */
    MU_NORMALIZE_REPLACE,            /* each `text` by `with` */
    MU_NORMALIZE_REPLACE_PATTERN,    /* each match of the regex `text` by `with` */
    MU_NORMALIZE_CHARSMAP,           /* by SentencePiece's map, the longest match at each place */
    MU_NORMALIZE_CHARSMAP_GRAPHEMES, /* by the same, as Hugging Face runs it: whole graphemes */
} mu_normalizer_kind;

typedef struct mu_normalizer {
    mu_normalizer_kind kind;
    const char *text, *with; /* NUL-terminated */
    mu_bytes charsmap;
} mu_normalizer;

#define MU_WORD_MARK "\xE2\x96\x81" /* U+2581: how character vocabularies write a space */

typedef enum mu_split_kind {
    MU_SPLIT_PATTERN,      /* at the matches of regex */
    MU_SPLIT_SPACE_PREFIX, /* no split: a space in front of what begins with none */
    MU_SPLIT_MARK_NONE,    /* no split: spaces are written as marks, U+2581 */
    MU_SPLIT_MARK_FIRST,   /* the same, and the text's first piece begins with one */
    MU_SPLIT_MARK_ALL,     /* the same, and each piece begins with one */
} mu_split_kind;

typedef enum mu_split_keep {                    /* what becomes of a match of the pattern */
                             MU_SPLIT_ISOLATED, /* a piece of its own */
                             MU_SPLIT_REMOVED,
                             MU_SPLIT_WITH_PREVIOUS,
                             MU_SPLIT_WITH_NEXT,
                             MU_SPLIT_CONTIGUOUS, /* neighbouring matches are one piece */
} mu_split_keep;

/* Each step splits the pieces that the one before left. */
typedef struct mu_split_step {
    mu_split_kind kind;
    const char *regex; /* as pattern.h reads it; NULL: GPT-2's */
    bool is_literal;   /* regex is the text itself */
    mu_split_keep keep;
    bool invert; /* what lies between matches is what is kept so */
} mu_split_step;

enum {
    MU_SPLIT_STEPS_MAX = 16,
    MU_NORMALIZERS_MAX = 16,
    MU_TEMPLATE_MAX = 8,
    MU_WORD_CHARACTERS_MAX = 100, /* of WordPiece: a longer word is unknown */
};

/* What a tokenizer is made of, as a format reader finds it. All borrowed during open() only. */
typedef struct mu_tokenizer_spec {
    mu_token_model model;
    uint32_t vocab_size;
    const mu_bytes *tokens;     /* [vocab_size], raw bytes (byte-level alphabet already undone) */
    const mu_bytes *pieces;     /* [vocab_size], what each adds to decoded text; NULL: the same */
    const uint8_t *kinds;       /* [vocab_size], mu_token_kind */
    const uint8_t *added_flags; /* [vocab_size], MU_ADDED_*; NULL: none */
    uint32_t n_merges;
    const mu_token (
        *merges)[2];     /* [n_merges], by rank: left, right; their concatenation is a token */
    const float *scores; /* [vocab_size], where the model has them */
    const mu_normalizer *normalizers;
    uint32_t n_normalizers;
    const mu_split_step *steps;
    uint32_t n_steps;
    const char *pattern;   /* without steps: the only pattern. PCRE2, NULL: GPT-2's */
    bool add_prefix_space; /* without steps: a space in front of each text that has none */
    mu_token bos, eos;     /* MU_TOKEN_NONE when absent */
    mu_token unknown; /* of character models: for what has no token; MU_TOKEN_NONE when absent */
    bool add_bos, add_eos;          /* without a template: encode() puts bos in front, eos behind */
    const mu_token *before, *after; /* the template: what encode() puts around a text */
    uint32_t n_before, n_after;     /* at most MU_TEMPLATE_MAX */
    const mu_token *ends;           /* tokens that end a text besides eos */
    uint32_t n_ends;
    bool ignore_merges;       /* a word that is a token is not merged (Llama 3) */
    bool byte_fallback;       /* a character without a token is its bytes */
    bool fuse_unknown;        /* unknown characters side by side are one unknown token */
    bool strips_first_space;  /* decoding leaves out the space that begins a text */
    const char *word_prefix;  /* of WordPiece: what begins the first token of a word, or "" */
    const char *continuation; /* and what begins the others: "##", or "" */
} mu_tokenizer_spec;

/* GPT-2's split pattern (github.com/openai/gpt-2 src/encoder.py). */
extern const char mu_gpt2_pattern[];

mu_status mu_tokenizer_open(const mu_tokenizer_spec *spec, mu_tokenizer **out,
                            mu_err *err) MU_MUST_USE;
/* The built-in one: token b is byte b for b < 256, token 256 is <|endoftext|> (bos and eos). Used
 * where a model brings no tokenizer. Ids above vocab_size decode to nothing. */
mu_status mu_tokenizer_open_bytes(mu_tokenizer **out, mu_err *err) MU_MUST_USE;
void mu_tokenizer_close(mu_tokenizer *tokenizer); /* NULL is allowed */

uint32_t mu_tokenizer_vocab_size(const mu_tokenizer *tokenizer);
mu_token mu_tokenizer_bos(const mu_tokenizer *tokenizer);
mu_token mu_tokenizer_eos(const mu_tokenizer *tokenizer);
/* Whether generation ends with this token: eos, end of turn, end of message. */
bool mu_tokenizer_ends_text(const mu_tokenizer *tokenizer, mu_token token);
/* All of them, [*out_n], eos first. */
const mu_token *mu_tokenizer_ends(const mu_tokenizer *tokenizer, uint32_t *out_n);
/* Bytes of a token; empty for ids outside the vocabulary. */
mu_bytes mu_tokenizer_piece(const mu_tokenizer *tokenizer, mu_token token);
size_t mu_tokenizer_longest_piece(const mu_tokenizer *tokenizer); /* bytes */
/* What it was opened with, for writing it to a file. */
bool mu_tokenizer_has_gpt2_pattern(const mu_tokenizer *tokenizer);
uint32_t mu_tokenizer_n_merges(const mu_tokenizer *tokenizer);
/* out: [n_merges], by rank; the result is how many there are when each pair is counted once. */
uint32_t mu_tokenizer_merges(const mu_tokenizer *tokenizer, mu_token (*out)[2]);
uint32_t mu_tokenizer_n_behind(const mu_tokenizer *tokenizer); /* tokens of MU_ENCODE_EOS */
/* The first n_max of tokens [n] into out [n_max], n > n_max > 0, the last of them what encode()
 * puts behind a text. */
void mu_tokenizer_cut(const mu_tokenizer *tokenizer, const mu_token *tokens, size_t n, size_t n_max,
                      mu_token *out);
bool mu_tokenizer_adds_bos(const mu_tokenizer *tokenizer);
mu_token_kind mu_tokenizer_kind(const mu_tokenizer *tokenizer, mu_token token);

mu_status mu_encoder_open(const mu_tokenizer *tokenizer, mu_encoder **out, mu_err *err) MU_MUST_USE;
void mu_encoder_close(mu_encoder *encoder); /* NULL is allowed */

enum {
    MU_ENCODE_SPECIAL = 1 << 0, /* special tokens in the text become their ids, not plain text */
    MU_ENCODE_BOS = 1 << 1,     /* put in front what the tokenizer says, but no bos before a bos */
    MU_ENCODE_EOS = 1 << 2,     /* put behind what the tokenizer says */
    MU_ENCODE_WHOLE = MU_ENCODE_SPECIAL | MU_ENCODE_BOS | MU_ENCODE_EOS, /* for an embedding */
};

/* text: [n], UTF-8; invalid bytes are read as U+FFFD for splitting and kept as bytes in the tokens.
 * On success *out_tokens is [*out_n], owned by the encoder until its next call. */
mu_status mu_encode(mu_encoder *encoder, const char *text, size_t n, uint32_t flags,
                    const mu_token **out_tokens, size_t *out_n, mu_err *err) MU_MUST_USE;

/* The same, where parts of the text are another's words: guards[i] is 1 when byte i is. A special
 * token is found only where none of its bytes is guarded; all else is as if the text were one. */
mu_status mu_encode_guarded(mu_encoder *encoder, const char *text, size_t n, const uint8_t *guards,
                            uint32_t flags, const mu_token **out_tokens, size_t *out_n,
                            mu_err *err) MU_MUST_USE;

/* Streaming decoder. Bytes that may be the start of an unfinished UTF-8 character are held back
 * until it is whole; bytes that cannot become valid are given as U+FFFD. */
typedef struct mu_detokenizer {
    const mu_tokenizer *tokenizer; /* borrowed */
    bool show_special;
    uint8_t held[4];
    uint32_t n_held;
} mu_detokenizer;

void mu_detokenizer_init(mu_detokenizer *detok, const mu_tokenizer *tokenizer, bool show_special);
void mu_detokenizer_push(mu_detokenizer *detok, mu_token token, mu_buf *out);
void mu_detokenizer_finish(mu_detokenizer *detok, mu_buf *out); /* what is held becomes U+FFFD */

/* The exact bytes of tokens, nothing replaced. */
void mu_decode_bytes(const mu_tokenizer *tokenizer, const mu_token *tokens, size_t n,
                     bool show_special, mu_buf *out);

#endif
