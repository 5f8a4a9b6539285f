/* Runs a fuzz target once on each file of a directory: the corpus as a test, without libFuzzer. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX ((size_t)16 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Each input lies in memory of its own size, so that a read beyond its end is seen. */
static int run(const char *path, uint8_t *buffer)
{
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        return -1;
    }
    size_t size = fread(buffer, 1, FILE_MAX, file);
    fclose(file);
    uint8_t *input = malloc(size > 0 ? size : 1);
    if (!input)
        return -1;
    memcpy(input, buffer, size);
    printf("%s\n", path); /* the last one named is the one that failed */
    fflush(stdout);
    LLVMFuzzerTestOneInput(input, size);
    free(input);
    return 0;
}

int main(int argc, char **argv)
{
    DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;
    uint8_t *buffer = malloc(FILE_MAX);
    int count = 0, failed = !dir || !buffer;
    for (struct dirent *entry; !failed && (entry = readdir(dir));) {
        char path[4096];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", argv[1], entry->d_name);
        failed = run(path, buffer) != 0;
        count++;
    }
    if (dir)
        closedir(dir);
    free(buffer);
    if (count == 0)
        fprintf(stderr, "usage: %s DIRECTORY (with at least one input)\n", argv[0]);
    return failed || count == 0;
}
