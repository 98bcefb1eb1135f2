/* Runs a fuzz target over the files of the folders named on the command line: a crash found once is
 * a file that is tested for ever. A folder without files is an error, so a silent replay is
 * noticed.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/map.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_folder(const char *folder) {
    DIR *dir = opendir(folder);
    if (!dir) return 0;
    int n = 0;
    for (struct dirent *entry; (entry = readdir(dir));) {
        char path[4096];
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        mu_map map = {0};
        if (entry->d_name[0] == '.' || mu_map_open(path, &map, NULL) != MU_OK) continue;
        static const uint8_t empty[1];
        LLVMFuzzerTestOneInput(map.data ? map.data : empty, map.size);
        mu_map_close(&map);
        n++;
    }
    closedir(dir);
    return n;
}

int main(int argc, char **argv) {
    int n = 0;
    for (int i = 1; i < argc; i++) {
        n += replay_folder(argv[i]);
    }
    printf("%s: %d inputs\n", argv[0], n);
    return n > 0 ? 0 : 1;
}
