/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The life of a server: made over a mounted device, served, stopped. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "ctlfs/clock.h"
#include "ctlfs/why.h"
#include "session.h"

/* Does nothing but interrupt. */
static void on_loop_signal(int signum)
{
	(void)signum;
}

static int session_new(struct server *s)
{
	char *argv[] = { "ctlfs", s->config.debug ? "-d" : NULL, NULL };
	struct fuse_args args = FUSE_ARGS_INIT(s->config.debug ? 2 : 1, argv);
	int r;

	s->se = fuse_session_new(&args, &server_ops, sizeof server_ops, s);
	fuse_opt_free_args(&args);
	if (!s->se)
		return refuse(ENOMEM, "libfuse makes no session");
	r = fuse_session_custom_io(s->se, &loop_io, s->fd);
	if (r < 0)
		return refuse(-r, "libfuse does not take the device");
	s->session_owns_fd = true;
	return 0;
}

int server_new(const struct server_config *config, int fd, struct server **ret_server)
{
	struct sigaction interrupt = { .sa_handler = on_loop_signal };
	struct server *s = calloc(1, sizeof *s);
	int r;

	if (!s) {
		close(fd);
		return -ENOMEM;
	}
	s->config = *config;
	s->fd = fd;
	s->started_ns = monotonic_ns();
	errlog_init(&s->errors);
	events_init(s);
	bounds_init(s);
	turns_init(s);
	s->config.tree->forgets = true;
	pthread_mutex_init(&s->workers_lock, NULL);
	pthread_mutex_init(&s->log_lock, NULL);
	sigaction(LOOP_SIGNAL, &interrupt, NULL);
	s->stop_fd = eventfd(0, EFD_CLOEXEC);
	r = s->stop_fd < 0 ? -errno : session_new(s);
	if (r < 0) {
		server_free(s);
		return r;
	}
	*ret_server = s;
	return 0;
}

int server_serve(struct server *s, const char *mountpoint)
{
	uint64_t stop;
	int r = loop_start(s);

	if (r < 0)
		return refuse(-r, "no thread can be started");
	events_start(s, mountpoint);
	while (read(s->stop_fd, &stop, sizeof stop) < 0 && errno == EINTR)
		;
	/* Before the workers, since its thread may be waiting for one of them. */
	events_stop(s);
	loop_stop(s);
	return 0;
}

void server_stop(struct server *s)
{
	uint64_t one = 1;
	int saved = errno;

	if (write(s->stop_fd, &one, sizeof one) < 0)
		errno = saved; /* the counter is full: the wish is known */
}

void server_free(struct server *s)
{
	if (!s)
		return;
	tree_on_change(s->config.tree, NULL, NULL);
	if (s->se)
		fuse_session_destroy(s->se);
	if (!s->session_owns_fd)
		close(s->fd);
	if (s->stop_fd >= 0)
		close(s->stop_fd);
	file_close_all(s);
	events_free(s);
	errlog_free(&s->errors);
	turns_free(s);
	bounds_free(s);
	pthread_mutex_destroy(&s->workers_lock);
	pthread_mutex_destroy(&s->log_lock);
	free(s);
}
