/* lexer.h - a template's source as tokens.
 *
 * White space is settled here, as Hugging Face's environment does: trim_blocks (one newline after a
 * block tag goes), lstrip_blocks (blanks before a block tag at the start of a line go), "-" (all
 * white space on that side goes), "+" (it stays), and the source's last newline goes.
 *
 * Threads: any, one call each. Memory: the tokens are the caller's, mu_free(); their text is in the
 * arena.
 */
#ifndef MU_CHAT_JINJA_LEXER_H
#define MU_CHAT_JINJA_LEXER_H

#include "base/arena.h"

typedef enum mu_token_type {
    MU_LEX_END,
    MU_LEX_DATA,
    MU_LEX_BLOCK_BEGIN,
    MU_LEX_BLOCK_END,
    MU_LEX_VARIABLE_BEGIN,
    MU_LEX_VARIABLE_END,
    MU_LEX_NAME,
    MU_LEX_STRING,
    MU_LEX_INTEGER,
    MU_LEX_FLOAT,
    MU_LEX_OPERATOR, /* op says which */
} mu_token_type;

typedef enum mu_operator {
    MU_OP_NONE,
    MU_OP_ADD,
    MU_OP_SUB,
    MU_OP_MUL,
    MU_OP_DIV,
    MU_OP_FLOORDIV,
    MU_OP_MOD,
    MU_OP_POW,
    MU_OP_TILDE,
    MU_OP_EQ,
    MU_OP_NE,
    MU_OP_GT,
    MU_OP_GE,
    MU_OP_LT,
    MU_OP_LE,
    MU_OP_ASSIGN,
    MU_OP_DOT,
    MU_OP_COLON,
    MU_OP_PIPE,
    MU_OP_COMMA,
    MU_OP_SEMICOLON,
    MU_OP_LPAREN,
    MU_OP_RPAREN,
    MU_OP_LBRACKET,
    MU_OP_RBRACKET,
    MU_OP_LBRACE,
    MU_OP_RBRACE,
    MU_OP_IN, /* these two are words; the parser makes them */
    MU_OP_NOT_IN,
} mu_operator;

typedef struct mu_lexeme {
    mu_token_type type;
    mu_operator op;
    uint32_t line, column; /* from 1; columns are bytes */
    const char *text;      /* [n]: data, a name, a string without its quotes and escapes */
    size_t n;
    int64_t integer;
    double real;
} mu_lexeme;

/* source: [n], valid UTF-8; name is for messages. *out is [*out_n], the last is MU_LEX_END, also on
 * failure the caller's. MU_ERR_FORMAT, MU_ERR_LIMIT (the arena is full), MU_ERR_NOMEM. */
mu_status mu_lex(const char *name, const char *source, size_t n, mu_arena *arena, mu_lexeme **out,
                 size_t *out_n, mu_err *err) MU_MUST_USE;

#endif
