/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Serving until unmounted or told to end by a signal. */
#include "serve.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "ctlfs/cleanup.h"
#include "ctlfs/server.h"

static const int end_signals[] = { SIGTERM, SIGINT, SIGHUP };

static struct server *serving;
static volatile sig_atomic_t signalled;

static void on_end(int signum)
{
	(void)signum;
	signalled = 1;
	server_stop(serving);
}

static void mask_signals(int how)
{
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(end_signals); i++)
		sigaddset(&set, end_signals[i]);
	sigprocmask(how, &set, NULL);
}

void serve_block_signals(void)
{
	mask_signals(SIG_BLOCK);
}

int serve_until_signal(struct server *s, const char *mountpoint, bool *ret_signalled)
{
	struct sigaction end = { .sa_handler = on_end };
	int r;

	serving = s;
	for (size_t i = 0; i < ARRAY_SIZE(end_signals); i++)
		sigaction(end_signals[i], &end, NULL);
	signal(SIGPIPE, SIG_IGN);
	mask_signals(SIG_UNBLOCK);
	r = server_serve(s, mountpoint);
	/* From here on the server may go away. */
	mask_signals(SIG_BLOCK);
	*ret_signalled = signalled;
	return r;
}

void serve_null_fds(int first, int last)
{
	cleanup_close int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int fd = first; null >= 0 && fd <= last; fd++)
		dup2(null, fd);
	if (null >= first && null <= last)
		null = -1; /* it has found its place */
}
