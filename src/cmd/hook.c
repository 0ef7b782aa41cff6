/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Hooks run with the runtime's rights between the making of a container's mounts and its first
 * program. What the runtime says is trusted; what lies in the container's root directory is not.
 */
#include "hook.h"

#include <unistd.h>

#include "container.h"
#include "places.h"
#include "source.h"

/* To where the container's mounts are seen as it will see them. */
static int enter(const struct hook *h, struct container *c)
{
	int r = container_check(c);

	if (r == 0 && h->pid)
		r = container_enter(c);
	return r < 0 ? r : container_set_root(c, h->rootfs);
}

int hook_mount(const struct hook *h)
{
	cleanup_container struct container c = CONTAINER_INIT;
	cleanup_source struct source s = SOURCE_INIT;
	cleanup_places struct places p = { .source = &s, .container = &c,
					   .tree = h->tree ? TREE_YES : TREE_NO };
	int r = h->pid ? container_open(h->pid, &c) : container_open_here(&c);

	if (r == 0)
		r = source_open(h->mount, c.proc, h->pid ? h->pid : getpid(), &s);
	if (r == 0)
		r = places_collect(&p);
	if (r == 0)
		r = enter(h, &c);
	if (r == 0)
		r = places_look(&p);
	return r < 0 ? r : places_mount(&p);
}
