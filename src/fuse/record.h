/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One operation as it is kept: when, who, what, and how it ended. Its size is bounded whatever a
 * caller does: of a long text the beginning is kept, of a long path the end.
 */
#ifndef CTLFS_FUSE_RECORD_H
#define CTLFS_FUSE_RECORD_H

#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "ctlfs/buf.h"
#include "ctlfs/fair.h"

#define RECORD_TEXT_MAX 256
#define RECORD_PATH_MAX 1024

struct record {
	struct fair_item item; /* first */
	uint64_t seq; /* of the log of refusals, from 1 */
	struct timespec when; /* CLOCK_REALTIME */
	const char *op; /* "write"; static */
	char *file; /* "/a/memory.max" in the tree, "ctl/inject" and others from the mount's root */
	char *text; /* what was to be written, owned; NULL: nothing */
	size_t len, size; /* of what is kept, and of all */
	int errnum; /* 0: it was done */
	char *why; /* "" where nobody said */
	pid_t pid; /* of the process, as the daemon sees it; 0 if it does not */
	pid_t own_pid; /* in its own pid namespace ... */
	uint64_t pidns; /* ... which has this number; 0: not known */
	uid_t uid; /* as the daemon sees them */
	gid_t gid;
	char comm[64];
	char *container; /* its path in the tree */
	struct lineage who; /* the caller's cgroup ... */
	unsigned level; /* ... whose ancestor who.id[level] is the container */
};

void record_free(struct record *r); /* NULL is fine */

/* Whether it belongs to a container: that, or one inside it. */
bool record_within(const struct record *r, uint64_t container);

/* The number of the caller for who is in pid namespace pidns; 0: not to be seen there. */
pid_t record_pid(const struct record *r, uint64_t pidns, uint64_t daemons_pidns);

/* Append one line, without its end, for people and for programs (a JSON object). pid is shown as
 * the caller's. */
void record_text(const struct record *r, pid_t pid, struct buf *out);
void record_json(const struct record *r, pid_t pid, struct buf *out);
/* {"time": ..., "lost": n}: there were n more. */
void record_lost_json(uint64_t n, struct buf *out);

#endif
