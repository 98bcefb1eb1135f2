#include "cmd/options.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/cmd.h"

static mu_status bad(const mu_option *option, const char *value, const char *why, mu_err *err) {
    return mu_fail(err, MU_ERR_INVALID, "--%s: \"%.60s\" %s", option->name, value, why);
}

static mu_status parse_number(const mu_option *option, const char *value, mu_err *err) {
    char *end;
    errno = 0;
    double number = strtod(value, &end);
    if (end == value || *end != '\0' || errno == ERANGE || !isfinite(number)) {
        return bad(option, value, "is not a number", err);
    }
    if (option->kind != MU_OPTION_F32 && number != floor(number)) {
        return bad(option, value, "is not a whole number", err);
    }
    if (number < option->min || number > option->max) {
        return mu_fail(err, MU_ERR_INVALID, "--%s: %.60s is not in [%.10g, %.10g]", option->name,
                       value, option->min, option->max);
    }
    if (option->kind == MU_OPTION_F32) {
        *(float *)option->target = (float)number;
    } else if (option->kind == MU_OPTION_U32) {
        *(uint32_t *)option->target = (uint32_t)number;
    } else {
        *(uint64_t *)option->target = strtoull(value, NULL, 10);
    }
    return MU_OK;
}

static mu_status parse_list(const mu_option *option, const char *value, mu_err *err) {
    mu_list list = {0};
    for (const char *at = value;;) {
        char *end;
        errno = 0;
        unsigned long number = strtoul(at, &end, 10);
        if (!isdigit((unsigned char)*at) || errno == ERANGE || (*end != ',' && *end != '\0')) {
            return bad(option, value, "is not a list of whole numbers such as 1,8,32", err);
        }
        if ((double)number < option->min || (double)number > option->max) {
            return mu_fail(err, MU_ERR_INVALID, "--%s: %lu is not in [%.10g, %.10g]", option->name,
                           number, option->min, option->max);
        }
        if (list.n == MU_COUNTOF(list.items)) {
            return mu_fail(err, MU_ERR_INVALID, "--%s: more than %zu numbers", option->name,
                           MU_COUNTOF(list.items));
        }
        list.items[list.n++] = (uint32_t)number;
        if (*end == '\0') break;
        at = end + 1;
    }
    *(mu_list *)option->target = list;
    return MU_OK;
}

static mu_status parse_flag(const mu_option *option, const char *value, mu_err *err) {
    static const char *const yes[] = {"1", "on", "true", "yes"};
    static const char *const no[] = {"0", "off", "false", "no", ""};
    for (size_t i = 0; i < MU_COUNTOF(yes); i++) {
        if (strcmp(value, yes[i]) == 0) {
            *(bool *)option->target = true;
            return MU_OK;
        }
    }
    for (size_t i = 0; i < MU_COUNTOF(no); i++) {
        if (strcmp(value, no[i]) == 0) {
            *(bool *)option->target = false;
            return MU_OK;
        }
    }
    return bad(option, value, "is not one of 1, 0, on, off, true, false", err);
}

static mu_status set(const mu_option *option, const char *value, mu_err *err) {
    mu_texts *texts = option->target;
    switch (option->kind) {
    case MU_OPTION_FLAG:
        return parse_flag(option, value, err);
    case MU_OPTION_TEXT:
        *(const char **)option->target = value;
        return MU_OK;
    case MU_OPTION_LIST:
        return parse_list(option, value, err);
    case MU_OPTION_TEXTS:
        if (texts->n == MU_TEXTS_MAX) {
            return mu_fail(err, MU_ERR_INVALID, "--%s: given more than %d times", option->name,
                           MU_TEXTS_MAX);
        }
        texts->items[texts->n++] = value;
        return MU_OK;
    default:
        return parse_number(option, value, err);
    }
}

static mu_status set_from_environment(const mu_option *option, mu_err *err) {
    char name[64] = "MUAI_";
    size_t n = strlen(name);
    for (const char *c = option->name; *c && n + 1 < sizeof(name); c++) {
        name[n++] = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
    }
    name[n] = '\0';
    const char *value = getenv(name);
    if (!value) return MU_OK;
    mu_err inner;
    mu_status status = set(option, value, &inner);
    return status == MU_OK ? MU_OK : mu_fail(err, status, "%s: %s", name, inner.text);
}

static const mu_option *find_long(const mu_command_line *line, const char *name, size_t n) {
    for (size_t i = 0; i < line->n_options; i++) {
        const mu_option *option = &line->options[i];
        if (strlen(option->name) == n && strncmp(option->name, name, n) == 0) return option;
    }
    return NULL;
}

static const mu_option *find_letter(const mu_command_line *line, char letter) {
    for (size_t i = 0; i < line->n_options; i++) {
        if (line->options[i].letter == letter) return &line->options[i];
    }
    return NULL;
}

/* One option at argv[*at], with its value there or in the next word. */
static mu_status parse_option(const mu_command_line *line, int argc, char **argv, int *at,
                              mu_err *err) {
    const char *word = argv[*at], *value = NULL;
    const mu_option *option;
    if (word[1] == '-') {
        const char *equals = strchr(word, '=');
        option = find_long(line, word + 2, equals ? (size_t)(equals - word - 2) : strlen(word + 2));
        if (equals) value = equals + 1;
    } else {
        option = find_letter(line, word[1]);
        if (word[2] != '\0') value = word + 2;
    }
    if (!option) return mu_fail(err, MU_ERR_INVALID, "%.60s: unknown option", word);
    if (option->kind == MU_OPTION_FLAG) return set(option, value ? value : "1", err);
    if (!value) {
        if (*at + 1 >= argc) return mu_fail(err, MU_ERR_INVALID, "%.60s: needs a value", word);
        value = argv[++*at];
    }
    return set(option, value, err);
}

mu_status mu_options_parse(const mu_command_line *line, int argc, char **argv,
                           const char **positional, uint32_t *n_positional, bool *help,
                           mu_err *err) {
    *help = false;
    *n_positional = 0;
    for (size_t i = 0; i < line->n_options; i++) {
        mu_status status = set_from_environment(&line->options[i], err);
        if (status != MU_OK) return status;
    }
    bool only_positional = false;
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        bool is_option = !only_positional && word[0] == '-' && word[1] != '\0';
        if (is_option && (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)) {
            *help = true;
            return MU_OK;
        }
        if (is_option && strcmp(word, "--") == 0) {
            only_positional = true;
            continue;
        }
        if (is_option) {
            mu_status status = parse_option(line, argc, argv, &i, err);
            if (status != MU_OK) return status;
            continue;
        }
        if (*n_positional == line->n_positional_max) {
            return mu_fail(err, MU_ERR_INVALID, "\"%.60s\": one argument too many", word);
        }
        positional[(*n_positional)++] = word;
    }
    return MU_OK;
}

static void print_default(const mu_option *option) {
    switch (option->kind) {
    case MU_OPTION_U32:
        if (*(uint32_t *)option->target != UINT32_MAX) printf(" [%u]", *(uint32_t *)option->target);
        break;
    case MU_OPTION_U64:
        printf(" [%llu]", *(unsigned long long *)option->target);
        break;
    case MU_OPTION_F32:
        if (!isnan(*(float *)option->target)) printf(" [%g]", (double)*(float *)option->target);
        break;
    case MU_OPTION_TEXT:
        if (*(const char **)option->target) printf(" [%s]", *(const char **)option->target);
        break;
    case MU_OPTION_LIST:
        for (uint32_t i = 0; i < ((mu_list *)option->target)->n; i++) {
            printf("%s%u", i == 0 ? " [" : ",", ((mu_list *)option->target)->items[i]);
        }
        if (((mu_list *)option->target)->n > 0) printf("]");
        break;
    default:
        break;
    }
}

void mu_options_print_help(const mu_command_line *line) {
    printf("usage: muai %s [options] %s\n\n%s\n", line->command, line->usage, line->about);
    if (line->n_options > 0) puts("\noptions:");
    for (size_t i = 0; i < line->n_options; i++) {
        const mu_option *option = &line->options[i];
        char left[64], letter[8] = "    ";
        if (option->letter) snprintf(letter, sizeof(letter), "-%c, ", option->letter);
        snprintf(left, sizeof(left), "%s--%s %s", letter, option->name,
                 option->value ? option->value : "");
        printf("  %-32s %s", left, option->help);
        print_default(option);
        putchar('\n');
    }
    printf("\nEach option is also read from the environment as MUAI_<OPTION>.\n\nexamples:\n%s",
           line->examples);
}

bool mu_options_start(const mu_command_line *line, int argc, char **argv, const char **positional,
                      uint32_t *n_positional, int *exit_code) {
    mu_err err;
    bool help;
    if (mu_options_parse(line, argc, argv, positional, n_positional, &help, &err) != MU_OK) {
        fprintf(stderr, "muai %s: %s\n", line->command, err.text);
        fprintf(stderr, "'muai %s --help' lists the options.\n", line->command);
        *exit_code = MU_EXIT_USAGE;
        return false;
    }
    if (help) {
        mu_options_print_help(line);
        *exit_code = MU_EXIT_OK;
        return false;
    }
    if (line->needs && *n_positional == 0) {
        fprintf(stderr, "muai %s: %s\n", line->command, line->needs);
        *exit_code = MU_EXIT_USAGE;
        return false;
    }
    return true;
}
