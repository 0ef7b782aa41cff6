/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Finding a ctlfs and the container of a process in it, and copying mounts of its files. */
#include "source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "container.h"
#include "ctlfs/cleanup.h"
#include "ctlfs/parse.h"
#include "ctlfs/tree.h"
#include "ctlfs/why.h"
#include "mounts.h"

#define LINK_MAX_LEN 4096

void source_close(struct source *s)
{
	free(s->mount);
	cleanup_close_p(&s->dir);
	buf_free(&s->path);
	mounttable_free(&s->mounts);
	*s = SOURCE_INIT;
}

static int open_mount(struct source *s, const char *mount, int proc)
{
	cleanup_free char *chosen = NULL;
	int id;
	int r = mounts_choose(mount, &chosen);

	if (r < 0)
		return r;
	s->mount = realpath(chosen, NULL);
	if (!s->mount)
		return refuse(errno, "%s: %s", chosen, strerror(errno));
	s->dir = open(s->mount, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (s->dir < 0)
		return refuse(errno, "%s: %s", s->mount, strerror(errno));
	r = mounttable_read(proc, &s->mounts);
	if (r == 0)
		r = mountinfo_of(proc, s->dir, &id);
	if (r < 0)
		return r;
	s->row = mounttable_find(&s->mounts, id);
	if (!s->row || !mounttable_is_ctlfs(s->row) || strcmp(s->row->point, s->mount) != 0)
		return refuse(ENOENT, "no ctlfs is mounted on %s", s->mount);
	if (!parse_has_word(s->row->options, "allow_other", ","))
		return refuse(EACCES, "%s was mounted without allow_other: nobody else could read "
				      "the views", s->mount);
	return 0;
}

/* Appends the target of a symbolic link. */
static int read_link(const struct source *s, const char *path, struct buf *out)
{
	char text[LINK_MAX_LEN];
	ssize_t n = readlinkat(s->dir, path, text, sizeof text);

	if (n < 0)
		return -errno;
	buf_add(out, text, (size_t)n);
	return (size_t)n == sizeof text ? -ENAMETOOLONG : buf_error(out);
}

static int refuse_answer(const struct source *s, pid_t pid, int r)
{
	if (r == -ENOENT || r == -ESRCH)
		return refuse(ENOENT, "process %d is in no cgroup of the tree that %s shows", pid,
			      s->mount);
	if (r == -ENOTCONN)
		return refuse(ENOTCONN, "the daemon of %s is dead: unmount it and mount it anew",
			      s->mount);
	return refuse(-r, "%s: %s", s->mount, strerror(-r));
}

/* The container's path in the tree, if there is a tree. */
static int find_path(struct source *s)
{
	static const char above[] = "../../cgroup";
	cleanup_buf struct buf text = { 0 };
	char name[64];
	int r;

	s->tree = faccessat(s->dir, "cgroup", F_OK, 0) == 0;
	if (!s->tree)
		return errno == ENOENT ? 0 : -errno;
	snprintf(name, sizeof name, "view/%llu/cgroup", (unsigned long long)s->id);
	r = read_link(s, name, &text);
	if (r == 0 && strncmp(buf_text(&text), above, strlen(above)) != 0)
		r = -EPROTO;
	if (r < 0)
		return r;
	buf_adds(&s->path, buf_text(&text) + strlen(above));
	if (!s->path.len)
		buf_adds(&s->path, "/");
	return buf_error(&s->path);
}

static int find_container(struct source *s, pid_t pid)
{
	cleanup_buf struct buf text = { 0 };
	char name[64];
	int r;

	snprintf(name, sizeof name, "view/pid-%d", pid);
	r = read_link(s, name, &text);
	if (r == 0)
		r = parse_u64(buf_text(&text), 10, &s->id);
	if (r == 0)
		r = find_path(s);
	return r < 0 ? refuse_answer(s, pid, r) : 0;
}

/* Only the root of a part of a hierarchy has a type. */
static int check_container(const struct source *s, pid_t pid)
{
	if (s->id != TREE_ROOT || faccessat(s->dir, "cgroup/cgroup.type", F_OK, 0) == 0)
		return 0;
	return refuse(EINVAL, "process %d is in the root cgroup: its views are those of the "
			      "machine", pid);
}

int source_open(const char *mount, int proc, pid_t pid, struct source *ret_source)
{
	struct source s = SOURCE_INIT;
	int r = open_mount(&s, mount, proc);

	if (r == 0)
		r = find_container(&s, pid);
	if (r == 0)
		r = check_container(&s, pid);
	if (r < 0) {
		source_close(&s);
		return r;
	}
	*ret_source = s;
	return 0;
}

/* Private: else a mount that the container makes on top of it would appear on the host, too. */
static int make_private(const char *what, int fd)
{
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
		.propagation = MS_PRIVATE,
	};

	if (mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof attr) == 0)
		return 0;
	return refuse(errno, "%s: mount_setattr: %s%s", what, strerror(errno),
		      errno == ENOSYS ? " (Linux 5.12)" : "");
}

int source_clone(const struct source *s, const struct bind *bind, int *ret_fd)
{
	unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_NO_AUTOMOUNT;
	cleanup_close int fd = open_tree(s->dir, bind->source, flags);
	int r;

	if (fd < 0)
		return refuse(errno, "%s/%s: open_tree: %s%s", s->mount, bind->source,
			      strerror(errno), errno == ENOSYS ? " (Linux 5.2)" : "");
	r = make_private(bind->source, fd);
	if (r == 0)
		*ret_fd = steal_fd(&fd);
	return r;
}
