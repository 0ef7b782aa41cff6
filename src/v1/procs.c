/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cgroup.procs. A cgroup that has a path lists the processes that the first hierarchy with that
 * path has there. A mixed one lists those that are below its directories in all hierarchies, since
 * its descendants cannot be listed one by one.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ctlfs/cleanup.h"
#include "internal.h"

#define PROCS "cgroup.procs"
#define DIRS_MAX 4096 /* that are looked at below one directory */

struct pids {
	pid_t *v; /* ascending once collected */
	size_t n, cap;
};

static int pids_add(struct pids *p, pid_t pid)
{
	if (p->n == p->cap) {
		size_t cap = p->cap ? 2 * p->cap : 256;
		pid_t *grown = reallocarray(p->v, cap, sizeof *grown);

		if (!grown)
			return -ENOMEM;
		p->v = grown;
		p->cap = cap;
	}
	p->v[p->n++] = pid;
	return 0;
}

static int add_text(const char *text, struct pids *pids)
{
	while (*text) {
		char *end;
		long pid = strtol(text, &end, 10);
		int r;

		if (end == text)
			return -EIO;
		r = pids_add(pids, (pid_t)pid);
		if (r < 0)
			return r;
		text = end + (*end == '\n');
	}
	return 0;
}

/* Adds the processes of directory dir of t and of those below; left bounds how many those are. */
static int collect(struct tree *t, uint64_t dir, unsigned *left, struct pids *pids)
{
	cleanup_tree_list struct tree_list list = { 0 };
	cleanup_buf struct buf text = { 0 };
	int r = tree_read(t, dir, PROCS, &text);

	if (r == 0)
		r = add_text(buf_text(&text), pids);
	if (r == 0)
		r = t->ops->list(t, dir, &list);
	for (size_t i = 0; r == 0 && i < list.n && *left; i++) {
		if (!list.entries[i].dir)
			continue;
		--*left;
		r = collect(t, list.entries[i].node, left, pids);
		if (r == -ENOENT || r == -ENODEV)
			r = 0;
	}
	return r;
}

static int compare(const void *a, const void *b)
{
	pid_t x = *(const pid_t *)a, y = *(const pid_t *)b;

	return (x > y) - (x < y);
}

static void sort(struct pids *p)
{
	if (p->n)
		qsort(p->v, p->n, sizeof *p->v, compare);
}

/* Leaves in p what is also in other: both are sorted. */
static void intersect(struct pids *p, const struct pids *other)
{
	size_t kept = 0, at = 0;

	for (size_t i = 0; i < p->n; i++) {
		while (at < other->n && other->v[at] < p->v[i])
			at++;
		if (at < other->n && other->v[at] == p->v[i])
			p->v[kept++] = p->v[i];
	}
	p->n = kept;
}

static int collect_sorted(struct v1 *v, const struct v1_node *node, unsigned slot,
			  struct pids *pids)
{
	unsigned left = DIRS_MAX;
	int r = collect(v->slots[slot].tree, node->dirs[slot], &left, pids);

	sort(pids);
	return r == -ENODEV ? -ENOENT : r;
}

static int show_mixed(struct v1 *v, const struct v1_node *node, struct buf *out)
{
	struct pids pids = { 0 };
	bool any = false;
	int r = 0;

	for (unsigned slot = 0; r == 0 && slot < V1_ROLES; slot++) {
		struct pids here = { 0 };

		if (node->dirs[slot] == TREE_ROOT)
			continue;
		r = collect_sorted(v, node, slot, any ? &here : &pids);
		if (any)
			intersect(&pids, &here);
		free(here.v);
		any = true;
	}
	for (size_t i = 0; r == 0 && i < pids.n; i++) {
		buf_addu(out, (uint64_t)pids.v[i]);
		buf_adds(out, "\n");
	}
	free(pids.v);
	return r < 0 ? r : buf_error(out);
}

int show_procs(struct v1 *v, const struct v1_node *node, struct buf *out)
{
	if (node->mixed)
		return show_mixed(v, node, out);
	for (int slot = 0; slot < V1_ROLES; slot++) {
		cleanup_buf struct buf text = { 0 };
		int r;

		if (!node_is_in(v, node, slot))
			continue;
		r = tree_read(v->slots[slot].tree, node->dirs[slot], PROCS, &text);
		if (r == 0)
			buf_add(out, text.data, text.len);
		return r == -ENODEV ? -ENOENT : r;
	}
	return -ENOENT;
}
