/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A snapshot of a tree as plain files: what can be read, and the list of owners and modes. */
#include "ctlfs/export.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctlfs/cleanup.h"
#include "ctlfs/why.h"
#include "plain.h"

struct export {
	struct tree *tree;
	struct buf path; /* of what is being written, from the top; "" for it */
	struct buf list; /* of owners and modes */
	unsigned depth;
	bool told; /* the reason names the path */
};

static const char *path_text(const struct export *x)
{
	return x->path.len ? buf_text(&x->path) : ".";
}

static void list_add(struct export *x, const struct stat *st)
{
	buf_addf(&x->list, "%04o %u %u %s\n", st->st_mode & 07777, st->st_uid, st->st_gid,
		 path_text(x));
}

static int write_file(int dirfd, const char *name, const struct buf *text)
{
	cleanup_close int fd = openat(dirfd, name,
				      O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);

	if (fd < 0)
		return -errno;
	for (size_t done = 0; done < text->len;) {
		ssize_t n = write(fd, text->data + done, text->len - done);

		if (n < 0)
			return -errno;
		done += (size_t)n;
	}
	return 0;
}

static bool vanished(int r)
{
	return r == -ENOENT || r == -ENODEV;
}

/* Not all files with a mode for reading can be read: one of pids does not exist for threads. */
static int export_file(struct export *x, const struct tree_entry *entry, int dirfd)
{
	cleanup_buf struct buf text = { 0 };
	struct tree *t = x->tree;
	struct tree_file *file;
	struct stat st;
	int r = t->ops->stat(t, entry->node, NULL, &st);

	if (r < 0 || !(st.st_mode & 0444))
		return vanished(r) ? 0 : r;
	r = t->ops->open(t, &TREE_SELF, entry->node, O_RDONLY, &file);
	if (r == 0) {
		r = file->ops->read(file, &TREE_SELF, &text);
		file->ops->close(file);
	}
	if (vanished(r) || r == -EOPNOTSUPP || r == -EINVAL)
		return 0;
	if (r == 0)
		r = write_file(dirfd, entry->name, &text);
	if (r == 0)
		list_add(x, &st);
	return r;
}

static int export_dir(struct export *x, uint64_t node, int dirfd);

static int export_child(struct export *x, const struct tree_entry *entry, int dirfd)
{
	cleanup_close int fd = -1;
	int r;

	if (x->depth >= PLAIN_DEPTH_MAX)
		return refuse(EOVERFLOW, "deeper than %d", PLAIN_DEPTH_MAX);
	if (mkdirat(dirfd, entry->name, 0755) < 0)
		return -errno;
	fd = openat(dirfd, entry->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	x->depth++;
	r = export_dir(x, entry->node, fd);
	x->depth--;
	if (!vanished(r))
		return r;
	return unlinkat(dirfd, entry->name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

/* What fails first is what is told. */
static int complain(struct export *x, int r)
{
	if (r < 0 && !x->told)
		plain_refuse(r, path_text(x));
	x->told = x->told || r < 0;
	return r;
}

static int export_entry(struct export *x, const struct tree_entry *entry, int dirfd)
{
	size_t len = x->path.len;
	int r;

	buf_addf(&x->path, "%s%s", len ? "/" : "", entry->name);
	if (strchr(entry->name, '\n'))
		r = refuse(EINVAL, "a newline in a name");
	else if (buf_error(&x->path) < 0)
		r = -ENOMEM;
	else if (entry->dir)
		r = export_child(x, entry, dirfd);
	else
		r = export_file(x, entry, dirfd);
	complain(x, r);
	buf_cut(&x->path, len);
	return r;
}

/* Fails with -ENODEV, -ENOENT if the cgroup is gone, with nothing written. */
static int export_dir(struct export *x, uint64_t node, int dirfd)
{
	cleanup_tree_list struct tree_list list = { 0 };
	struct tree *t = x->tree;
	struct stat st;
	int r = t->ops->stat(t, node, NULL, &st);

	if (r == 0)
		r = t->ops->list(t, node, &list);
	if (r < 0)
		return r;
	list_add(x, &st);
	for (size_t i = 0; r == 0 && i < list.n; i++)
		r = export_entry(x, &list.entries[i], dirfd);
	return r;
}

/* Made, or found empty. */
static int open_target(const char *dir, int *ret_fd)
{
	cleanup_close int fd = -1;
	cleanup_closedir DIR *d = NULL;
	const struct dirent *e;
	int copy;

	if (mkdir(dir, 0755) < 0 && errno != EEXIST)
		return -errno;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	copy = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (copy < 0)
		return -errno;
	d = fdopendir(copy);
	if (!d) {
		close(copy);
		return -ENOMEM;
	}
	while ((e = readdir(d))) {
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			return refuse(ENOTEMPTY, "the directory is not empty");
	}
	*ret_fd = steal_fd(&fd);
	return 0;
}

static void export_free(struct export *x)
{
	buf_free(&x->path);
	buf_free(&x->list);
}

int tree_export(struct tree *t, const char *dir)
{
	__attribute__((cleanup(export_free))) struct export x = { .tree = t };
	cleanup_close int fd = -1;
	int r = open_target(dir, &fd);

	if (r < 0)
		return plain_refuse(r, dir);
	buf_adds(&x.list, PLAIN_HEAD);
	r = export_dir(&x, TREE_ROOT, fd);
	if (r == 0)
		r = buf_error(&x.list);
	if (r == 0)
		r = write_file(fd, PLAIN_LIST, &x.list);
	return complain(&x, r);
}
