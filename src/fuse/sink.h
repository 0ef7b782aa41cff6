/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where lines of the audit go: a file, syslog, systemd's journal. Used by one thread at a time. */
#ifndef CTLFS_FUSE_SINK_H
#define CTLFS_FUSE_SINK_H

#include "ctlfs/buf.h"

struct record;
struct sink;

struct sink_ops {
	/* line has no newline, and may be changed; r is what it says, or NULL. 0 or -errno;
	 * -EMSGSIZE: never, whatever happens. */
	int (*put)(struct sink *s, const struct record *r, struct buf *line);
	void (*close)(struct sink *s); /* frees s */
};

struct sink {
	const struct sink_ops *ops;
	const char *name; /* for messages; owned by the sink */
};

/* Those that can be had now: 0, or -errno with the reason noted. */
int sink_file(const char *path, struct sink **ret_sink);
#define SINK_SYSLOG_SOCKET "/dev/log"
int sink_syslog(const char *socket, struct sink **ret_sink);
int sink_journal(struct sink **ret_sink);

#endif
