#include "hub/ref.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "hub/builtin.h"
#include "tensor/dtype.h"

static const struct {
    const char *alias, *repo;
} aliases[] = {
    {"gpt2", "openai-community/gpt2"},
    {"gpt2-medium", "openai-community/gpt2-medium"},
    {"gpt2-large", "openai-community/gpt2-large"},
    {"gpt2-xl", "openai-community/gpt2-xl"},
};

static bool ends_with(const char *text, const char *suffix) {
    size_t n = strlen(text), n_suffix = strlen(suffix);
    return n >= n_suffix && strcmp(text + n - n_suffix, suffix) == 0;
}

static bool is_folder(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool exists(const char *path) {
    struct stat st;
    return stat(path, &st) == 0;
}

/* What the hub allows in the name of an owner, a model or a revision: no slash, nothing that means
 * another folder. */
static bool is_plain(const char *text, size_t n) {
    if (n == 0 || n > 96 || text[0] == '.' || text[0] == '-') return false;
    for (size_t i = 0; i < n; i++) {
        char c = text[i];
        bool is_word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!is_word && !strchr("-_.", c)) return false;
    }
    return true;
}

static bool is_repo(const char *repo) {
    const char *slash = strchr(repo, '/');
    if (!slash) return is_plain(repo, strlen(repo));
    return is_plain(repo, (size_t)(slash - repo)) && is_plain(slash + 1, strlen(slash + 1));
}

bool mu_hub_cache_folder(const mu_hub_env *env, char *out, size_t cap) {
    int n;
    if (env->hf_hub_cache && env->hf_hub_cache[0]) {
        n = snprintf(out, cap, "%s", env->hf_hub_cache);
    } else if (env->hf_home && env->hf_home[0]) {
        n = snprintf(out, cap, "%s/hub", env->hf_home);
    } else if (env->xdg_cache && env->xdg_cache[0]) {
        n = snprintf(out, cap, "%s/huggingface/hub", env->xdg_cache);
    } else if (env->home && env->home[0]) {
        n = snprintf(out, cap, "%s/.cache/huggingface/hub", env->home);
    } else {
        return false;
    }
    return n > 0 && (size_t)n < cap;
}

/* The commit that a ref file names, or the revision itself when it is one. */
static void read_commit(const char *folder, const char *revision, char *out, size_t cap) {
    char path[MU_REF_TEXT_MAX + 128];
    snprintf(out, cap, "%s", revision);
    snprintf(path, sizeof(path), "%s/refs/%s", folder, revision);
    FILE *file = fopen(path, "re");
    if (!file) return;
    char line[128] = "";
    if (fgets(line, sizeof(line), file)) {
        line[strcspn(line, " \r\n")] = '\0';
        if (is_plain(line, strlen(line))) snprintf(out, cap, "%s", line);
    }
    fclose(file);
}

mu_status mu_hub_find(const char *repo, const char *revision, const mu_hub_env *env, char *out_path,
                      size_t cap, mu_err *err) {
    char cache[MU_REF_TEXT_MAX], folder[MU_REF_TEXT_MAX], commit[128], path[MU_REF_TEXT_MAX];
    if (!revision) revision = "main";
    if (!is_repo(repo) || !is_plain(revision, strlen(revision))) {
        return mu_fail(err, MU_ERR_INVALID, "%.100s: not a model name", repo);
    }
    if (!mu_hub_cache_folder(env, cache, sizeof(cache))) {
        return mu_fail(err, MU_ERR_NOT_FOUND, "%s: HF_HUB_CACHE, HF_HOME and HOME are not set",
                       repo);
    }
    const char *slash = strchr(repo, '/');
    int n_owner = slash ? (int)(slash - repo) : 0;
    int n = snprintf(folder, sizeof(folder), "%s/models--%.*s%s%s", cache, n_owner, repo,
                     slash ? "--" : "", slash ? slash + 1 : repo);
    if (n >= (int)sizeof(folder)) return mu_fail(err, MU_ERR_LIMIT, "%.100s: path too long", cache);
    read_commit(folder, revision, commit, sizeof(commit));
    n = snprintf(path, sizeof(path), "%s/snapshots/%s", folder, commit);
    if (n >= (int)sizeof(path) || (size_t)n >= cap) {
        return mu_fail(err, MU_ERR_LIMIT, "%.100s: path too long", cache);
    }
    if (!is_folder(path)) {
        return mu_fail(err, MU_ERR_NOT_FOUND, "%s: not in the Hugging Face cache (%.120s)", repo,
                       path);
    }
    memcpy(out_path, path, (size_t)n + 1);
    return MU_OK;
}

/* Cut ":f32", ":q8" and the like off the end. Another suffix that looks like a weight type is an
 * error; a colon elsewhere belongs to the name. */
static mu_status take_weight_type(char *text, mu_ref *ref, mu_err *err) {
    char *colon = strrchr(text, ':');
    if (!colon || strchr(colon, '/') || exists(text)) return MU_OK;
    if (strncmp(text, "synthetic:", 10) == 0 && colon == text + 9) return MU_OK;
    mu_dtype dtype;
    if (!mu_weight_type_parse(colon + 1, &dtype)) {
        return mu_fail(err, MU_ERR_INVALID,
                       "weight type \":%.40s\": known are :f32, :bf16, :q8 and :q4", colon + 1);
    }
    snprintf(ref->weight_type, sizeof(ref->weight_type), "%s", colon + 1);
    *colon = '\0';
    return MU_OK;
}

/* The name may say nothing (an ollama blob): the first four bytes do. */
static bool is_gguf(const char *path) {
    char magic[4] = {0};
    struct stat st;
    bool is_file = stat(path, &st) == 0 && S_ISREG(st.st_mode); /* opening a pipe would wait */
    FILE *file = is_file ? fopen(path, "rb") : NULL;
    if (!file) return false;
    size_t n = fread(magic, 1, sizeof(magic), file);
    fclose(file);
    return n == sizeof(magic) && memcmp(magic, "GGUF", sizeof(magic)) == 0;
}

/* Parts of a split file after the first are found by it. */
static bool is_later_part(const char *name) {
    const char *of = strstr(name, "-of-");
    return of && of - name > 6 && of[-6] == '-' && strncmp(of - 5, "00001", 5) != 0;
}

/* A folder without config.json stands for the one GGUF file in it. */
static mu_status resolve_folder(mu_ref *ref, mu_err *err) {
    char path[MU_REF_TEXT_MAX + 264], found[256] = "", other[256] = "";
    snprintf(path, sizeof(path), "%s/config.json", ref->path);
    if (exists(path)) return MU_OK;
    DIR *dir = opendir(ref->path);
    if (!dir) return mu_fail_os(err, MU_ERR_IO, "%s", ref->path);
    for (const struct dirent *entry; (entry = readdir(dir));) {
        if (!ends_with(entry->d_name, ".gguf") || is_later_part(entry->d_name)) continue;
        snprintf(found[0] ? other : found, sizeof(found), "%s", entry->d_name);
    }
    closedir(dir);
    if (!found[0]) return MU_OK; /* opening it says what is missing */
    if (other[0]) {
        return mu_fail(err, MU_ERR_INVALID, "%s: several GGUF files, name one: %.60s, %.60s, ...",
                       ref->path, found, other);
    }
    if (snprintf(path, sizeof(path), "%s/%s", ref->path, found) >= (int)sizeof(ref->path)) {
        return mu_fail(err, MU_ERR_LIMIT, "%.80s: path too long", ref->path);
    }
    memcpy(ref->path, path, strlen(path) + 1);
    ref->kind = MU_REF_GGUF;
    return MU_OK;
}

static mu_status resolve_path(const char *text, mu_ref *ref, mu_err *err) {
    if (!exists(text)) return mu_fail_os(err, MU_ERR_NOT_FOUND, "%s", text);
    ref->kind = is_folder(text) ? MU_REF_FOLDER : MU_REF_GGUF;
    snprintf(ref->path, sizeof(ref->path), "%s", text);
    if (ref->kind == MU_REF_FOLDER) return resolve_folder(ref, err);
    if (ends_with(text, ".gguf") || is_gguf(text)) return MU_OK;
    return mu_fail(err, MU_ERR_INVALID, "%s: not a folder and not a GGUF file", text);
}

static mu_status resolve_repo(const char *text, const mu_hub_env *env, mu_ref *ref, mu_err *err) {
    char repo[256];
    snprintf(repo, sizeof(repo), "%s", text);
    char *at = strchr(repo, '@');
    if (at) *at = '\0';
    for (size_t i = 0; i < MU_COUNTOF(aliases); i++) {
        if (strcmp(repo, aliases[i].alias) == 0)
            snprintf(repo, sizeof(repo), "%s", aliases[i].repo);
    }
    const char *revision = at ? strchr(text, '@') + 1 : NULL;
    ref->kind = MU_REF_FOLDER;
    mu_status status = mu_hub_find(repo, revision, env, ref->path, sizeof(ref->path), err);
    return status == MU_OK ? resolve_folder(ref, err) : status;
}

mu_status mu_ref_resolve(const char *text, const mu_hub_env *env, mu_ref *out, mu_err *err) {
    mu_ref ref = {0};
    char name[sizeof(ref.name)];
    if (text[0] == '\0') return mu_fail(err, MU_ERR_INVALID, "empty model reference");
    if (strlen(text) >= sizeof(name)) {
        return mu_fail(err, MU_ERR_LIMIT, "model reference longer than %zu bytes",
                       sizeof(name) - 1);
    }
    memcpy(name, text, strlen(text) + 1);
    mu_status status = take_weight_type(name, &ref, err);
    if (status != MU_OK) return status;
    memcpy(ref.name, name, sizeof(name));
    if (strncmp(name, "synthetic:", 10) == 0) {
        ref.kind = MU_REF_SYNTHETIC;
        snprintf(ref.path, sizeof(ref.path), "%s", name + 10);
    } else if (mu_builtin_find(name)) {
        ref.kind = MU_REF_BUILTIN;
        snprintf(ref.path, sizeof(ref.path), "%s", name);
    } else if (name[0] == '/' || name[0] == '.' || ends_with(name, ".gguf") || exists(name)) {
        status = resolve_path(name, &ref, err);
    } else {
        status = resolve_repo(name, env, &ref, err);
    }
    if (status == MU_OK) *out = ref;
    return status;
}
