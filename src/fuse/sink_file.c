/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The audit in a file. Each line is one write() to the end. Whoever rotates the file needs to tell
 * nobody: before a line it is looked whether the name still means the open file. The directory is
 * kept open and names are looked up in it alone, so that no path of ours is ever walked again.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctlfs/cleanup.h"
#include "ctlfs/why.h"
#include "sink.h"

struct file_sink {
	struct sink sink; /* first */
	int dir, fd;
	bool torn; /* the file ends with a piece of a line */
	char *path;
	const char *base; /* the name in dir */
};

static void file_close(struct sink *sink)
{
	struct file_sink *f = (struct file_sink *)sink;

	if (f->fd >= 0)
		close(f->fd);
	if (f->dir >= 0)
		close(f->dir);
	free(f->path);
	free(f);
}

/* A new fd of the file, or -errno: -EINVAL if it is no regular file. */
static int open_file(const struct file_sink *f)
{
	cleanup_close int fd = openat(f->dir, f->base,
				      O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY |
					      O_NOFOLLOW | O_NONBLOCK, 0600);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	return S_ISREG(st.st_mode) ? steal_fd(&fd) : -EINVAL;
}

/* After a rotation the file is another one. While that cannot be opened the old one is better than
 * none. */
static void follow_name(struct file_sink *f)
{
	struct stat there, ours;
	int fd;

	if (fstat(f->fd, &ours) < 0)
		return;
	if (fstatat(f->dir, f->base, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
	    there.st_ino == ours.st_ino && there.st_dev == ours.st_dev)
		return;
	fd = open_file(f);
	if (fd < 0)
		return;
	close(f->fd);
	f->fd = fd;
	f->torn = false;
}

static int write_all(struct file_sink *f, const char *text, size_t len)
{
	while (len) {
		ssize_t n = write(f->fd, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		text += n;
		len -= (size_t)n;
		f->torn = len > 0;
	}
	return 0;
}

static int file_put(struct sink *sink, const struct record *r, struct buf *line)
{
	struct file_sink *f = (struct file_sink *)sink;
	int error;

	(void)r;
	follow_name(f);
	buf_adds(line, "\n");
	error = buf_error(line);
	if (error == 0 && f->torn)
		error = write_all(f, "\n", 1);
	return error < 0 ? error : write_all(f, buf_text(line), line->len);
}

static const struct sink_ops file_ops = { .put = file_put, .close = file_close };

static int open_dir(const char *path, const char *base)
{
	cleanup_free char *dir = strndup(path, (size_t)(base - path));
	int fd = dir ? open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;

	if (!dir)
		return -ENOMEM;
	return fd < 0 ? refuse(errno, "%s: %s", dir, strerror(errno)) : fd;
}

int sink_file(const char *path, struct sink **ret_sink)
{
	struct file_sink *f = calloc(1, sizeof *f);
	const char *slash = strrchr(path, '/');
	int r = 0;

	if (!f)
		return -ENOMEM;
	*f = (struct file_sink){ .sink.ops = &file_ops, .dir = -1, .fd = -1 };
	f->path = strdup(path);
	if (!f->path)
		r = -ENOMEM;
	else if (*path != '/' || !slash[1])
		r = refuse(EINVAL, "'%s' is not syslog, journal or the absolute path of a "
				   "file", path);
	if (r == 0)
		r = f->dir = open_dir(path, slash + 1);
	if (r >= 0) {
		f->sink.name = f->path;
		f->base = f->path + (slash + 1 - path);
		r = f->fd = open_file(f);
		if (r == -EINVAL || r == -ENXIO || r == -ELOOP)
			refuse(-r, "%s is not a regular file", path);
		else if (r < 0)
			refuse(-r, "%s: %s", path, strerror(-r));
	}
	if (r < 0) {
		file_close(&f->sink);
		return r;
	}
	*ret_sink = &f->sink;
	return 0;
}
