/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Open files. As in kernfs, a read from offset 0, or from where the last one did not end, takes a
 * snapshot and the reads after it go on in the same one, so that all lines agree; a write is one
 * command.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "ctlfs/cleanup.h"
#include "ctlfs/pidns.h"
#include "ctlfs/why.h"
#include "session.h"

static void handle_free(struct handle *h)
{
	errlog_close(h->errors); /* nobody wakes it any more */
	events_remove(h);
	if (h->file)
		h->file->ops->close(h->file);
	buf_free(&h->text);
	bounds_drop(h->server, BOUND_FILES, &h->files);
	bounds_drop(h->server, BOUND_PAGES, &h->pages);
	pthread_mutex_destroy(&h->lock);
	free(h);
}

/* A reply lets the kernel send the RELEASE of the same file, which another worker may serve before
 * this one has let go of the lock: so whoever replies holds a reference of his own. */
static struct handle *handle_get(const struct fuse_file_info *fi)
{
	struct handle *h = handle_of(fi);

	atomic_fetch_add_explicit(&h->refs, 1, memory_order_relaxed);
	return h;
}

void file_put(struct handle *h)
{
	if (atomic_fetch_sub_explicit(&h->refs, 1, memory_order_acq_rel) == 1)
		handle_free(h);
}

/* Those whose RELEASE did not come before the end. */
void file_close_all(struct server *s)
{
	struct handle *h;

	while ((h = events_any(s)))
		handle_free(h);
}

static struct handle *handle_new(struct server *s, uint64_t node)
{
	struct handle *h = calloc(1, sizeof *h);

	if (!h)
		return NULL;
	h->refs = 1;
	h->server = s;
	h->node = node;
	h->changed = true; /* a fresh fd polls POLLERR|POLLPRI until its first read */
	pthread_mutex_init(&h->lock, NULL);
	events_add(h);
	return h;
}

static int open_tree(fuse_req_t req, struct handle *h, int flags)
{
	struct tree *t = h->server->config.tree;
	struct caller who = caller_of(req);

	/* One that could be read would need a file. */
	if (events_is_echo(req) && (flags & O_ACCMODE) == O_WRONLY) {
		h->echo = true;
		return 0;
	}
	return t->ops->open(t, &who, node_rest(h->node), flags & O_ACCMODE, &h->file);
}

/* Of one that stands for a file of the tree that file is opened: from then on it is that one. */
static int open_view(fuse_req_t req, struct handle *h, int flags)
{
	struct view *v = h->server->config.view;
	uint64_t node;
	int r = 0;

	h->container = node_container(h->node);
	if (h->container == NODE_CALLER)
		r = view_container(v, caller_of(req).pid, &h->container);
	if (r < 0)
		return r;
	r = view_relay(v, h->container, node_slot(h->node), &node);
	if (r == -ENOENT && ((flags & O_ACCMODE) == O_RDONLY ||
			     view_opens_to_write(node_slot(h->node))))
		return 0;
	if (r == -ENOENT)
		return refuse(EACCES, "a view is only read");
	if (r < 0)
		return r;
	events_remove(h);
	h->node = node_make(NODE_TREE, node);
	events_add(h);
	return open_tree(req, h, flags);
}

static void wake(void *data)
{
	events_wake(data);
}

/* Whose refusals a reader may see. Who is not known sees no one's: nobody's container counts as the
 * root otherwise. */
static int log_container(struct server *s, pid_t reader, uint64_t *ret_container)
{
	if (reader <= 0)
		return refuse(EACCES, "the calling process is in a pid namespace that is not seen "
				      "from here");
	return view_container(s->config.view, reader, ret_container);
}

/* The log of refusals is that of who opens it. */
static int open_log(fuse_req_t req, struct handle *h, bool json)
{
	struct server *s = h->server;
	struct errlog_want want = { .json = json, .wake = wake, .data = h };
	int r = log_container(s, caller_of(req).pid, &h->container);

	want.container = h->container;
	return r < 0 ? r : errlog_open(&s->errors, &want, &h->errors);
}

static int open_ctl(fuse_req_t req, struct handle *h, int flags)
{
	size_t row = h->node - TOP_CTL_FILE;
	enum ctl_log log = ctl_log(row);

	if ((flags & O_ACCMODE) != O_RDONLY && !(ctl_mode(row) & S_IWUSR))
		return refuse(EACCES, "the file is only read");
	return log == CTL_NO_LOG ? 0 : open_log(req, h, log == CTL_LOG_JSON);
}

static int open_any(fuse_req_t req, struct handle *h, int flags)
{
	int r = bounds_take(h->server, BOUND_FILES, fuse_req_ctx(req)->pid, 1, &h->files);

	if (r < 0)
		return r;
	if (flags & O_DIRECT)
		return -EINVAL;
	switch (node_kind(h->node)) {
	case NODE_TREE:
		return open_tree(req, h, flags);
	case NODE_VIEW:
		return open_view(req, h, flags);
	default:
		return open_ctl(req, h, flags);
	}
}

void op_open(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi)
{
	struct server *s = server_of(req);
	struct handle *h = handle_new(s, node);
	int r = h ? open_any(req, h, fi->flags) : -ENOMEM;

	count(s, STAT_OPENS);
	if (r < 0) {
		reply_refused(req, r, &(struct attempt){ "open", node });
		if (h)
			handle_free(h);
		return;
	}
	fi->fh = (uint64_t)(uintptr_t)h;
	fi->direct_io = 1; /* sizes are 0 and contents live: nothing is cached */
	fi->noflush = 1; /* close() costs no round trip */
	if (fuse_reply_open(req, fi) < 0)
		handle_free(h);
}

static int take_snapshot(struct handle *h, const struct caller *reader)
{
	struct server *s = h->server;

	buf_reset(&h->text);
	switch (node_kind(h->node)) {
	case NODE_TREE:
		events_read(h);
		return h->file->ops->read(h->file, reader, &h->text);
	case NODE_VIEW:
		return view_render(s->config.view, h->container, node_slot(h->node), &h->text);
	default:
		return ctl_render(s, h->node - TOP_CTL_FILE, reader, &h->text);
	}
}

/* A file that was opened here may be read from elsewhere, with the eyes of a container that is the
 * opener's or has it inside, and no others. */
static int check_reader(struct handle *h, const struct caller *reader)
{
	struct server *s = h->server;
	uint64_t own;
	int r = log_container(s, reader->pid, &own);

	if (r < 0 || own == h->container || tree_inside(s->config.tree, h->container, own))
		return r;
	return refuse(EACCES, "the file was opened in another container");
}

/* The next piece of the log: a read goes on where the last one ended, and finds nothing when there
 * is nothing new; at offset 0 it begins again. */
static int take_piece(struct handle *h, const struct caller *reader, size_t from)
{
	uint64_t pidns = 0;
	int r = check_reader(h, reader);

	if (r < 0)
		return r;
	if (from != h->next_read && from != 0)
		return refuse(ESPIPE, "it is read from its beginning, or on from the last read");
	if (from != h->next_read) {
		errlog_rewind(h->errors);
	} else if (from < h->text_at + h->text.len) {
		return 0;
	}
	pidns_id(reader->pid, &pidns);
	buf_reset(&h->text);
	h->text_at = from;
	return errlog_read(h->errors, pidns, &h->text);
}

bool file_is_gone(const struct handle *h)
{
	struct tree *t = h->server->config.tree;
	struct stat st;

	return t->ops->stat(t, node_rest(h->node), NULL, &st) == -ENODEV;
}

/* Of a snapshot, new unless the read goes on in the last one: 0, or -errno where there is none, or
 * where it has been read to its end and there is no file any more that might go on. */
static int have_text(struct handle *h, const struct caller *reader, size_t from)
{
	int r = 0;

	if (h->errors)
		return take_piece(h, reader, from);
	if (from == 0 || !h->taken || from != h->next_read) {
		r = take_snapshot(h, reader);
		h->taken = r == 0;
	} else if (from >= h->text.len && h->file && file_is_gone(h)) {
		r = -ENODEV;
	}
	return r;
}

/* What is read stays with the file until it is closed. */
static int keep_text(struct handle *h, const struct caller *reader)
{
	size_t pages = h->text.cap / BOUND_PAGE;
	int r = bounds_resize(h->server, BOUND_PAGES, reader->pid, pages, &h->pages);

	if (r < 0) {
		buf_free(&h->text);
		h->taken = false;
	}
	return r;
}

/* With the lock. */
static void read_and_reply(fuse_req_t req, struct handle *h, const struct caller *reader,
			   size_t size, size_t from)
{
	size_t at;
	int r = have_text(h, reader, from);

	if (r == 0)
		r = keep_text(h, reader);
	if (r < 0) {
		reply_refused(req, r, &(struct attempt){ "read", h->node });
		return;
	}
	h->next_read = from;
	at = from - h->text_at;
	if (at >= h->text.len) {
		fuse_reply_buf(req, NULL, 0);
		return;
	}
	if (size > h->text.len - at)
		size = h->text.len - at;
	h->next_read += size;
	fuse_reply_buf(req, h->text.data + at, size);
}

/* With the lock, which it lets go. */
static void end_read(struct call *c)
{
	struct caller reader = caller_of(c->req);

	read_and_reply(c->req, c->h, &reader, c->size, (size_t)c->off);
	pthread_mutex_unlock(&c->h->lock);
	file_put(c->h);
}

/* A long write to the same open file lets one wait for the lock. */
static void serve_read(struct call *c, int r)
{
	if (r < 0) {
		reply_refused(c->req, r, &(struct attempt){ "read", c->h->node });
		file_put(c->h);
		return;
	}
	pthread_mutex_lock(&c->h->lock);
	turn_over(c);
	end_read(c);
}

void op_read(fuse_req_t req, fuse_ino_t node, size_t size, off_t off, struct fuse_file_info *fi)
{
	struct call c = { serve_read, req, handle_get(fi), node, .size = size, .off = off };

	count(c.h->server, STAT_READS);
	if (pthread_mutex_trylock(&c.h->lock) == 0)
		end_read(&c);
	else
		turns_call(&c);
}

static int write_command(struct handle *h, const struct caller *writer, const char *data,
			 size_t size)
{
	cleanup_free char *text = malloc(size + 1);

	if (!text)
		return -ENOMEM;
	memcpy(text, data, size);
	text[size] = '\0';
	guard_mutex(&h->lock);
	if (h->file)
		return h->file->ops->write(h->file, writer, text, size);
	if (node_kind(h->node) == NODE_VIEW)
		return refuse(EIO, "a view is only read");
	if (strlen(text) != size)
		return refuse(EINVAL, "a NUL in the text");
	return ctl_write(h->server, h->node - TOP_CTL_FILE, text);
}

static void serve_write(struct call *c, int r)
{
	struct attempt a = { "write", c->node, NULL, c->data, c->size };
	struct caller writer = caller_of(c->req);

	if (r == 0) {
		r = write_command(c->h, &writer, c->data, c->size);
		turn_over(c);
	}
	if (r < 0) {
		reply_refused(c->req, r, &a);
	} else {
		note_done(c->req, &a);
		fuse_reply_write(c->req, c->size);
	}
	file_put(c->h);
}

void op_write(fuse_req_t req, fuse_ino_t node, const char *data, size_t size, off_t off,
	      struct fuse_file_info *fi)
{
	struct call c = { serve_write, req, NULL, node, data, size };

	(void)off;
	count(server_of(req), STAT_WRITES);
	if (handle_of(fi)->echo) {
		fuse_reply_write(req, size);
		return;
	}
	c.h = handle_get(fi);
	turns_call(&c);
}

void op_release(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi)
{
	(void)node;
	file_put(handle_of(fi));
	fuse_reply_err(req, 0);
}
