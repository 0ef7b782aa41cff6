/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Extended attributes of the real directories and files, set with the rights of who asks. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/xattr.h>

#include "ctlfs/cleanup.h"
#include "deputy.h"
#include "guard.h"
#include "internal.h"

#define VALUE_MAX (64 << 10) /* XATTR_SIZE_MAX, XATTR_LIST_MAX */

/* By path, since no f*xattr() takes an O_PATH fd. */
struct xattr_job {
	char path[64];
	const char *name;
	const struct tree_xattr *x;
};

static int job_fill(struct xattr_job *job, int fd)
{
	if (fd < 0)
		return fd;
	snprintf(job->path, sizeof job->path, "/proc/self/fd/%d", fd);
	return 0;
}

static int reply(ssize_t n, const char *text, struct buf *out)
{
	if (n < 0)
		return -errno;
	buf_add(out, text, (size_t)n);
	return buf_error(out);
}

static int kernel_get_xattr(struct tree *t, uint64_t node, const char *name, struct buf *out)
{
	struct kernel *k = kernel_of(t);
	cleanup_close int fd = node_held(k, node_number(k, node));
	cleanup_free char *value = malloc(VALUE_MAX);
	struct xattr_job job;
	int r = value ? job_fill(&job, fd) : -ENOMEM;

	return r < 0 ? r : reply(getxattr(job.path, name, value, VALUE_MAX), value, out);
}

static int kernel_list_xattrs(struct tree *t, uint64_t node, struct buf *out)
{
	struct kernel *k = kernel_of(t);
	cleanup_close int fd = node_held(k, node_number(k, node));
	cleanup_free char *names = malloc(VALUE_MAX);
	struct xattr_job job;
	int r = names ? job_fill(&job, fd) : -ENOMEM;

	return r < 0 ? r : reply(listxattr(job.path, names, VALUE_MAX), names, out);
}

static int do_set(void *arg)
{
	const struct xattr_job *job = arg;
	const struct tree_xattr *x = job->x;
	int r = x->value ? setxattr(job->path, job->name, x->value, x->size, x->flags) :
			   removexattr(job->path, job->name);

	return r < 0 ? -errno : 0;
}

static int kernel_set_xattr(struct tree *t, const struct caller *who, uint64_t node,
			    const char *name, const struct tree_xattr *x)
{
	struct kernel *k = kernel_of(t);
	struct xattr_job job = { .name = name, .x = x };
	cleanup_close int fd = -1;
	int r;

	node = node_number(k, node);
	r = guard_node(k, who, node, ACT_ATTR);
	if (r < 0)
		return r;
	fd = node_held(k, node);
	r = job_fill(&job, fd);
	return r < 0 ? r : deputy_run(k->privileged, who, do_set, &job);
}

const struct tree_xattr_ops kernel_xattr_ops = {
	.get = kernel_get_xattr,
	.list = kernel_list_xattrs,
	.set = kernel_set_xattr,
};
