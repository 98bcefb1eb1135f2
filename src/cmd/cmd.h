/* cmd.h - one function a sub-command. argv[0] is the command's name; the result is the
 * exit code. */
#ifndef MU_CMD_CMD_H
#define MU_CMD_CMD_H

enum {
    MU_EXIT_OK = 0,
    MU_EXIT_FAILURE = 1,
    MU_EXIT_USAGE = 2,
    MU_EXIT_INTERRUPTED = 130, /* as a shell reports SIGINT */
};

int mu_cmd_run(int argc, char **argv);
int mu_cmd_serve(int argc, char **argv);
int mu_cmd_ps(int argc, char **argv);
int mu_cmd_load(int argc, char **argv);
int mu_cmd_unload(int argc, char **argv);
int mu_cmd_list(int argc, char **argv);
int mu_cmd_show(int argc, char **argv);
int mu_cmd_tokenize(int argc, char **argv);
int mu_cmd_embed(int argc, char **argv);
int mu_cmd_quantize(int argc, char **argv);
int mu_cmd_eval(int argc, char **argv);
int mu_cmd_eval_perplexity(int argc, char **argv); /* argv[0] is "perplexity"; so with the others */
int mu_cmd_eval_quant(int argc, char **argv);
int mu_cmd_eval_agreement(int argc, char **argv);
int mu_cmd_doctor(int argc, char **argv);
int mu_cmd_bench(int argc, char **argv);
int mu_cmd_bench_engine(int argc, char **argv); /* argv[0] is "engine", and so on */
int mu_cmd_bench_embeddings(int argc, char **argv);
int mu_cmd_bench_kernels(int argc, char **argv);
int mu_cmd_bench_mock(int argc, char **argv);
int mu_cmd_bench_suite(int argc, char **argv); /* argv[0] is the suite's name */
int mu_cmd_bench_history(int argc, char **argv);
int mu_cmd_report(int argc, char **argv);
int mu_cmd_version(int argc, char **argv);

#endif
