/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where a process is: /proc/PID/cgroup names its cgroup by a path from the root of our cgroup
 * namespace. The tree's root has such a path too: mountinfo says which directory is mounted where.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "ctlfs/cleanup.h"
#include "ctlfs/kernel.h"
#include "ctlfs/mountinfo.h"
#include "ctlfs/parse.h"
#include "ctlfs/why.h"
#include "deputy.h"
#include "internal.h"

#define TYPICAL_MOUNT "/sys/fs/cgroup"

/* The first one, or the one at the usual place. */
static int find_mountpoint(void *data, const struct mountinfo *mount)
{
	struct buf *out = data;

	if (strcmp(mount->type, "cgroup2") != 0)
		return 0;
	if (!out->len || !strcmp(mount->point, TYPICAL_MOUNT)) {
		buf_reset(out);
		buf_adds(out, mount->point);
	}
	return buf_error(out);
}

int kernel_mountpoint(struct buf *out)
{
	cleanup_buf struct buf found = { 0 };
	int r = mountinfo_each(find_mountpoint, &found);

	if (r < 0)
		return r;
	if (!found.len)
		return refuse(ENOENT, "no cgroup2 file system is mounted");
	buf_add(out, found.data, found.len);
	return buf_error(out);
}

/* If path is dir or lies below it, what follows ("", "/a/b"); else NULL. */
static const char *below(const char *path, const char *dir)
{
	size_t len = strcmp(dir, "/") ? strlen(dir) : 0;

	if (strncmp(path, dir, len) || (path[len] && path[len] != '/'))
		return NULL;
	return path[len] == '/' && !path[len + 1] ? "" : path + len;
}

/* k->base from the mount that is at mount.point and the root's path below it. */
static int set_base(struct kernel *k, const struct mountinfo *mount)
{
	char path[PATH_MAX], link[64];
	const char *rest;
	ssize_t len;

	snprintf(link, sizeof link, "/proc/self/fd/%d", k->root);
	len = readlink(link, path, sizeof path - 1);
	if (len < 0)
		return -errno;
	path[len] = '\0';
	rest = below(path, mount->point);
	if (!rest)
		return 0;
	if (asprintf(&k->base, "%s%s", strcmp(mount->root, "/") ? mount->root : "", rest) < 0) {
		k->base = NULL;
		return -ENOMEM;
	}
	return 0;
}

struct base_search {
	struct kernel *kernel;
	int id;
};

static int find_base(void *data, const struct mountinfo *mount)
{
	const struct base_search *search = data;

	return mount->id == search->id ? set_base(search->kernel, mount) : 0;
}

int locate_init(struct kernel *k)
{
	struct base_search search = { .kernel = k };
	int r = mountinfo_of(AT_FDCWD, k->root, &search.id);

	return r < 0 ? r : mountinfo_each(find_base, &search);
}

/* The path in the line "NUMBER:CONTROLLERS:PATH" of k's hierarchy. That of cgroup v2 alone has no
 * controllers and number 0. */
static char *own_path(const struct kernel *k, char *text)
{
	char *line;

	while ((line = strsep(&text, "\n"))) {
		char *list = strchr(line, ':');
		char *path = list ? strchr(list + 1, ':') : NULL;

		if (!k->controller && !strncmp(line, "0::", 3))
			return line + 3;
		if (!k->controller || !path)
			continue;
		*path = '\0';
		if (parse_has_word(list + 1, k->controller, ","))
			return path + 1;
	}
	return NULL;
}

/* The directory at path, which begins with a slash or is empty. */
static int dir_at(struct kernel *k, const char *path, uint64_t *ret_dir)
{
	cleanup_close int fd = -1;
	struct stat st;
	int r;

	/* Without handles a directory is only found again if its path was walked. */
	if (!*path || !k->handles)
		return tree_walk(&k->tree, path, ret_dir);
	fd = at_open(k->root, path + 1, O_PATH | O_DIRECTORY);
	if (fd < 0)
		return fd;
	r = at_stat(k, fd, "", &st);
	if (r == 0)
		*ret_dir = st.st_ino;
	return r;
}

static bool is_outside(const char *path)
{
	return !strcmp(path, "/..") || !strncmp(path, "/../", 4);
}

static int count_names(const char *path)
{
	int n = 0;

	for (; *path; path++)
		n += *path == '/' && path[1];
	return n;
}

/* The directory at a path from the root of our cgroup namespace. */
static int dir_from_base(struct kernel *k, const char *full, uint64_t *ret_dir)
{
	const char *path = k->base ? below(full, *k->base ? k->base : "/") : NULL;
	int r;

	/* A zombie's cgroup may be gone: "/a (deleted)", which is no directory then. */
	if (!path || is_outside(path))
		return -ENOENT;
	r = dir_at(k, path, ret_dir);
	return r == -ENODEV || r == -ENOTDIR ? -ENOENT : r;
}

/* text is cut up. */
static int locate_in(struct kernel *k, char *text, uint64_t *ret_dir)
{
	const char *full = own_path(k, text);

	return full ? dir_from_base(k, full, ret_dir) : -ENOENT;
}

int kernel_hierarchy_locate(struct tree *t, const char *text, uint64_t *ret_dir)
{
	cleanup_free char *copy = strdup(text);

	return copy ? locate_in(kernel_of(t), copy, ret_dir) : -ENOMEM;
}

int locate_open(struct kernel *k, const char *text, const char *name)
{
	cleanup_free char *copy = strdup(text);
	cleanup_buf struct buf path = { 0 };
	const char *full = copy ? own_path(k, copy) : NULL;
	int fd;

	if (!full || !k->base || is_outside(full) || is_outside(k->base))
		return copy ? -ENOENT : -ENOMEM;
	for (int up = count_names(k->base); up > 0; up--)
		buf_adds(&path, "../");
	buf_addf(&path, "./%s/%s", full, name);
	if (buf_error(&path) < 0)
		return -ENOMEM;
	fd = openat(k->root, path.data, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int kernel_read_places(pid_t pid, struct buf *text)
{
	char name[64];
	int r;

	if (pid <= 0)
		return -ESRCH;
	snprintf(name, sizeof name, "/proc/%d/cgroup", pid);
	r = buf_readat(text, AT_FDCWD, name, 1u << 20);
	return r == -ENOENT ? -ESRCH : r;
}

int locate_process(struct tree *t, pid_t pid, uint64_t *ret_dir)
{
	cleanup_buf struct buf text = { 0 };
	int r = kernel_read_places(pid, &text);

	return r < 0 ? r : locate_in(kernel_of(t), text.data, ret_dir);
}

/* --- the root of a cgroup namespace --- */

/* Appends where the process or thread is, from the root of the reader's namespace. */
static int read_path(const struct kernel *k, pid_t pid, struct buf *out)
{
	cleanup_buf struct buf text = { 0 };
	int r = kernel_read_places(pid, &text);
	const char *path;

	if (r < 0)
		return r;
	path = own_path(k, text.data);
	if (!path)
		return -ENOENT;
	buf_adds(out, path);
	return buf_error(out);
}

/* From inside one: where the daemon is, and whether its member pid is below its root. */
struct ns_job {
	const struct kernel *kernel;
	pid_t pid;
	struct buf daemon;
	bool outside;
};

static int do_look(void *arg)
{
	cleanup_buf struct buf member = { 0 };
	struct ns_job *job = arg;
	int r = read_path(job->kernel, gettid(), &job->daemon);

	if (r == 0)
		r = read_path(job->kernel, job->pid, &member);
	job->outside = is_outside(buf_text(&member));
	return r;
}

/* How deep the namespace's root lies: from there, path leads up and then down to the cgroup at own.
 */
static int depth_of_root(const char *path, const char *own)
{
	int up = 0;

	for (; !strncmp(path, "/..", 3) && (!path[3] || path[3] == '/'); path += 3)
		up++;
	return up + count_names(own) - count_names(path);
}

/* Cuts path behind its first n names: false if it has fewer. */
static bool cut_path(struct buf *path, int n)
{
	size_t at = 0;

	if (n < 0 || n > count_names(buf_text(path)))
		return false;
	for (; n > 0; n--)
		at = (size_t)(strchrnul(path->data + at + 1, '/') - path->data);
	buf_cut(path, at);
	if (!at)
		buf_adds(path, "/");
	return true;
}

/*
 * No interface names that root. Only its depth can be had: by where we are ourselves, seen from
 * there, as nobody moves us meanwhile. Its names are the first ones of the path of any member.
 */
int locate_ns_root(struct kernel *k, pid_t pid, uint64_t *ret_dir)
{
	cleanup_buf struct buf own = { 0 }, full = { 0 };
	struct ns_job job = { .kernel = k, .pid = pid };
	int r = read_path(k, getpid(), &own);

	if (r == 0)
		r = deputy_in_cgroup_ns(pid, do_look, &job);
	if (r == 0)
		r = read_path(k, pid, &full);
	if (r == 0 && (job.outside || is_outside(buf_text(&own)) || is_outside(buf_text(&full)) ||
		       !cut_path(&full, depth_of_root(buf_text(&job.daemon), buf_text(&own)))))
		r = -ENOENT;
	if (r == 0 && k->base && *k->base && below(k->base, buf_text(&full)))
		*ret_dir = TREE_ROOT;
	else if (r == 0)
		r = dir_from_base(k, buf_text(&full), ret_dir);
	buf_free(&job.daemon);
	return r;
}
