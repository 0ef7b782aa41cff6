/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who asks for what. The caller waits for its answer, so that its pid is its own until then; what
 * cannot be found out is left open: a caller whose cgroup is not known counts as one of the root's,
 * which shows it to nobody but the host.
 */
#include "witness.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "ctlfs/cleanup.h"
#include "ctlfs/pidns.h"
#include "session.h"

#define STATUS_MAX (1u << 20)
#define DEPTH_MAX 4096

/* The last number of a line of /proc/PID/status: the one in the process' own pid namespace. */
static pid_t last_number(const char *status, const char *key)
{
	const char *p = strstr(status, key);
	long number = 0;
	char *end;

	for (p = p ? p + strlen(key) : ""; *p && *p != '\n'; p = end) {
		p += strspn(p, " \t");
		if (*p < '0' || *p > '9')
			break;
		number = strtol(p, &end, 10);
	}
	return (pid_t)number;
}

/* The kernel names a thread; what people know is its process. */
static void fill_process(struct record *r, pid_t tid)
{
	cleanup_buf struct buf status = { 0 }, comm = { 0 };
	char path[64];

	if (tid <= 0)
		return;
	r->pid = tid;
	snprintf(path, sizeof path, "/proc/%d/status", tid);
	if (buf_readat(&status, AT_FDCWD, path, STATUS_MAX) == 0) {
		r->pid = last_number(buf_text(&status), "\nTgid:");
		r->own_pid = last_number(buf_text(&status), "\nNStgid:");
	}
	pidns_id(tid, &r->pidns);
	snprintf(path, sizeof path, "/proc/%d/comm", tid);
	if (buf_readat(&comm, AT_FDCWD, path, STATUS_MAX) == 0 && comm.len)
		buf_cut(&comm, comm.len - 1); /* the newline that the kernel adds */
	snprintf(r->comm, sizeof r->comm, "%s", buf_text(&comm));
}

void lineage_of(struct tree *t, uint64_t dir, struct lineage *who)
{
	uint64_t seen[LINEAGE_MAX];
	unsigned n = 0;

	*who = (struct lineage){ .n = 1, .id = { TREE_ROOT } };
	for (;; n++) {
		seen[n % LINEAGE_MAX] = dir;
		if (dir == TREE_ROOT)
			break;
		if (n == DEPTH_MAX || tree_parent(t, dir, &dir) < 0)
			return;
	}
	who->n = n < LINEAGE_MAX ? n + 1 : LINEAGE_MAX;
	for (unsigned i = 0; i < who->n; i++)
		who->id[i] = seen[(n - i) % LINEAGE_MAX];
}

/* A container that is not found among the ancestors (it has just moved) leaves the root. */
static void fill_container(struct server *s, struct record *r, pid_t tid)
{
	struct tree *t = s->config.tree;
	uint64_t own = TREE_ROOT, container;

	if (tid <= 0 || t->ops->locate(t, tid, &own) < 0)
		own = TREE_ROOT;
	lineage_of(t, own, &r->who);
	if (view_container(s->config.view, tid, &container) < 0)
		return;
	for (unsigned i = 0; i < r->who.n; i++) {
		if (r->who.id[i] == container)
			r->level = i;
	}
}

/* A copy of path that is not longer than is kept: then its end. */
static char *keep_path(const struct buf *path)
{
	cleanup_buf struct buf kept = { 0 };

	if (buf_error(path) < 0)
		return NULL;
	if (path->len < RECORD_PATH_MAX)
		return strdup(buf_text(path));
	buf_adds(&kept, "...");
	buf_adds(&kept, path->data + path->len - (RECORD_PATH_MAX - 4));
	return buf_error(&kept) < 0 ? NULL : strdup(buf_text(&kept));
}

static char *container_path(struct server *s, const struct record *r)
{
	cleanup_buf struct buf path = { 0 };

	if (tree_path(s->config.tree, r->who.id[r->level], &path) < 0) {
		buf_reset(&path);
		buf_addf(&path, "cgroup %llu", (unsigned long long)r->who.id[r->level]);
	}
	return keep_path(&path);
}

static char *file_path(struct server *s, const struct attempt *a)
{
	cleanup_buf struct buf path = { 0 };

	node_path(s, a->node, &path);
	if (a->name) {
		if (path.len && path.data[path.len - 1] != '/')
			buf_adds(&path, "/");
		buf_adds(&path, a->name);
	}
	return keep_path(&path);
}

static char *keep_text(const struct attempt *a, size_t len)
{
	char *text = malloc(len + 1);

	if (text) {
		memcpy(text, a->text, len);
		text[len] = '\0';
	}
	return text;
}

struct record *witness(struct server *s, const struct caller *caller, const struct attempt *a)
{
	struct record *r = calloc(1, sizeof *r);

	if (!r)
		return NULL;
	clock_gettime(CLOCK_REALTIME, &r->when);
	r->op = a->op;
	r->uid = caller->uid;
	r->gid = caller->gid;
	fill_process(r, caller->pid);
	fill_container(s, r, caller->pid);
	r->file = file_path(s, a);
	r->container = container_path(s, r);
	r->why = strdup("");
	if (a->text) {
		r->size = a->len;
		r->len = a->len < RECORD_TEXT_MAX ? a->len : RECORD_TEXT_MAX;
		r->text = keep_text(a, r->len);
	}
	if (!r->file || !r->container || !r->why || (a->text && !r->text)) {
		record_free(r);
		return NULL;
	}
	return r;
}
