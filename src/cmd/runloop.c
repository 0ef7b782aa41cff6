/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The supervisor while the command runs. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmd.h"
#include "ctlfs/cleanup.h"
#include "ctlfs/log.h"
#include "run.h"

enum { ON_SIGNAL, ON_STOP, ON_DAEMON, ON_INIT, ON_COUNT };

int run_exit_status(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int run_reap(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return STATUS_RUN_FAILED;
	}
	return run_exit_status(status);
}

static void pass_on(int signals, pid_t init)
{
	int signum;

	while (run_signals_take(signals, &signum))
		kill(init, signum);
}

/* The command was stopped: so are we, so that the shell that started us knows. */
static void stop_too(struct pollfd *stops)
{
	char bytes[64];
	ssize_t n = read(stops->fd, bytes, sizeof bytes);

	if (n > 0)
		raise(SIGSTOP);
	else if (n == 0 || errno != EAGAIN)
		stops->fd = -1;
}

static int daemon_died(struct run_watch *w)
{
	int status = run_reap(w->daemon);

	w->daemon = 0;
	kill(w->init, SIGKILL);
	run_reap(w->init);
	if (status > 128)
		log_error("run: the daemon was killed by signal %d: the command was ended",
			  status - 128);
	else
		log_error("run: the daemon ended: the command was ended");
	return STATUS_RUN_FAILED;
}

int run_watch(struct run_watch *w)
{
	cleanup_close int daemon = pidfd_open(w->daemon, 0);
	cleanup_close int init = pidfd_open(w->init, 0);
	struct pollfd fds[ON_COUNT] = {
		[ON_SIGNAL] = { .fd = w->signals, .events = POLLIN },
		[ON_STOP] = { .fd = w->stops, .events = POLLIN },
		[ON_DAEMON] = { .fd = daemon, .events = POLLIN },
		[ON_INIT] = { .fd = init, .events = POLLIN },
	};

	if (daemon < 0 || init < 0) {
		log_error("run: processes cannot be watched: Linux 5.3 or later is needed");
		kill(w->init, SIGKILL);
		run_reap(w->init);
		return STATUS_RUN_FAILED;
	}
	for (;;) {
		if (poll(fds, ON_COUNT, -1) < 0)
			continue;
		/* The daemon first: a command that fails without it fails because of it. */
		if (fds[ON_DAEMON].revents)
			return daemon_died(w);
		if (fds[ON_INIT].revents)
			return run_reap(w->init);
		if (fds[ON_STOP].revents)
			stop_too(&fds[ON_STOP]);
		if (fds[ON_SIGNAL].revents)
			pass_on(w->signals, w->init);
	}
}
