# layers.awk - an #include may point to its own folder or to a lower layer, and into a folder with a
# door only through that. Run over src/**/*.[ch] from the root; exit code 1 on a violation.
BEGIN {
    n = split("base:0 tensor:1 text:1 format:2 hub:2 model:3 backend:4 engine:5 " \
              "router:6 server:7 eval:7 bench:7 cmd:8", layers, " ")
    for (i = 1; i <= n; i++) { split(layers[i], kv, ":"); rank[kv[1]] = kv[2] }
    # The public headers of a folder, a blank between them.
    door["backend"] = "backend/backend.h backend/device.h backend/gpu_usage.h"
    door["engine"] = "engine/engine.h"
}
/^#include "[a-z_0-9]+\// {
    split(FILENAME, path, "src/"); split(path[2], parts, "/"); from = parts[1]
    split($2, quoted, "\""); header = quoted[2]
    split(header, part, "/"); to = part[1]
    if (to == from) next
    if (to == "tests" && FILENAME ~ /_(test|fuzz|bench)\.c$/) next
    if (!(to in rank) || !(from in rank) || rank[to] >= rank[from]) why = "points up or sideways"
    else if (to in door && index(" " door[to] " ", " " header " ") == 0) why = "only " door[to] " is public"
    else next
    printf "%s:%d: %s: %s\n", FILENAME, FNR, header, why
    bad = 1
}
END { exit bad }
