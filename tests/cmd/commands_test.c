/* The program as a user runs it: what it prints, and the exit code. The binary is the one beside
 * this test.
 */
#include <jansson.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/base.h"

static char muai[1024];

typedef struct outcome {
    int code;          /* exit code, or 128 + signal */
    char out[1 << 16]; /* both streams */
} outcome;

static outcome run(const char *arguments) {
    static outcome o;
    char command[4096];
    snprintf(command, sizeof(command), "%s %s 2>&1", muai, arguments);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    size_t n = fread(o.out, 1, sizeof(o.out) - 1, pipe);
    o.out[n] = '\0';
    int status = pclose(pipe);
    o.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return o;
}

static size_t count_lines(const char *text) {
    size_t n = 0;
    for (; *text; text++) {
        n += *text == '\n';
    }
    return n;
}

static const struct {
    const char *arguments;
    int code;
    const char *says;
} command_lines[] = {
    {"", 2, "usage: muai"},
    {"--help", 0, "usage: muai"},
    {"--version", 0, "muai 0."},
    {"version", 0, "muai 0."},
    {"fly", 2, "\"fly\" is not a command"},
    {"run --help", 0, "examples:"},
    {"show --help", 0, "examples:"},
    {"tokenize --help", 0, "examples:"},
    {"doctor --help", 0, "examples:"},
    {"bench --help", 0, "examples:"},
    {"run 'Once upon a time'", 2, "no MODEL"},
    {"run -m muai-tiny -n 5 Once", 0, ""},
    {"run -n 5 </dev/null", 0, ""},
    {"run --raw --prompt-file CHANGELOG.md -c 8", 1, "do not fit"},
    {"run -m muai-tiny Once upon", 2, "\"upon\": one argument too many"},
    {"show -m muai-tiny gpt2", 2, "one argument too many"},
    {"show", 0, "built-in GGUF v3"},
    {"show muai-tiny:q4", 0, "built-in GGUF v3"},
    {"show muai-tiny:q5", 1, "weight type"},
    {"tokenize -m muai-tiny 'a b'", 0, "\"a\""},
    {"list --help", 0, "examples:"},
    {"list", 0, "muai-tiny"},
    {"list", 0, "synthetic:gpt2-xl"},
    {"list x", 2, "one argument too many"},
    {"run synthetic:gpt2-test --temperature warm x", 2, "--temperature: \"warm\" is not a number"},
    {"run synthetic:gpt2-test --top-p 2 x", 2, "--top-p: 2 is not in [0, 1]"},
    {"run synthetic:gpt2-test --wings x", 2, "--wings: unknown option"},
    {"run synthetic:gpt2-test --seed", 2, "needs a value"},
    {"run synthetic:gpt2-test a b", 2, "one argument too many"},
    {"run synthetic:gpt2-test --dtype q3 x", 1, "--dtype: \"q3\" is not one of"},
    {"run synthetic:gpt2-test --tokens 1,x", 1, "not a list of token ids"},
    {"run synthetic:gpt2-test --tokens 100000", 1, "token 100000"},
    {"run synthetic:gpt2-test --ctx 4 --tokens 1,2,3,4,5", 1, "do not fit"},
    {"run synthetic:nothing x", 1, "synthetic:nothing"},
    {"run /nonexistent/model x", 1, "/nonexistent/model"},
    {"show synthetic:gpt2", 0, "124.4 million parameters"},
    {"bench", 2, "engine"},
    {"bench fly", 2, "\"fly\" is not a suite"},
    {"bench engine --help", 0, "examples:"},
    {"bench engine fly", 2, "one argument too many"},
    {"bench all --help", 0, "examples:"},
    {"bench kernels --help", 0, "examples:"},
    {"bench kernels -m synthetic:gpt2-test --rows 1", 0, "matmul q4"},
    {"bench kernels --rows 0", 2, "--rows"},
    {"eval --help", 0, "examples:"},
    {"eval", 2, "perplexity [MODEL] FILE"},
    {"eval taste", 2, "\"taste\" is not"},
    {"eval agreement --help", 0, "examples:"},
    {"eval agreement -n 100 --window 50", 0, "greedy agreement"},
    {"eval perplexity --help", 0, "examples:"},
    {"eval perplexity", 2, "no FILE"},
    {"eval perplexity /nonexistent", 1, "/nonexistent"},
    {"eval perplexity /dev/null", 1, "too short"},
    {"eval perplexity a b c", 2, "one argument too many"},
    {"eval perplexity -m synthetic:gpt2-test a b", 2, "one argument too many"},
    {"eval perplexity synthetic:gpt2-test LICENSE --window 1000", 1, "the context is 128"},
    {"eval perplexity synthetic:gpt2-test LICENSE --window 8 --stride 9", 1, "the window is 8"},
    {"eval perplexity synthetic:gpt2-test LICENSE -n 20", 0, "not known from one window"},
    {"eval perplexity -m synthetic:gpt2-test LICENSE -n 300 --window 32", 0, "18 windows of 32"},
    {"eval quant --help", 0, "examples:"},
    {"eval quant", 2, "no FILE"},
    {"eval quant synthetic:gpt2-test LICENSE --reference muai-tiny -r 0", 1, "vocabulary"},
    {"eval quant synthetic:gpt2-test LICENSE -n 200 -r 0", 0, "KL divergence"},
    {"eval agreement synthetic:gpt2-test --dtype q8 -n 300", 0, "greedy agreement"},
    {"eval agreement synthetic:gpt2-test --dtype q4 -n 40 --json", 0, "muai.agreement/1"},
    {"eval agreement synthetic:gpt2-test --tokens /nonexistent", 1, "/nonexistent"},
    {"eval agreement synthetic:gpt2-test --tokens a --text b", 2, "give one of them"},
    {"eval agreement synthetic:gpt2-test --reference synthetic:gpt2", 1, "vocabulary"},
    {"quantize --help", 0, "examples:"},
    {"quantize synthetic:gpt2-test", 2, "-o FILE.gguf"},
    {"quantize synthetic:gpt2-test --dtype bf16 -o /tmp/x.gguf", 1, "q4 or q4_k"},
    {"quantize synthetic:gpt2-test -o /nonexistent/x.gguf", 1, "/nonexistent/x.gguf"},
    {"doctor --quick", 0, "verdict"},
};

static void exit_codes_and_messages(void **state) {
    (void)state;
    for (size_t r = 0; r < MU_COUNTOF(command_lines); r++) {
        outcome o = run(command_lines[r].arguments);
        if (o.code != command_lines[r].code || !strstr(o.out, command_lines[r].says)) {
            fail_msg("muai %s: code %d, \"%.200s\"", command_lines[r].arguments, o.code, o.out);
        }
        if (o.code == 1) assert_int_equal(count_lines(o.out), 1);
    }
    print_message("%zu command lines\n", MU_COUNTOF(command_lines));
}

static json_t *run_json(const char *arguments) {
    outcome o = run(arguments);
    if (o.code != 0) fail_msg("muai %s: code %d, \"%.200s\"", arguments, o.code, o.out);
    json_t *json = json_loads(strchr(o.out, '{'), 0, NULL);
    assert_non_null(json);
    return json;
}

static void same_seed_same_tokens(void **state) {
    (void)state;
    static const char *const same[] = {
        "run synthetic:gpt2-test --tokens 1,2,3 -n 20 --seed 7 --json",
        "run synthetic:gpt2-test --tokens 1,2,3 -n 20 --seed 7 --json --threads 1",
        "run synthetic:gpt2-test --tokens 1,2,3 -n 20 --seed 7 --json --prefill-chunk 1",
    };
    json_t *first = run_json(same[0]);
    assert_int_equal(json_array_size(json_object_get(first, "tokens")), 20);
    for (size_t i = 1; i < MU_COUNTOF(same); i++) {
        json_t *again = run_json(same[i]);
        assert_true(json_equal(json_object_get(first, "tokens"), json_object_get(again, "tokens")));
        json_decref(again);
    }
    json_t *other = run_json("run synthetic:gpt2-test --tokens 1,2,3 -n 20 --seed 8 --json");
    assert_false(json_equal(json_object_get(first, "tokens"), json_object_get(other, "tokens")));
    json_decref(other);
    json_decref(first);
}

static void tokenize_goes_both_ways(void **state) {
    (void)state;
    json_t *json = run_json("tokenize tests/golden/models/plain --json 'a\xc3\xa9z'");
    assert_int_equal(json_integer_value(json_object_get(json, "count")), 4);
    json_decref(json);
    outcome o = run("tokenize tests/golden/models/plain --decode '97 195 169 122'");
    assert_int_equal(o.code, 0);
    assert_string_equal(o.out, "a\xc3\xa9z");
}

/* What is in the cache, what cannot be used and why. */
static void list_tells_what_can_be_used(void **state) {
    (void)state;
    char folder[] = "/tmp/muai-list-XXXXXX", command[1024];
    assert_non_null(mkdtemp(folder));
    snprintf(command, sizeof(command),
             "cd %s && mkdir -p models--a--good/snapshots/c1 models--a--other/snapshots/c2 && "
             "cp $OLDPWD/tests/golden/models/plain/* models--a--good/snapshots/c1 && "
             "cp $OLDPWD/tests/golden/models/plain/* models--a--other/snapshots/c2 && "
             "echo '{\"model_type\":\"mistral\"}' > models--a--other/snapshots/c2/config.json",
             folder);
    assert_int_equal(system(command), 0);
    setenv("HF_HUB_CACHE", folder, 1);
    json_t *json = run_json("list --json");
    unsetenv("HF_HUB_CACHE");
    assert_string_equal(json_string_value(json_object_get(json, "schema")), "muai.list/1");
    static const struct {
        const char *name, *kind, *architecture;
        bool is_supported;
    } want[] = {
        {"muai-tiny", "built-in", "gpt2", true},
        {"a/good@c1", "cache", "gpt2", true},
        {"a/other@c2", "cache", "mistral", false},
        {"synthetic:gpt2", "synthetic", "gpt2", true},
    };
    for (size_t i = 0; i < MU_COUNTOF(want); i++) {
        const json_t *row = json_array_get(json_object_get(json, "models"), i);
        assert_string_equal(json_string_value(json_object_get(row, "name")), want[i].name);
        assert_string_equal(json_string_value(json_object_get(row, "kind")), want[i].kind);
        assert_string_equal(json_string_value(json_object_get(row, "architecture")),
                            want[i].architecture);
        assert_true(json_is_true(json_object_get(row, "supported")) == want[i].is_supported);
        assert_true(json_is_string(json_object_get(row, "reason")) != want[i].is_supported);
        bool has_file = strcmp(want[i].kind, "synthetic") != 0;
        assert_true((json_integer_value(json_object_get(row, "bytes")) > 0) == has_file);
    }
    json_decref(json);
    snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    assert_int_equal(system(command), 0);
}

/* --model and the first argument win over the environment. */
static void the_environment_names_a_model(void **state) {
    (void)state;
    setenv("MUAI_MODEL", "synthetic:gpt2-test", 1);
    assert_non_null(strstr(run("show").out, "synthetic:gpt2-test"));
    assert_non_null(strstr(run("show muai-tiny").out, "muai-tiny"));
    assert_non_null(strstr(run("show -m muai-tiny").out, "muai-tiny"));
    unsetenv("MUAI_MODEL");
    assert_non_null(strstr(run("show").out, "muai-tiny"));
}

static void bench_prints_the_schema(void **state) {
    (void)state;
    json_t *json =
        run_json("bench engine -m synthetic:gpt2-test --prompt 16,32 --gen 8 --batch 1,3 "
                 "--repeat 3 --json --threads 2");
    assert_string_equal(json_string_value(json_object_get(json, "schema")), "muai.engine/1");
    static const char *const host[] = {"dram_gb_s", "f32_gflop_s", "bf16_gflop_s", "int8_gop_s",
                                       "int4_gop_s"};
    for (size_t i = 0; i < MU_COUNTOF(host); i++) {
        assert_true(json_is_number(json_object_get(json_object_get(json, "host"), host[i])));
    }
    const json_t *cells = json_object_get(json, "cells");
    assert_int_equal(json_array_size(cells), 4);
    for (size_t i = 0; i < 4; i++) {
        const json_t *cell = json_array_get(cells, i);
        const json_t *rate = json_object_get(cell, "tokens_per_second");
        double median = json_number_value(json_object_get(rate, "median"));
        assert_int_equal(json_array_size(json_object_get(rate, "samples")), 3);
        assert_true(median >= json_number_value(json_object_get(rate, "min")));
        assert_true(median <= json_number_value(json_object_get(rate, "max")));
        assert_true(median > 0.0);
        assert_true(json_number_value(json_object_get(cell, "limit_tokens_per_second")) > 0.0);
        assert_true(json_number_value(json_object_get(cell, "peak_memory_bytes")) > 0.0);
    }
    json_decref(json);
}

/* A story that nobody trained on. Chance is a perplexity of the vocabulary's size, bits a byte of
 * about 9, and so are random weights; a model that knows English is far below. */
static void the_built_in_model_knows_english(void **state) {
    (void)state;
    static const char story[] =
        "Once upon a time there was a little girl named Lily. She had a small red ball, and she "
        "loved to play with it in the garden. One day the ball rolled under a big bush. Lily was "
        "sad. \"Mom, can you help me?\" she said. Her mom smiled and got a long stick. They found "
        "the ball together, and Lily was very happy.";
    char path[] = "/tmp/muai-story-XXXXXX", arguments[256];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, story, sizeof(story) - 1), sizeof(story) - 1);
    close(fd);
    snprintf(arguments, sizeof(arguments), "eval perplexity %s --json", path);
    json_t *json = run_json(arguments);
    assert_string_equal(json_string_value(json_object_get(json, "schema")), "muai.perplexity/1");
    assert_string_equal(json_string_value(json_object_get(json, "model")), "muai-tiny");
    assert_true(json_is_true(json_object_get(json, "start_token")));
    const json_t *result = json_object_get(json, "result");
    assert_int_equal(json_integer_value(json_object_get(result, "bytes")), sizeof(story) - 1);
    assert_true(json_is_null(json_object_get(result, "interval_95"))); /* one window */
    double perplexity = json_number_value(json_object_get(result, "perplexity"));
    double bits = json_number_value(json_object_get(result, "bits_per_byte"));
    print_message("perplexity %.1f, %.2f bits a byte\n", perplexity, bits);
    assert_true(perplexity < 200.0 && bits < 3.0);
    json_decref(json);
    unlink(path);
}

/* <|endoftext|> in a text is one token and no bytes; with --plain it is thirteen characters. */
static void special_tokens_in_a_text(void **state) {
    (void)state;
    static const struct {
        const char *flag;
        json_int_t bytes;
    } rows[] = {{"", 8}, {"--plain", 8 + 13}};
    for (size_t i = 0; i < MU_COUNTOF(rows); i++) {
        char arguments[256];
        snprintf(arguments, sizeof(arguments),
                 "eval perplexity - --json %s <<'E'\nOne.<|endoftext|>Two\nE\n", rows[i].flag);
        json_t *json = run_json(arguments);
        const json_t *result = json_object_get(json, "result");
        assert_int_equal(json_integer_value(json_object_get(result, "bytes")), rows[i].bytes);
        json_decref(json);
    }
}

/* Every type in one table, speed and memory from processes of their own. */
static void quant_measures_all_types(void **state) {
    (void)state;
    static const char *const types[] = {"f32", "bf16", "q8", "q4"};
    json_t *json = run_json("eval quant synthetic:gpt2-test CONTRIBUTING.md -n 400 -r 1 --json");
    assert_string_equal(json_string_value(json_object_get(json, "schema")), "muai.quant/1");
    const json_t *rows = json_object_get(json, "types");
    assert_int_equal(json_array_size(rows), MU_COUNTOF(types));
    for (size_t i = 0; i < MU_COUNTOF(types); i++) {
        static const char *const figures[] = {"resident_bytes", "prefill_tokens_per_second",
                                              "decode_tokens_per_second"};
        const json_t *row = json_array_get(rows, i), *speed = json_object_get(row, "speed");
        assert_string_equal(json_string_value(json_object_get(row, "dtype")), types[i]);
        for (size_t f = 0; f < MU_COUNTOF(figures); f++) {
            assert_true(json_number_value(json_object_get(speed, figures[f])) > 0.0);
        }
        double weights = json_number_value(json_object_get(row, "weight_bytes"));
        assert_true(json_number_value(json_object_get(speed, "resident_bytes")) > weights);
    }
    json_decref(json);
}

/* Weights that are not numbers: one line that says where it showed, not a figure. */
static void logits_that_are_not_finite_are_an_error(void **state) {
    (void)state;
    static const char *const commands[] = {"eval perplexity %s LICENSE",
                                           "eval quant %s LICENSE -r 0"};
    char folder[] = "/tmp/muai-nan-XXXXXX", text[512];
    assert_non_null(mkdtemp(folder));
    snprintf(text, sizeof(text),
             "cp tests/golden/models/plain/* %s && head -c 40000 /dev/zero | tr '\\0' '\\377' | "
             "dd of=%s/model.safetensors bs=1 seek=200000 conv=notrunc 2>/dev/null",
             folder, folder);
    assert_int_equal(system(text), 0);
    for (size_t i = 0; i < MU_COUNTOF(commands); i++) {
        snprintf(text, sizeof(text), commands[i], folder);
        outcome o = run(text);
        if (o.code != 1 || count_lines(o.out) != 1 || !strstr(o.out, "not finite")) {
            fail_msg("%s: code %d, \"%.300s\"", text, o.code, o.out);
        }
    }
    snprintf(text, sizeof(text), "rm -rf '%s'", folder);
    assert_int_equal(system(text), 0);
}

/* Broken files: one line that names the file, exit code 1. */
static void broken_files_give_one_line(void **state) {
    (void)state;
    char folder[] = "/tmp/muai-cmd-XXXXXX", command[1024], arguments[512];
    assert_non_null(mkdtemp(folder));
    static const char *const makes[] = {
        ": > %s/empty.gguf",
        "head -c 1000 tests/golden/models/gguf/model.gguf > %s/short.gguf",
        "(head -c 100000 tests/golden/models/gguf/model.gguf) > %s/shorter.gguf",
        "cp tests/corpus/gguf/dims_overflow %s/overflow.gguf",
        "cp tests/corpus/safetensors/overlap %s/x.gguf",
        "mkdir %s/a && cp tests/golden/models/plain/config.json %1$s/a",
        "mkdir %s/b && cp tests/golden/models/plain/model.safetensors %1$s/b",
        "mkdir %s/c && cp tests/golden/models/plain/config.json %1$s/c && : > "
        "%1$s/c/model.safetensors",
        "mkdir %s/d && cp tests/golden/models/plain/* %1$s/d && truncate -s 9999 "
        "%1$s/d/model.safetensors",
        "mkdir %s/e && cp tests/golden/models/plain/* %1$s/e && echo '{' > %1$s/e/config.json",
        "mkdir %s/f && cp tests/golden/models/plain/* %1$s/f && echo '{}' > %1$s/f/tokenizer.json",
        "mkdir %s/g && cp tests/golden/models/plain/* %1$s/g && cp "
        "tests/golden/models/bf16/config.json %1$s/g",
    };
    static const char *const names[] = {"empty.gguf",
                                        "short.gguf",
                                        "shorter.gguf",
                                        "overflow.gguf",
                                        "x.gguf",
                                        "a",
                                        "b",
                                        "c",
                                        "d",
                                        "e",
                                        "f",
                                        "g"};
    for (size_t i = 0; i < MU_COUNTOF(makes); i++) {
        char script[1024];
        size_t n = 0;
        for (const char *c = makes[i]; *c && n + sizeof(folder) < sizeof(script); c++) {
            bool is_folder = *c == '%';
            if (is_folder) {
                memcpy(script + n, folder, sizeof(folder) - 1);
                n += sizeof(folder) - 1;
                c += c[1] == '1' ? 3 : 1;
            } else {
                script[n++] = *c;
            }
        }
        script[n] = '\0';
        assert_int_equal(system(script), 0);
        snprintf(arguments, sizeof(arguments), "show %s/%s", folder, names[i]);
        outcome o = run(arguments);
        if (o.code != 1 || count_lines(o.out) != 1 || !strstr(o.out, folder)) {
            fail_msg("%s: code %d, \"%.300s\"", makes[i], o.code, o.out);
        }
    }
    print_message("%zu broken files\n", MU_COUNTOF(makes));
    snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    assert_int_equal(system(command), 0);
}

static void a_closed_pipe_ends_quietly(void **state) {
    (void)state;
    char command[2048];
    snprintf(command, sizeof(command),
             "%s run synthetic:gpt2-test --tokens 1 -n 100 --special --ignore-eos | head -c 1 "
             ">/dev/null",
             muai);
    assert_int_equal(system(command), 0);
}

/* Ctrl-C in the middle of a long generation: the text so far stays, exit code 130. */
static void an_interrupt_ends_the_generation(void **state) {
    (void)state;
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        dup2(fds[1], STDOUT_FILENO);
        execl(muai, muai, "run", "synthetic:gpt2", "--tokens", "1", "-n", "1000", "--special",
              "--logit-bias", "65=100", "--ignore-eos", (char *)NULL);
        _exit(99);
    }
    close(fds[1]);
    char text[64];
    assert_true(read(fds[0], text, sizeof(text)) > 0); /* it is generating */
    kill(pid, SIGINT);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 130);
    close(fds[0]);
}

int main(int argc, char **argv) {
    (void)argc;
    const char *slash = strrchr(argv[0], '/');
    ssize_t n = readlink("/proc/self/exe", muai, sizeof(muai) - 8);
    if (n <= 0 || !slash) return 1;
    muai[n] = '\0';
    memcpy(strrchr(muai, '/'), "/muai", sizeof("/muai"));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exit_codes_and_messages),
        cmocka_unit_test(same_seed_same_tokens),
        cmocka_unit_test(tokenize_goes_both_ways),
        cmocka_unit_test(list_tells_what_can_be_used),
        cmocka_unit_test(the_environment_names_a_model),
        cmocka_unit_test(bench_prints_the_schema),
        cmocka_unit_test(the_built_in_model_knows_english),
        cmocka_unit_test(special_tokens_in_a_text),
        cmocka_unit_test(quant_measures_all_types),
        cmocka_unit_test(logits_that_are_not_finite_are_an_error),
        cmocka_unit_test(broken_files_give_one_line),
        cmocka_unit_test(a_closed_pipe_ends_quietly),
        cmocka_unit_test(an_interrupt_ends_the_generation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
