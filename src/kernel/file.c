/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Interface files passed through to the kernel, for those whom guard.c lets do it. Opening for
 * writing and writing is done with the caller's rights, but for what a policy gives to a container;
 * reading needs none beyond what the front end checks. Pids are translated, those that are written
 * in move.c: the kernel would take them to be the daemon's.
 *
 * The daemon's own reads share one kept fd per file; everybody else has an fd to himself, since the
 * kernel keeps state in it (memory.peak, pressure triggers).
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "ctlfs/cleanup.h"
#include "ctlfs/pidns.h"
#include "ctlfs/why.h"
#include "deputy.h"
#include "guard.h"
#include "internal.h"
#include "move.h"
#include "policy.h"

struct kernel_file {
	struct tree_file file; /* first */
	struct opened own; /* its fd, or -1 */
	struct kept *kept; /* or shared */
	struct polled *polled; /* if it was ever polled, or has a trigger */
	struct party opener;
	uint64_t dir;
	bool pids;
	char *name;
};

static struct kernel_file *file_of(struct tree_file *f)
{
	return (struct kernel_file *)f;
}

bool holds_pids(const char *name)
{
	return !strcmp(name, "cgroup.procs") || !strcmp(name, "cgroup.threads");
}

/* cgroup.pressure turns the others on and off. */
static bool holds_trigger(const char *name)
{
	const char *dot = strrchr(name, '.');

	return dot && !strcmp(dot, ".pressure") && strcmp(name, "cgroup.pressure");
}

static int read_fd(struct kernel_file *f, struct buf *out)
{
	if (f->kept) {
		guard_mutex(&f->kept->reading);

		return buf_pread(out, f->kept->fd, READ_MAX);
	}
	return buf_pread(out, f->own.fd, READ_MAX);
}

static int read_text(struct kernel_file *f, struct buf *out)
{
	int r = read_fd(f, out);

	if (r == -ENODEV && f->kept)
		kept_drop(f->kept->kernel, f->file.node);
	return r;
}

/* The numbers in text; *ret_pids is allocated. */
static int parse_pids(const char *text, pid_t **ret_pids, size_t *ret_n)
{
	cleanup_free pid_t *pids = NULL;
	size_t n = 0, cap = 0;
	char *end;

	for (const char *p = text; *p; p = *end ? end + 1 : end) {
		if (n == cap) {
			pid_t *grown = reallocarray(pids, cap + 256, sizeof *grown);

			if (!grown)
				return -ENOMEM;
			pids = grown;
			cap += 256;
		}
		pids[n++] = (pid_t)strtol(p, &end, 10);
		if (end == p)
			return -EIO;
	}
	*ret_pids = steal_ptr(&pids);
	*ret_n = n;
	return 0;
}

/* Pids in the reader's namespace. Who is invisible to us sees none of ours. */
static int read_pids(struct kernel_file *f, const struct caller *reader, struct buf *out)
{
	cleanup_buf struct buf text = { 0 };
	cleanup_free pid_t *pids = NULL;
	size_t n = 0;
	int r = read_text(f, &text);

	if (r == 0)
		r = parse_pids(buf_text(&text), &pids, &n);
	if (r < 0)
		return r;
	if (reader->pid > 0)
		r = pidns_show_all(reader->pid, pids, n);
	else if (n > 0)
		memset(pids, 0, n * sizeof *pids);
	if (r < 0)
		return refuse(r == -ESRCH ? EINTR : -r,
			      "the pid namespace of process %d cannot be looked at", reader->pid);
	for (size_t i = 0; i < n; i++) {
		buf_addu(out, (uint64_t)pids[i]);
		buf_adds(out, "\n");
	}
	return buf_error(out);
}

static int kernel_read(struct tree_file *file, const struct caller *reader, struct buf *out)
{
	struct kernel_file *f = file_of(file);
	int r;

	if (f->pids && reader != &TREE_SELF)
		r = read_pids(f, reader, out);
	else
		r = read_text(f, out);
	return r < 0 ? reason_read(f->name, -r) : 0;
}

int write_job_do(void *arg)
{
	struct write_job *job = arg;

	job->asked = true;
	return write(job->fd, job->text, job->len) < 0 ? -errno : 0;
}

/* Both have to be let: who writes now, and who opened the file and may have passed it on, or may
 * have been somebody else then. */
static int may_write(struct kernel_file *f, const struct caller *writer, struct party *ret_party,
		     const struct rule **ret_rule)
{
	struct target target = { f->dir, f->name };
	struct kernel *k = kernel_of(f->file.tree);
	const struct rule *given = NULL, *was_given = NULL;
	int r = guard_party(k, writer, ret_party);

	if (r == 0)
		r = guard_allows(k, ret_party, &target, ACT_WRITE, &given);
	if (r == 0)
		r = guard_allows(k, &f->opener, &target, ACT_WRITE, &was_given);
	if (r == 0)
		*ret_rule = was_given ? was_given : given;
	return r;
}

static int write_pid(struct kernel_file *f, const struct caller *writer, const struct party *party,
		     char *text, struct write_job *job)
{
	struct move move = { .fd = job->fd, .dir = f->dir, .name = f->name, .writer = writer,
			     .parties = { party, &f->opener } };
	int r = move_task(kernel_of(f->file.tree), &move, text, job->len);

	job->asked = move.asked;
	return r;
}

/* What a policy gives is written by the daemon itself. */
static int write_given(struct kernel_file *f, const struct rule *rule, char *text,
		       struct write_job *job)
{
	cleanup_buf struct buf now = { 0 }, value = { 0 };
	int r = 0;

	if (rule->verb != VERB_CEILING)
		return write_job_do(job);
	if (job->len > WRITE_MAX)
		return refuse(E2BIG, "more than %d bytes in one write", WRITE_MAX);
	if (!strcmp(f->name, "cpu.max"))
		r = tree_read(f->file.tree, f->dir, f->name, &now);
	if (r == 0)
		r = ceiling_apply(rule, buf_text(&now), text, &value);
	if (r < 0) {
		job->asked = r == -EINVAL || r == -ERANGE; /* the kernel's answer, and its reason */
		return r;
	}
	job->text = value.data;
	job->len = value.len;
	return write_job_do(job);
}

static int kernel_write(struct tree_file *file, const struct caller *writer, char *text, size_t len)
{
	struct kernel *k = kernel_of(file->tree);
	struct kernel_file *f = file_of(file);
	struct write_job job = { .fd = f->own.fd, .text = text, .len = len };
	cleanup_free char *given = NULL;
	const struct rule *rule = NULL;
	struct party party;
	int r;

	if (f->own.fd < 0)
		return -EBADF;
	r = may_write(f, writer, &party, &rule);
	if (r < 0)
		return r;
	given = f->pids || rule ? strdup(text) : NULL;
	if ((f->pids || rule) && !given)
		return -ENOMEM;
	if (f->pids)
		r = write_pid(f, writer, &party, text, &job);
	else if (rule)
		r = write_given(f, rule, text, &job);
	else
		r = deputy_run(k->privileged, writer, write_job_do, &job);
	if (r == 0 && holds_trigger(f->name))
		polled_trigger(k->polling, &f->polled, &f->own);
	return job.asked && r < 0 ? reason_write(k, f->dir, f->name, given ? given : text, -r) : r;
}

/* The file's own state is the answer: what was read, whether the cgroup is there. */
static unsigned kernel_poll(struct tree_file *file)
{
	struct polling *polling = kernel_of(file->tree)->polling;
	struct kernel_file *f = file_of(file);
	struct pollfd pollfd = {
		.fd = f->own.fd,
		.events = POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM | POLLPRI,
	};

	if (f->own.fd < 0)
		return 0;
	polled_begin(polling, &f->polled, &f->own);
	if (poll(&pollfd, 1, 0) < 0)
		return 0;
	if (polled_take(polling, &f->polled))
		pollfd.revents |= POLLPRI;
	return (unsigned short)pollfd.revents;
}

static void kernel_close(struct tree_file *file)
{
	struct kernel *k = kernel_of(file->tree);
	struct kernel_file *f = file_of(file);

	polled_end(k->polling, &f->polled);
	opened_remove(k, &f->own);
	if (f->own.fd >= 0)
		close(f->own.fd);
	kept_release(&f->kept);
	free(f->name);
	free(f);
}

static const struct tree_file_ops kernel_file_ops = {
	.read = kernel_read,
	.write = kernel_write,
	.poll = kernel_poll,
	.close = kernel_close,
};

struct open_job {
	int dirfd;
	const char *name;
	int flags;
	int fd; /* the result */
	bool asked; /* the kernel answered, not the deputy */
};

static int do_open(void *arg)
{
	struct open_job *job = arg;

	job->asked = true;
	job->fd = at_open(job->dirfd, job->name, job->flags);
	return job->fd < 0 ? job->fd : 0;
}

/* Opens the file at place for who. Reading is not the kernel's to refuse. */
static int open_place(struct kernel *k, const struct caller *who, uint64_t node,
		      const struct place *place, struct open_job *job)
{
	cleanup_kept struct kept *dir = NULL;
	struct stat st;
	int r = kept_dir(k, place->dir, &dir);

	if (r < 0)
		return r;
	job->dirfd = dir->fd;
	job->name = place->name;
	if (job->flags == O_RDONLY || who == &TREE_SELF)
		r = do_open(job);
	else
		r = deputy_run(k->privileged, who, do_open, job);
	if (r < 0 && job->asked && r == -EACCES)
		return refuse(EACCES, "user %u may not write it", who->uid);
	if (r < 0)
		return r == -ENOENT ? -ENODEV : r;
	r = at_stat(k, job->fd, "", &st);
	if (r == 0 && st.st_ino == node) {
		struct tree_entry entry = { .name = place->name, .node = node };

		watch_file(k->watch, place->dir, dir->fd, &entry);
		return 0;
	}
	close(job->fd);
	return -ENODEV;
}

/* Whose rights open the file at place for who: *ret_as. */
static int may_open(struct kernel_file *f, const struct caller *who, int flags,
		    const struct place *place, const struct caller **ret_as)
{
	struct target target = { place->dir, place->name };
	struct kernel *k = kernel_of(f->file.tree);
	const struct rule *rule = NULL;
	int r = guard_party(k, who, &f->opener);

	if (r == 0 && flags != O_WRONLY)
		r = guard_allows(k, &f->opener, &target, ACT_READ, NULL);
	if (r == 0 && flags != O_RDONLY)
		r = guard_allows(k, &f->opener, &target, ACT_OPEN, &rule);
	if (r == 0)
		*ret_as = rule ? &TREE_SELF : who;
	return r;
}

/* Fills f->own or f->kept. */
static int open_into(struct kernel *k, const struct caller *who, int flags, struct kernel_file *f)
{
	const struct caller *as = who;
	struct open_job job = { .flags = flags, .fd = -1 };
	cleanup_place struct place place = { 0 };
	bool shared = flags == O_RDONLY && who == &TREE_SELF;
	int r = node_place(k, f->file.node, &place);

	if (r < 0)
		return r;
	if (place.is_dir)
		return -EISDIR;
	r = may_open(f, who, flags, &place, &as);
	if (r < 0)
		return r;
	f->dir = place.dir;
	f->pids = holds_pids(place.name);
	/* An open list of pids of v1 goes on telling what it told a second ago. */
	if (k->controller && f->pids)
		shared = false;
	if (shared)
		f->kept = kept_find(k, f->file.node);
	if (!f->kept)
		r = open_place(k, as, f->file.node, &place, &job);
	if (r < 0)
		return r;
	if (shared && !f->kept) {
		f->kept = kept_add(k, f->file.node, job.fd);
		if (!f->kept)
			return -ENOMEM;
	} else if (!shared) {
		f->own.fd = job.fd;
		opened_add(k, &f->own);
	}
	f->name = steal_ptr(&place.name);
	return 0;
}

int kernel_file_open(struct tree *t, const struct caller *who, uint64_t node, int flags,
		     struct tree_file **ret_file)
{
	struct kernel *k = kernel_of(t);
	struct kernel_file *f;
	int r;

	node = node_number(k, node);
	if (node == TREE_ROOT)
		return -EISDIR;
	f = calloc(1, sizeof *f);
	if (!f)
		return -ENOMEM;
	f->file = (struct tree_file){ .ops = &kernel_file_ops, .tree = t, .node = node };
	f->own = (struct opened){ .node = node, .fd = -1 };
	r = open_into(k, who, flags & O_ACCMODE, f);
	if (r < 0) {
		kernel_close(&f->file);
		return r;
	}
	*ret_file = &f->file;
	return 0;
}
