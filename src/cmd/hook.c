/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Hooks run with the runtime's rights between the making of a container's mounts and its first
 * program. What the runtime says is trusted; what lies in the container's root directory is not.
 * attach does the same later.
 */
#include "hook.h"

#include <unistd.h>

/* To where the container's mounts are seen as it will see them. */
static int enter(const struct hook *h, struct container *c)
{
	int r = container_check(c);

	if (r == 0 && h->pid)
		r = container_enter(c);
	return r < 0 || !h->rootfs ? r : container_set_root(c, h->rootfs);
}

int hook_give(const struct hook *h, struct given *given)
{
	struct container *c = &given->container;
	struct source *s = &given->source;
	struct places *p = &given->places;
	int r = h->pid ? container_open(h->pid, c) : container_open_here(c);

	*p = (struct places){ .source = s, .container = c, .tree = h->tree };
	if (r == 0)
		r = source_open(h->mount, c->proc, h->pid ? h->pid : getpid(), s);
	if (r == 0)
		r = places_collect(p);
	if (r == 0) /* checks once more: what was asked about the number was about this process */
		r = enter(h, c);
	if (r == 0)
		r = places_look(p);
	return r < 0 ? r : places_mount(p);
}

void given_free(struct given *g)
{
	places_free(&g->places);
	source_close(&g->source);
	container_close(&g->container);
}
