/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The audit in syslog. syslog(3) does not say whether a message arrived, so its protocol (RFC 3164
 * as local daemons take it) is spoken here. A daemon that takes nothing is waited for a second.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "ctlfs/cleanup.h"
#include "ctlfs/why.h"
#include "sink.h"

struct syslog_sink {
	struct sink sink; /* first */
	int fd; /* -1: not connected */
	struct sockaddr_un where;
};

static void syslog_close(struct sink *sink)
{
	struct syslog_sink *s = (struct syslog_sink *)sink;

	if (s->fd >= 0)
		close(s->fd);
	free(s);
}

static int connect_to(const struct syslog_sink *s)
{
	static const struct timeval second = { .tv_sec = 1 };
	cleanup_close int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (const struct sockaddr *)&s->where, sizeof s->where) < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &second, sizeof second) < 0)
		return -errno;
	return steal_fd(&fd);
}

static void add_header(struct buf *out)
{
	time_t now = time(NULL);
	char when[32];
	struct tm tm;

	/* In the C locale, which is ours: nothing here sets another. */
	strftime(when, sizeof when, "%b %e %T", localtime_r(&now, &tm));
	buf_addf(out, "<%d>%s ctlfs[%d]: ", LOG_AUTHPRIV | LOG_INFO, when, getpid());
}

static int send_once(struct syslog_sink *s, const struct buf *message)
{
	if (s->fd < 0) {
		s->fd = connect_to(s);
		if (s->fd < 0)
			return s->fd;
	}
	return send(s->fd, message->data, message->len, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* A daemon that was started again has a new socket. */
static int syslog_put(struct sink *sink, const struct record *r, struct buf *line)
{
	struct syslog_sink *s = (struct syslog_sink *)sink;
	cleanup_buf struct buf message = { 0 };
	int error;

	(void)r;
	add_header(&message);
	buf_adds(&message, buf_text(line));
	error = buf_error(&message);
	if (error == 0)
		error = send_once(s, &message);
	if (error == 0 || error == -EMSGSIZE || error == -EAGAIN || s->fd < 0)
		return error;
	close(steal_fd(&s->fd));
	return send_once(s, &message);
}

static const struct sink_ops syslog_ops = { .put = syslog_put, .close = syslog_close };

int sink_syslog(const char *socket, struct sink **ret_sink)
{
	struct syslog_sink *s = calloc(1, sizeof *s);
	int r;

	if (!s)
		return -ENOMEM;
	*s = (struct syslog_sink){ .sink = { &syslog_ops, "syslog" }, .where.sun_family = AF_UNIX };
	snprintf(s->where.sun_path, sizeof s->where.sun_path, "%s", socket);
	r = s->fd = connect_to(s);
	if (r < 0) {
		syslog_close(&s->sink);
		return refuse(-r, "no syslog daemon takes messages at %s: %s", socket,
			      strerror(-r));
	}
	*ret_sink = &s->sink;
	return 0;
}
