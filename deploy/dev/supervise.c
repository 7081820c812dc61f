/*
 * supervise PROGRAM ARGUMENTS...
 *
 * Runs a program that must not outlive whoever started it. Standard input is a socket to the starter: the program's
 * process id is written to it, and when it reaches end of file (the starter ended, however abruptly) the program is
 * killed. A signal on the parent's death would not do: it follows the thread that forked, not the process.
 * Exits as the program did, with 128 + the signal's number where a signal ended it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

static int wakeup[2];

static void on_child(int signal_number) {
    int saved = errno;
    (void)signal_number;
    if (write(wakeup[1], "", 1) < 0) { /* Full: a wake-up is pending already. */ }
    errno = saved;
}

static void run_program(char **arguments, pid_t supervisor) {
#ifdef __linux__
    /* Should somebody kill the supervisor itself: it has one thread, so here the signal is exact. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
    if (getppid() != supervisor) _exit(1);
    int null = open("/dev/null", O_RDONLY);
    if (null < 0 || dup2(null, 0) < 0) _exit(1);
    signal(SIGCHLD, SIG_DFL);
    execvp(arguments[0], arguments);
    fprintf(stderr, "cannot run %s: %s\n", arguments[0], strerror(errno));
    _exit(127);
}

int main(int count, char **arguments) {
    if (count < 2) {
        fprintf(stderr, "usage: supervise PROGRAM ARGUMENTS...\n");
        return 2;
    }
    if (pipe(wakeup) < 0) return 1;
    for (int i = 0; i < 2; i++) {
        fcntl(wakeup[i], F_SETFD, FD_CLOEXEC);
        fcntl(wakeup[i], F_SETFL, O_NONBLOCK);
    }
    signal(SIGCHLD, on_child);

    pid_t supervisor = getpid();
    pid_t program = fork();
    if (program < 0) return 1;
    if (program == 0) run_program(arguments + 1, supervisor);

    /* The program decides when it ends; we follow it. */
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    dprintf(0, "%d\n", (int)program);

    struct pollfd watched[2] = {{.fd = 0, .events = POLLIN}, {.fd = wakeup[0], .events = POLLIN}};
    for (;;) {
        int status;
        char drained[64];
        if (waitpid(program, &status, WNOHANG) == program)
            return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
        if (poll(watched, 2, -1) < 0) continue;
        while (read(wakeup[0], drained, sizeof drained) > 0) {}
        if (watched[0].revents && read(0, drained, sizeof drained) <= 0) {
            kill(program, SIGKILL);
            watched[0].fd = -1;
        }
    }
}
