/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of FUSE operations, who asks, and the operations that cgroupfs does not have. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "ctlfs/why.h"
#include "session.h"

struct caller caller_of(fuse_req_t req)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);

	return (struct caller){ .pid = ctx->pid, .uid = ctx->uid, .gid = ctx->gid,
				.umask = ctx->umask };
}

int may_look(fuse_req_t req, uint64_t node)
{
	struct tree *t = server_of(req)->config.tree;
	struct caller who = caller_of(req);

	return t->ops->look ? t->ops->look(t, &who, node_rest(node)) : 0;
}

static void op_init(void *userdata, struct fuse_conn_info *conn)
{
	(void)userdata;
	/* Names, contents and locks all belong to the backend; the kernel caches no data. */
	conn->want &= ~(FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE |
			FUSE_CAP_AUTO_INVAL_DATA | FUSE_CAP_WRITEBACK_CACHE | FUSE_CAP_READDIRPLUS);
	/* A caller waits for every answer: his pid is his own for as long as he is looked at. */
	conn->want &= ~FUSE_CAP_ASYNC_DIO;
	/* O_TRUNC comes with the open instead of as a request of its own; umask is the backend's.
	 */
	conn->want |= conn->capable & (FUSE_CAP_ATOMIC_O_TRUNC | FUSE_CAP_DONT_MASK);
	conn->max_write = 64 * 1024;
}

/* What kernfs refuses for want of an operation. */

#define MADE_BY_CONTROLLERS "the files of a cgroup come and go with its controllers"

static void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	int r = refuse(EPERM, MADE_BY_CONTROLLERS "; a cgroup is removed by rmdir");

	reply_refused(req, r, &(struct attempt){ "unlink", parent, name });
}

static void op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name)
{
	struct attempt a = { "symlink", parent, name, target, strlen(target) };

	reply_refused(req, refuse(EPERM, "there are no links"), &a);
}

static void op_link(fuse_req_t req, fuse_ino_t node, fuse_ino_t parent, const char *name)
{
	(void)node;
	reply_refused(req, refuse(EPERM, "there are no links"),
		      &(struct attempt){ "link", parent, name });
}

static void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t newparent,
		      const char *newname, unsigned int flags)
{
	struct attempt a = { "rename", parent, name, newname, strlen(newname) };

	(void)newparent;
	reply_refused(req, refuse(flags ? EINVAL : EPERM, "a cgroup v2 cannot be renamed"), &a);
}

static void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev)
{
	int r = refuse(S_ISREG(mode) ? EACCES : EPERM, MADE_BY_CONTROLLERS);

	(void)rdev;
	reply_refused(req, r, &(struct attempt){ "mknod", parent, name });
}

static void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
		      struct fuse_file_info *fi)
{
	(void)mode, (void)fi;
	reply_refused(req, refuse(EACCES, "there is no such file, and " MADE_BY_CONTROLLERS),
		      &(struct attempt){ "create", parent, name });
}

static void op_fallocate(fuse_req_t req, fuse_ino_t node, int mode, off_t off, off_t length,
			 struct fuse_file_info *fi)
{
	(void)node, (void)mode, (void)off, (void)length, (void)fi;
	fuse_reply_err(req, EOPNOTSUPP);
}

static void op_fsync(fuse_req_t req, fuse_ino_t node, int datasync, struct fuse_file_info *fi)
{
	(void)node, (void)datasync, (void)fi;
	fuse_reply_err(req, 0);
}

static void op_fsyncdir(fuse_req_t req, fuse_ino_t node, int datasync, struct fuse_file_info *fi)
{
	(void)node, (void)datasync, (void)fi;
	fuse_reply_err(req, EINVAL);
}

static void op_statfs(fuse_req_t req, fuse_ino_t node)
{
	struct statvfs st = { .f_bsize = 4096, .f_frsize = 4096, .f_namemax = 255 };

	(void)node;
	fuse_reply_statfs(req, &st);
}

const struct fuse_lowlevel_ops server_ops = {
	.init = op_init,
	.lookup = op_lookup,
	.forget = op_forget,
	.forget_multi = op_forget_multi,
	.getattr = op_getattr,
	.setattr = op_setattr,
	.readlink = op_readlink,
	.mkdir = op_mkdir,
	.rmdir = op_rmdir,
	.open = op_open,
	.read = op_read,
	.write = op_write,
	.release = op_release,
	.opendir = op_opendir,
	.readdir = op_readdir,
	.releasedir = op_releasedir,
	.poll = op_poll,
	.unlink = op_unlink,
	.symlink = op_symlink,
	.link = op_link,
	.rename = op_rename,
	.mknod = op_mknod,
	.create = op_create,
	.fallocate = op_fallocate,
	.fsync = op_fsync,
	.fsyncdir = op_fsyncdir,
	.statfs = op_statfs,
	.setxattr = op_setxattr,
	.getxattr = op_getxattr,
	.listxattr = op_listxattr,
	.removexattr = op_removexattr,
};
