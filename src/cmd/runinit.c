/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Process 1 of the container: makes the mounts that only a process in there can make, starts the
 * command, reaps whoever is left behind, passes signals on. When it ends with the command's status
 * the kernel ends everybody else.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmd.h"
#include "ctlfs/cleanup.h"
#include "ctlfs/log.h"
#include "run.h"
#include "serve.h"

#define INIT_SCOPE "/sys/fs/cgroup/init.scope"

/* Keeps this process, and so all that come from it, on the first count CPUs that it may use. */
static void stay_on(unsigned count)
{
	cpu_set_t may, first;

	if (!count || sched_getaffinity(0, sizeof may, &may) < 0)
		return;
	CPU_ZERO(&first);
	for (int cpu = 0; cpu < CPU_SETSIZE && (unsigned)CPU_COUNT(&first) < count; cpu++) {
		if (CPU_ISSET(cpu, &may))
			CPU_SET(cpu, &first);
	}
	sched_setaffinity(0, sizeof first, &first);
}

static int prepare(const struct run_init *i)
{
	char byte;

	/* First this, then the wait: if the supervisor died in between, the pipe has ended. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || read(i->go, &byte, 1) != 1)
		return -ESRCH;
	if (run_bind(i->container) < 0)
		return -EPERM;
	if (i->container->own_cgroup && unshare(CLONE_NEWCGROUP) < 0) {
		log_error("run: no cgroup namespace can be made: %s", strerror(errno));
		return -errno;
	}
	stay_on(i->container->cpus);
	return setenv("CTLFS_MOUNT", RUN_MOUNT, 1) < 0 ? -errno : 0;
}

static int write_text(const char *path, const char *text)
{
	cleanup_close int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd >= 0 && write(fd, text, strlen(text)) > 0 ? 0 : -errno;
}

/* Out of the command's way, which could otherwise never enable a controller in its own cgroup (no
 * internal processes): to where systemd would be. A limit that forbids it has been asked for. */
static void leave(void)
{
	if (mkdir(INIT_SCOPE, 0755) == 0 && write_text(INIT_SCOPE "/cgroup.procs", "0") < 0)
		rmdir(INIT_SCOPE);
}

/* The command: waits until it is alone in its cgroup. */
static _Noreturn void become(const struct run_init *i, int ready)
{
	char byte;
	int error;

	if (read(ready, &byte, 1) != 1)
		_exit(STATUS_RUN_FAILED);
	run_signals_restore(i->signals);
	if (i->forks >= 0)
		forks_ask(i->forks);
	execvp(i->command[0], i->command);
	error = errno;
	log_error("run: %s: %s", i->command[0], strerror(error));
	_exit(error == ENOENT ? STATUS_NOT_FOUND : STATUS_NOT_EXECUTABLE);
}

/* Reaps all that have ended: true if the command is among them. */
static bool reap(const struct run_init *i, pid_t command, int *ret_status)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG | WUNTRACED)) > 0) {
		if (pid != command)
			continue;
		if (!WIFSTOPPED(status)) {
			*ret_status = run_exit_status(status);
			return true;
		}
		/* SIGSTOP is no job control: a debugger's, or the emulator's cgroup.freeze. Whoever
		 * sent it continues the command, and nobody would continue us. */
		if (WSTOPSIG(status) == SIGSTOP)
			continue;
		if (write(i->stops, "", 1) < 0)
			continue; /* full: the supervisor knows of a stop */
	}
	return false;
}

static int follow(const struct run_init *i, pid_t command)
{
	sigset_t set = *run_signals_set();
	int status = STATUS_RUN_FAILED;

	sigaddset(&set, SIGCHLD);
	while (!reap(i, command, &status)) {
		int signum = sigwaitinfo(&set, NULL);

		if (signum > 0 && signum != SIGCHLD)
			kill(command, signum);
	}
	return status;
}

/* -1, told, on failure. */
static pid_t start(const struct run_init *i)
{
	int ready[2];
	pid_t command = -1;

	if (pipe2(ready, O_CLOEXEC) == 0)
		command = fork();
	if (command < 0) {
		log_error("run: %s cannot be started: %s", i->command[0], strerror(errno));
		return -1;
	}
	if (command == 0) {
		close(ready[1]);
		become(i, ready[0]);
	}
	close(ready[0]);
	leave();
	if (write(ready[1], "", 1) != 1)
		log_error("run: %s has ended before it was started", i->command[0]);
	close(ready[1]);
	return command;
}

int run_init(const struct run_init *i)
{
	sigset_t chld;
	pid_t command;

	if (prepare(i) < 0)
		return STATUS_RUN_FAILED;
	command = start(i);
	if (command < 0)
		return STATUS_RUN_FAILED;
	if (i->forks >= 0)
		close(i->forks); /* its end tells that nobody will be asked for */
	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigprocmask(SIG_BLOCK, &chld, NULL);
	/* Out of the command's process group: what is sent to that reaches the command once. And
	 * not in the way of who waits for the end of the command's input or output. */
	setpgid(0, 0);
	serve_null_fds(0, 1);
	return follow(i, command);
}
