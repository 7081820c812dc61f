/*
 * launcher LIBRARY ARGUMENTS...
 *
 * ClickHouse comes as a shared library whose chdb_query_cmdline is clickhouse-local's command line; this is the program
 * around it. The call returns when the server ends.
 */
#include <dlfcn.h>
#include <stdio.h>

int main(int count, char **arguments) {
    if (count < 2) {
        fprintf(stderr, "usage: launcher LIBRARY ARGUMENTS...\n");
        return 2;
    }
    void *library = dlopen(arguments[1], RTLD_NOW);
    if (library == NULL) {
        fprintf(stderr, "cannot load ClickHouse: %s\n", dlerror());
        return 1;
    }
    void *(*query_cmdline)(int, char **) = (void *(*)(int, char **))dlsym(library, "chdb_query_cmdline");
    if (query_cmdline == NULL) {
        fprintf(stderr, "%s is not the ClickHouse library expected: %s\n", arguments[1], dlerror());
        return 1;
    }
    /* The library's path takes the place of the program's name, which ClickHouse ignores. */
    void *result = query_cmdline(count - 1, arguments + 1);

    const char *(*result_error)(void *) = (const char *(*)(void *))dlsym(library, "chdb_result_error");
    const char *error = result_error != NULL && result != NULL ? result_error(result) : NULL;
    if (error != NULL) fprintf(stderr, "%s\n", error);
    return 1;
}
