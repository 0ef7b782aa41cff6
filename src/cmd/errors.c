/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ctlfs errors: the latest refusals with their reasons, from MNT/ctl/errors or errors.json. The
 * daemon says what was not shown yet to whoever goes on reading, and wakes who polls.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "ctlfs/buf.h"
#include "ctlfs/cleanup.h"
#include "ctlfs/log.h"
#include "mounts.h"

struct errors_options {
	bool follow, json;
};

#define FIELD(member) .offset = offsetof(struct errors_options, member)

static const struct option_row rows[] = {
	{ "follow", 'f', NULL, option_switch, FIELD(follow),
	  .help = "go on with new ones as they come, until interrupted or the daemon ends" },
	{ "json", 0, NULL, option_switch, FIELD(json), .help = "print a JSON object for each" },
	{ NULL },
};

static const struct command_line line = {
	"errors",
	"[DIRECTORY]",
	"Shows the latest refused operations, oldest first, and why they were refused: of the "
	"ctlfs mounted on DIRECTORY, else of $CTLFS_MOUNT ('ctlfs run' sets it), else of the only "
	"one.",
	rows,
	0,
	1,
	false,
};

static volatile sig_atomic_t interrupted;

static void on_signal(int signum)
{
	(void)signum;
	interrupted = 1;
}

/* What blocks is interrupted by them, and nobody else's end is. */
static void take_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
}

/* ppoll() that no signal of those slips past. */
static int poll_or_signal(struct pollfd *fds, nfds_t n)
{
	sigset_t block, before;
	int r, error;

	sigemptyset(&block);
	sigaddset(&block, SIGINT);
	sigaddset(&block, SIGTERM);
	sigprocmask(SIG_BLOCK, &block, &before);
	r = interrupted ? -1 : ppoll(fds, n, NULL, &before);
	error = interrupted ? EINTR : errno;
	sigprocmask(SIG_SETMASK, &before, NULL);
	return r < 0 ? -error : 0;
}

/* A pipe that may be written takes PIPE_BUF bytes at once: so nothing blocks but poll. */
static int print(const char *text, size_t len)
{
	while (len) {
		struct pollfd out = { .fd = STDOUT_FILENO, .events = POLLOUT };
		int r = poll_or_signal(&out, 1);
		ssize_t n;

		if (r == -EINTR && !interrupted)
			continue;
		if (r < 0)
			return r;
		n = write(STDOUT_FILENO, text, len < PIPE_BUF ? len : PIPE_BUF);
		if (n < 0)
			return -errno;
		text += n;
		len -= (size_t)n;
	}
	return 0;
}

struct source {
	const char *path;
	int fd;
	bool failed; /* it, not standard output */
};

/* Prints what there is to read. 0 at its end, or -errno. */
static int drain(struct source *from)
{
	char text[16 << 10];

	for (;;) {
		ssize_t n = read(from->fd, text, sizeof text);
		int r;

		if (n < 0 && errno == EINTR && !interrupted)
			continue;
		from->failed = n < 0;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		r = print(text, (size_t)n);
		if (r < 0)
			return r;
	}
}

/* Sleeps until there is more to read: 0; -EINTR at a signal, -EPIPE when nobody reads what we
 * print, -ENOTCONN when the daemon is gone. */
static int wait_for_more(const struct source *from)
{
	struct pollfd fds[] = { { .fd = from->fd, .events = POLLIN }, { .fd = STDOUT_FILENO } };

	for (;;) {
		int r = poll_or_signal(fds, ARRAY_SIZE(fds));

		if (r == -EINTR && !interrupted)
			continue;
		if (r < 0)
			return r;
		if (fds[1].revents)
			return -EPIPE;
		if (fds[0].revents & POLLIN)
			return 0;
		if (fds[0].revents)
			return -ENOTCONN;
	}
}

static bool daemon_is_gone(int r)
{
	return r == -ENOTCONN || r == -ECONNABORTED || r == -ENODEV;
}

/* How it ended, as an exit status: what ends a follower is no failure. */
static int finish(const struct source *from, int r, bool follow)
{
	if (r == 0 || r == -EINTR || (r == -EPIPE && follow))
		return 0;
	if (follow && daemon_is_gone(r)) {
		log_error("errors: %s: the daemon has ended", from->path);
		return 0;
	}
	log_error("errors: %s: %s", from->failed ? from->path : "standard output", strerror(-r));
	return STATUS_FAILED;
}

static int show(const char *path, bool follow)
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct source from = { .path = path, .fd = fd, .failed = true };
	int r;

	if (fd < 0)
		return finish(&from, -errno, false);
	if (follow)
		take_signals();
	do {
		r = drain(&from);
		if (r == 0 && follow) {
			from.failed = true;
			r = wait_for_more(&from);
		}
	} while (r == 0 && follow);
	return finish(&from, r, follow);
}

int cmd_errors(int argc, char **argv)
{
	cleanup_operands struct operands operands = { 0 };
	cleanup_buf struct buf path = { 0 };
	cleanup_free char *mount = NULL;
	struct errors_options o = { 0 };
	int r, status = options_parse(&line, argc, argv, &o, &operands);

	if (status != OPTIONS_GO_ON)
		return status;
	r = mounts_choose(operands.n ? operands.v[0] : NULL, &mount);
	if (r < 0)
		return command_failed(r, "errors");
	buf_addf(&path, "%s/ctl/errors%s", mount, o.json ? ".json" : "");
	return show(buf_text(&path), o.follow);
}
