# layers.awk - an #include may point to its own folder or to a lower layer, and into a folder with a
# door only through that. Run over src/**/*.[ch] from the root; exit code 1 on a violation.
BEGIN {
    while ((getline row < "src/LAYERS") > 0) {
        if (split(row, part, " ") == 2 && row !~ /^#/) rank[part[1]] = part[2]
    }
    if (!("base" in rank)) { print "src/LAYERS: no layers"; exit bad = 1 }
    # The public headers of a folder, a blank between them.
    door["backend"] = "backend/backend.h backend/device.h backend/machine.h backend/gpu_usage.h"
    door["engine"] = "engine/engine.h"
}
/^#include "[a-z_0-9]+\// {
    split(FILENAME, path, "src/"); split(path[2], parts, "/"); from = parts[1]
    split($2, quoted, "\""); header = quoted[2]
    split(header, part, "/"); to = part[1]
    if (to == from) next
    if (to == "tests" && FILENAME ~ /_(test|fuzz|speed)\.c$/) next
    if (!(to in rank) || !(from in rank) || rank[to] >= rank[from]) why = "points up or sideways"
    else if (to in door && index(" " door[to] " ", " " header " ") == 0) why = "only " door[to] " is public"
    else next
    printf "%s:%d: %s: %s\n", FILENAME, FNR, header, why
    bad = 1
}
END { exit bad }
