/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which hierarchies there are: the mounts of this mount namespace, those that show the most of a
 * hierarchy first. What is mounted more than once, or hidden by another mount, is read where it
 * can be.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctlfs/cleanup.h"
#include "ctlfs/kernel.h"
#include "ctlfs/mountinfo.h"
#include "ctlfs/parse.h"
#include "ctlfs/why.h"
#include "internal.h"

#define CONTROLLERS_MAX 4096
/* Long enough for what one view reads to be of one moment, too short to make a cgroup and look. */
#define MOMENT_NS (200 * 1000)

static const struct {
	const char *v1, *v2; /* NULL: v2 has none */
} names[V1_ROLES] = {
	[V1_MEMORY] = { "memory", "memory" }, [V1_CPU] = { "cpu", "cpu" },
	[V1_CPUACCT] = { "cpuacct", "cpu" },  [V1_CPUSET] = { "cpuset", "cpuset" },
	[V1_PIDS] = { "pids", "pids" },	      [V1_HUGETLB] = { "hugetlb", "hugetlb" },
	[V1_IO] = { "blkio", "io" },	      [V1_SYSTEMD] = { "name=systemd", NULL },
};

#define ROLES_LIMITING (1u << V1_MEMORY | 1u << V1_CPU | 1u << V1_CPUACCT | 1u << V1_CPUSET)

const char *v1_role_name(enum v1_role role)
{
	return names[role].v1;
}

struct candidate {
	char *point, *device;
	size_t root_len, order;
	unsigned roles;
	bool v2;
};

struct search {
	struct candidate *v;
	size_t n;
	struct v1_source source; /* what was opened */
	const struct candidate *opened[V1_ROLES]; /* where its hierarchies are mounted */
	unsigned roles; /* of all of them */
	char why[V1_ROLES][160]; /* not */
};

static void search_free(struct search *s)
{
	for (size_t i = 0; i < s->n; i++) {
		free(s->v[i].point);
		free(s->v[i].device);
	}
	free(s->v);
}

static unsigned roles_in(const char *list, const char *separators, bool v2)
{
	unsigned roles = 0;

	for (int role = 0; role < V1_ROLES; role++) {
		const char *name = v2 ? names[role].v2 : names[role].v1;

		if (name && parse_has_word(list, name, separators))
			roles |= 1u << role;
	}
	return roles;
}

/* What cgroup v2 has on this machine: nothing where it may not be read. */
static unsigned roles_of_v2(const char *point)
{
	cleanup_buf struct buf path = { 0 }, text = { 0 };

	buf_addf(&path, "%s/cgroup.controllers", point);
	if (buf_readat(&text, AT_FDCWD, buf_text(&path), CONTROLLERS_MAX) < 0)
		return 0;
	return roles_in(buf_text(&text), " \n", true);
}

static int add_mount(void *data, const struct mountinfo *mount)
{
	bool v2 = !strcmp(mount->type, "cgroup2");
	struct search *s = data;
	struct candidate c = { .v2 = v2, .root_len = strlen(mount->root), .order = s->n };
	struct candidate *grown;

	if (!v2 && strcmp(mount->type, "cgroup") != 0)
		return 0;
	c.roles = v2 ? roles_of_v2(mount->point) : roles_in(mount->options, ",", false);
	if (!c.roles)
		return 0;
	grown = reallocarray(s->v, s->n + 1, sizeof *grown);
	if (!grown)
		return -ENOMEM;
	s->v = grown;
	c.point = strdup(mount->point);
	c.device = strdup(mount->device);
	s->v[s->n++] = c;
	return c.point && c.device ? 0 : -ENOMEM;
}

/* v1 before v2, since cpuacct is of v1 alone where it is mounted; then the shortest root, then the
 * oldest. */
static int by_worth(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	if (x->v2 != y->v2)
		return x->v2 - y->v2;
	if (x->root_len != y->root_len)
		return x->root_len < y->root_len ? -1 : 1;
	return x->order < y->order ? -1 : 1;
}

static int find_mounts(struct search *s)
{
	int r = mountinfo_each(add_mount, s);

	if (r == 0 && s->n)
		qsort(s->v, s->n, sizeof *s->v, by_worth);
	return r;
}

/* Opens the mount for what nobody else has. Failing to is noted for those roles. */
static int open_mount(struct search *s, const struct candidate *c)
{
	struct v1_hierarchy h = { .roles = c->roles & ~s->roles, .v2 = c->v2 };
	struct kernel_hierarchy kernel = { .path = c->point, .device = c->device,
					   .share = V1_ROLES };
	int r;

	if (!h.roles)
		return 0;
	if (!c->v2)
		kernel.controller = names[__builtin_ctz(h.roles)].v1;
	r = kernel_hierarchy_new(&kernel, &h.tree);
	if (r == -ENOMEM || r == -EMFILE || r == -ENFILE)
		return r;
	if (r < 0) {
		const char *why = why_take();

		for (int role = 0; role < V1_ROLES; role++) {
			if (h.roles & 1u << role)
				snprintf(s->why[role], sizeof s->why[role], "%s",
					 *why ? why : strerrordesc_np(-r));
		}
		return 0;
	}
	s->opened[s->source.n] = c;
	s->source.hierarchies[s->source.n++] = h;
	s->roles |= h.roles;
	return 0;
}

static int open_mounts(struct search *s)
{
	const char *why = "memory, cpu, cpuacct and cpuset are not mounted as cgroup v1";

	for (size_t i = 0; i < s->n; i++) {
		int r = open_mount(s, &s->v[i]);

		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < s->source.n; i++) {
		const struct v1_hierarchy *h = &s->source.hierarchies[i];

		if (!h->v2 && h->roles & ROLES_LIMITING)
			return 0;
	}
	for (int role = 0; role < V1_ROLES; role++) {
		if (*s->why[role] && ROLES_LIMITING & 1u << role)
			why = s->why[role];
	}
	return refuse(ENOENT, "%s", why);
}

static void tell(const struct search *s, struct buf *out)
{
	for (size_t i = 0; i < s->source.n; i++) {
		buf_adds(out, i ? "; " : "");
		for (int role = 0; role < V1_ROLES; role++) {
			if (s->source.hierarchies[i].roles & 1u << role)
				buf_addf(out, "%s ", names[role].v1);
		}
		buf_addf(out, "from %s", s->opened[i]->point);
	}
	for (int role = 0; role < V1_SYSTEMD; role++) {
		if (!(s->roles & 1u << role))
			buf_addf(out, "; no %s: %s", names[role].v1,
				 *s->why[role] ? s->why[role] : "it is not mounted");
	}
}

static void close_mounts(struct search *s)
{
	while (s->source.n)
		tree_destroy(s->source.hierarchies[--s->source.n].tree);
}

int v1_usable(void)
{
	__attribute__((cleanup(search_free))) struct search s = { 0 };
	int r = find_mounts(&s);

	if (r == 0)
		r = open_mounts(&s);
	close_mounts(&s);
	return r;
}

int v1_new(struct buf *told, struct tree **ret_tree)
{
	__attribute__((cleanup(search_free))) struct search s = { 0 };
	int r = find_mounts(&s);

	if (r == 0)
		r = open_mounts(&s);
	if (r < 0) {
		close_mounts(&s);
		return r;
	}
	tell(&s, told);
	s.source.read_places = kernel_read_places;
	s.source.locate = kernel_hierarchy_locate;
	s.source.moment_ns = MOMENT_NS;
	return v1_new_over(&s.source, ret_tree);
}
