/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which signals `ctlfs run` passes on to its command. */
#include <errno.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "ctlfs/cleanup.h"
#include "run.h"

static const int passed_on[] = {
	SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH, SIGTSTP, SIGCONT,
};

const sigset_t *run_signals_set(void)
{
	static sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(passed_on); i++)
		sigaddset(&set, passed_on[i]);
	return &set;
}

int run_signals_catch(struct run_signals *ret_s)
{
	struct sigaction usual = { .sa_handler = SIG_DFL }, before;
	struct run_signals s;

	if (sigprocmask(SIG_BLOCK, run_signals_set(), &s.mask) < 0)
		return -errno;
	/* Whoever ignores SIGCHLD never hears how his children ended. */
	sigaction(SIGCHLD, &usual, &before);
	s.chld_ignored = before.sa_handler == SIG_IGN;
	s.fd = signalfd(-1, run_signals_set(), SFD_CLOEXEC | SFD_NONBLOCK);
	if (s.fd < 0)
		return -errno;
	*ret_s = s;
	return 0;
}

void run_signals_restore(const struct run_signals *s)
{
	if (s->chld_ignored)
		signal(SIGCHLD, SIG_IGN);
	sigprocmask(SIG_SETMASK, &s->mask, NULL);
}

/* A signal from the terminal went to the whole foreground process group, and the command is in it
 * if it wants to be. An editor stops its own group, us included, by sending SIGTSTP to it. */
static bool has_got_it(const struct signalfd_siginfo *info)
{
	if (info->ssi_code == SI_KERNEL)
		return true;
	return info->ssi_signo == SIGTSTP && info->ssi_pid > 0 &&
	       getpgid((pid_t)info->ssi_pid) == getpgrp();
}

bool run_signals_take(int fd, int *ret_signum)
{
	struct signalfd_siginfo info;

	while (read(fd, &info, sizeof info) == sizeof info) {
		if (has_got_it(&info))
			continue;
		*ret_signum = (int)info.ssi_signo;
		return true;
	}
	return false;
}
