/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The kernel backend: a directory of a cgroup2 mount as a tree, and what is done to directories. */
#include "ctlfs/kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "ctlfs/cleanup.h"
#include "ctlfs/policy.h"
#include "ctlfs/why.h"
#include "deputy.h"
#include "guard.h"
#include "internal.h"

/* Attributes of the node that open_node opens. */
static int stat_node(struct kernel *k, uint64_t node, int (*open_node)(struct kernel *, uint64_t),
		     struct stat *ret_stat)
{
	cleanup_place struct place place = { 0 };
	cleanup_close int fd = open_node(k, node);
	struct stat st;
	int r;

	if (fd < 0)
		return fd;
	r = at_stat(k, fd, "", &st);
	if (r < 0)
		return r;
	if (!S_ISDIR(st.st_mode) && node_place(k, node, &place) == 0) {
		cleanup_kept struct kept *dir = NULL;
		struct tree_entry entry = { .name = place.name, .node = node };

		if (kept_dir(k, place.dir, &dir) == 0)
			watch_file(k->watch, place.dir, dir->fd, &entry);
		st.st_mode |= guard_shown(k, place.dir, place.name);
	}
	*ret_stat = st;
	return 0;
}

static int stat_parent(struct kernel *k, uint64_t node, struct stat *ret_stat)
{
	cleanup_place struct place place = { 0 };
	cleanup_close int fd = -1;
	int r;

	if (node == TREE_ROOT)
		return stat_node(k, node, node_any, ret_stat);
	r = node_place(k, node, &place);
	if (r < 0)
		return r;
	if (!place.is_dir)
		return stat_node(k, place.dir, node_any, ret_stat);
	fd = node_dir(k, node);
	if (fd < 0)
		return fd;
	return at_stat(k, fd, "..", ret_stat);
}

static int stat_entry(struct kernel *k, uint64_t dir, const char *name, struct stat *ret_stat)
{
	cleanup_kept struct kept *kept = NULL;
	struct tree_entry entry = { .name = (char *)name };
	struct stat st;
	int r = kept_dir(k, dir, &kept);

	if (r < 0)
		return r;
	r = at_stat(k, kept->fd, name, &st);
	if (r < 0)
		return r;
	entry.node = st.st_ino;
	entry.dir = S_ISDIR(st.st_mode);
	node_remember(k, &entry, dir);
	if (!entry.dir) {
		watch_file(k->watch, dir, kept->fd, &entry);
		st.st_mode |= guard_shown(k, dir, name);
	}
	*ret_stat = st;
	return 0;
}

/* Where a directory is does not change. */
static int kernel_parent(struct tree *t, uint64_t dir, uint64_t *ret_parent)
{
	struct kernel *k = kernel_of(t);
	cleanup_place struct place place = { 0 };
	int r;

	dir = node_number(k, dir);
	r = dir == TREE_ROOT ? 0 : node_place(k, dir, &place);
	if (r == 0)
		*ret_parent = dir == TREE_ROOT ? TREE_ROOT : place.dir;
	return r;
}

static int kernel_stat(struct tree *t, uint64_t node, const char *name, struct stat *ret_stat)
{
	struct kernel *k = kernel_of(t);

	node = node_number(k, node);
	if (!name || !strcmp(name, "."))
		return stat_node(k, node, node_any, ret_stat);
	if (!*name)
		return stat_node(k, node, node_held, ret_stat);
	if (!strcmp(name, ".."))
		return stat_parent(k, node, ret_stat);
	return stat_entry(k, node, name, ret_stat);
}

/* Who still has a removed directory open finds nothing in it. */
static int list_removed(struct kernel *k, uint64_t dir, struct tree_list *ret_list)
{
	cleanup_close int fd = node_held(k, dir);

	if (fd < 0)
		return fd;
	*ret_list = (struct tree_list){ 0 };
	return 0;
}

static int kernel_list(struct tree *t, uint64_t dir, struct tree_list *ret_list)
{
	cleanup_tree_list struct tree_list list = { 0 };
	struct kernel *k = kernel_of(t);
	cleanup_close int fd = -1;
	int r;

	dir = node_number(k, dir);
	fd = node_dir(k, dir);
	if (fd < 0)
		return fd == -ENODEV ? list_removed(k, dir, ret_list) : fd;
	r = at_list(k, fd, &list);
	if (r < 0)
		return r == -ENOENT ? -ENODEV : r;
	/* Only a directory that is being removed has no files. */
	if (list.n == 0)
		return -ENODEV;
	for (size_t i = 0; i < list.n; i++)
		node_remember(k, &list.entries[i], dir);
	*ret_list = list;
	list = (struct tree_list){ 0 };
	return 0;
}

/* An entry of a directory to be made or removed. */
struct entry_job {
	int dirfd;
	const char *name;
	mode_t mode;
	bool asked; /* the kernel answered, not the deputy */
};

static int do_mkdir(void *arg)
{
	struct entry_job *job = arg;

	job->asked = true;
	return mkdirat(job->dirfd, job->name, job->mode) < 0 ? -errno : 0;
}

static int do_rmdir(void *arg)
{
	struct entry_job *job = arg;

	job->asked = true;
	return unlinkat(job->dirfd, job->name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

/* Does fn to name in dir for who. */
static int on_entry(struct kernel *k, const struct caller *who, uint64_t dir,
		    int (*fn)(void *arg), struct entry_job *job)
{
	struct target target = { .dir = dir };
	cleanup_kept struct kept *kept = NULL;
	int r;

	if (!*job->name || strchr(job->name, '/'))
		return -ENOENT;
	r = guard_check(k, who, &target, ACT_ENTRY);
	if (r < 0)
		return r;
	r = kept_dir(k, dir, &kept);
	if (r < 0)
		return r;
	job->dirfd = kept->fd;
	return deputy_run(k->privileged, who, fn, job);
}

static int kernel_mkdir(struct tree *t, const struct caller *who, uint64_t dir, const char *name,
			mode_t mode)
{
	struct entry_job job = { .name = name, .mode = mode };
	struct kernel *k = kernel_of(t);
	int r = on_entry(k, who, node_number(k, dir), do_mkdir, &job);

	return r < 0 && job.asked ? reason_mkdir(-r) : r;
}

/* A directory that is about to be removed may be open: its own fd leads to it then. */
static void keep_entry(struct kernel *k, uint64_t dir, const char *name)
{
	cleanup_kept struct kept *kept = NULL, *entry = NULL;
	struct stat st;

	if (kept_dir(k, dir, &kept) == 0 && at_stat(k, kept->fd, name, &st) == 0 &&
	    S_ISDIR(st.st_mode))
		kept_dir(k, st.st_ino, &entry);
}

static int kernel_rmdir(struct tree *t, const struct caller *who, uint64_t dir, const char *name)
{
	struct entry_job job = { .name = name };
	struct kernel *k = kernel_of(t);
	int r;

	dir = node_number(k, dir);
	if (t->forgets)
		keep_entry(k, dir, name);
	r = on_entry(k, who, dir, do_rmdir, &job);
	return r < 0 && job.asked ? reason_rmdir(k, dir, name, -r) : r;
}

struct attr_job {
	int fd;
	const struct stat *attr;
	unsigned valid;
};

static int set_owner(const struct attr_job *job)
{
	uid_t uid = job->valid & TREE_SET_UID ? job->attr->st_uid : (uid_t)-1;
	gid_t gid = job->valid & TREE_SET_GID ? job->attr->st_gid : (gid_t)-1;

	return fchownat(job->fd, "", uid, gid, AT_EMPTY_PATH) < 0 ? -errno : 0;
}

static int set_times(const struct attr_job *job, const char *path)
{
	struct timespec times[2] = { job->attr->st_atim, job->attr->st_mtim };

	if (!(job->valid & TREE_SET_ATIME))
		times[0].tv_nsec = UTIME_OMIT;
	if (!(job->valid & TREE_SET_MTIME))
		times[1].tv_nsec = UTIME_OMIT;
	return utimensat(AT_FDCWD, path, times, 0) < 0 ? -errno : 0;
}

static int do_setattr(void *arg)
{
	const struct attr_job *job = arg;
	char path[64];
	int r = 0;

	/* chmod() and utimensat() take an O_PATH fd in this form on every kernel. */
	snprintf(path, sizeof path, "/proc/self/fd/%d", job->fd);
	if (job->valid & (TREE_SET_UID | TREE_SET_GID))
		r = set_owner(job);
	if (r == 0 && job->valid & TREE_SET_MODE && chmod(path, job->attr->st_mode & 07777) < 0)
		r = -errno;
	if (r == 0 && job->valid & (TREE_SET_ATIME | TREE_SET_MTIME))
		r = set_times(job, path);
	return r;
}

/* Who changes a mode that he was shown leaves alone what is shown beyond the file's own. */
static int keep_mode(struct kernel *k, uint64_t node, int fd, struct stat *attr)
{
	cleanup_place struct place place = { 0 };
	mode_t shown = 0;
	struct stat st;
	int r = node == TREE_ROOT ? 0 : node_place(k, node, &place);

	if (r == -ENODEV) /* removed, and still open: no rule is about it */
		return 0;
	if (r == 0 && place.name && !place.is_dir)
		shown = guard_shown(k, place.dir, place.name);
	if (r == 0 && shown)
		r = at_stat(k, fd, "", &st);
	if (r == 0 && shown)
		attr->st_mode &= ~(shown & ~st.st_mode);
	return r;
}

static int kernel_setattr(struct tree *t, const struct caller *who, uint64_t node,
			  const struct stat *attr, unsigned valid)
{
	struct kernel *k = kernel_of(t);
	cleanup_close int fd = -1;
	struct stat changed = *attr;
	struct attr_job job = { .attr = &changed, .valid = valid };
	int r;

	node = node_number(k, node);
	r = guard_node(k, who, node, ACT_ATTR);
	if (r < 0)
		return r;
	job.fd = fd = node_held(k, node);
	if (fd < 0)
		return fd;
	if (valid & TREE_SET_MODE)
		r = keep_mode(k, node, fd, &changed);
	return r < 0 ? r : deputy_run(k->privileged, who, do_setattr, &job);
}

static int kernel_look(struct tree *t, const struct caller *who, uint64_t node)
{
	struct kernel *k = kernel_of(t);

	return guard_node(k, who, node_number(k, node), ACT_READ);
}

/* A live one is opened again when it is needed. */
static void kernel_forget(struct tree *t, uint64_t node)
{
	struct kernel *k = kernel_of(t);

	kept_drop(k, node_number(k, node));
}

static void kernel_destroy(struct tree *t)
{
	struct kernel *k = kernel_of(t);

	polling_free(k->polling); /* asks the watches */
	watch_free(k->watch);
	named_free(k);
	kept_free(k);
	nodes_free(k);
	pthread_mutex_destroy(&k->opened_lock);
	guard_free(k);
	if (k->root >= 0)
		close(k->root);
	free(k->base);
	free(k->controller);
	free(k);
}

static const struct tree_ops kernel_ops = {
	.stat = kernel_stat,
	.setattr = kernel_setattr,
	.list = kernel_list,
	.mkdir = kernel_mkdir,
	.rmdir = kernel_rmdir,
	.open = kernel_file_open,
	.locate = locate_process,
	.read = named_read,
	.parent = kernel_parent,
	.forget = kernel_forget,
	.look = kernel_look,
	.destroy = kernel_destroy,
	.xattr = &kernel_xattr_ops,
};

/* Opens the root and notes what tells its mount from others. */
static int open_root(struct kernel *k, const char *path)
{
	struct statfs fs;
	struct statx x;

	/* open_by_handle_at() takes no O_PATH fd; without the right to read there are no handles.
	 */
	k->root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (k->root < 0 && errno == EACCES)
		k->root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (k->root < 0)
		return refuse(errno, "%s: %s", path, strerrordesc_np(errno));
	if (fstatfs(k->root, &fs) < 0)
		return -errno;
	if (!k->controller && fs.f_type != CGROUP2_SUPER_MAGIC)
		return refuse(EMEDIUMTYPE, "%s is not on a cgroup2 file system", path);
	if (k->controller && fs.f_type != CGROUP_SUPER_MAGIC)
		return refuse(EMEDIUMTYPE, "%s is not on cgroup v1", path);
	if (statx(k->root, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_MNT_ID, &x) < 0)
		return -errno;
	k->root_ino = x.stx_ino;
	k->dev = makedev(x.stx_dev_major, x.stx_dev_minor);
	k->mount = x.stx_mask & STATX_MNT_ID ? x.stx_mnt_id : 0;
	return 0;
}

/* A daemon that can open nothing is better not started. */
static int probe_openat2(const struct kernel *k)
{
	cleanup_close int fd = at_open(k->root, ".", O_PATH | O_DIRECTORY);

	if (fd == -ENOSYS || fd == -EPERM)
		return refuse(-fd, "this kernel has no openat2(2) (Linux 5.6), or it is forbidden "
				   "(a seccomp filter, RestrictSUIDSGID= of systemd)");
	return fd < 0 ? fd : 0;
}

/* Each step leaves what kernel_destroy() can take apart, also when it fails. */
static int open_all(struct kernel *k, const char *path, const char *controller)
{
	int r;

	if (controller) {
		k->controller = strdup(controller);
		if (!k->controller)
			return -ENOMEM;
	}
	k->privileged = deputy_privileged();
	r = nodes_init(k);
	if (r == 0)
		r = kept_init(k);
	if (r == 0)
		r = named_init(k);
	if (r == 0)
		r = watch_new(k, &k->watch);
	if (r == 0)
		r = polling_new(k, &k->polling);
	if (r == 0)
		r = open_root(k, path);
	if (r == 0)
		r = probe_openat2(k);
	if (r == 0)
		r = locate_init(k);
	/* Of a hierarchy of v1 nobody is served. */
	return r < 0 || controller ? r : guard_init(k);
}

/* The policy is taken over. */
static int open_tree(const char *path, const char *controller, unsigned share,
		     struct policy *policy, struct kernel **ret_kernel)
{
	struct kernel *k = calloc(1, sizeof *k);
	int r;

	if (!k) {
		policy_free(policy);
		return -ENOMEM;
	}
	k->policy = policy;
	k->tree.ops = &kernel_ops;
	k->root = -1;
	pthread_mutex_init(&k->opened_lock, NULL);
	k->share = share;
	r = open_all(k, path, controller);
	if (r < 0) {
		kernel_destroy(&k->tree);
		return r;
	}
	nodes_probe(k);
	*ret_kernel = k;
	return 0;
}

int kernel_new(const char *path, struct policy *policy, struct tree **ret_tree)
{
	struct kernel *k;
	int r = open_tree(path, NULL, 1, policy, &k);

	if (r == 0)
		*ret_tree = &k->tree;
	return r;
}

static bool is_device(const struct kernel *k, const char *device)
{
	char ours[32];

	snprintf(ours, sizeof ours, "%u:%u", major(k->dev), minor(k->dev));
	return strcmp(ours, device) == 0;
}

int kernel_hierarchy_new(const struct kernel_hierarchy *h, struct tree **ret_tree)
{
	struct kernel *k;
	int r = open_tree(h->path, h->controller, h->share, NULL, &k);

	if (r < 0)
		return r;
	if (!is_device(k, h->device))
		r = refuse(EMEDIUMTYPE, "%s is hidden by another mount", h->path);
	else if (!k->base || !strncmp(k->base, "/..", 3))
		r = refuse(EXDEV, "%s was mounted from outside of this cgroup namespace, so that "
				  "nobody's place in it is known", h->path);
	if (r < 0)
		kernel_destroy(&k->tree);
	else
		*ret_tree = &k->tree;
	return r;
}
