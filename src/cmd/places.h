/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where views go in a container. Nothing is kept of what was attached: what lies in the container
 * says it. A mount is attach's if it is of ctlfs, shows the part of it that belongs where it is
 * mounted, and is not of `ctlfs run`, whose whole ctlfs lies on RUN_MOUNT. All functions return 0,
 * or -errno with the reason noted.
 */
#ifndef CTLFS_CMD_PLACES_H
#define CTLFS_CMD_PLACES_H

#include "binds.h"
#include "container.h"
#include "source.h"

enum tree_wanted {
	TREE_AUTO, /* unless the container has a cgroup hierarchy that it may write */
	TREE_YES,
	TREE_NO
};

enum place_state {
	PLACE_FOUND, /* it is open and not judged yet */
	PLACE_FREE, /* something is to be mounted there */
	PLACE_STALE, /* the same, and to be unmounted before: a dead ctlfs', another container's */
	PLACE_ATTACHED, /* that was done */
	PLACE_REFRESHED, /* that was done */
	PLACE_KEPT, /* it has what it should have */
	PLACE_MISSING, /* there is no such file */
	PLACE_LEFT_OUT, /* the tree was not wanted */
	PLACE_STATES
};

struct place {
	struct bind bind;
	enum place_state state;
	bool stale; /* was */
	int mount; /* what goes there */
	int fd; /* what is there */
	int under; /* the number of the mount that is on */
};

#define PLACES_MAX 64

struct places {
	const struct source *source;
	const struct container *container;
	enum tree_wanted tree;
	struct place v[PLACES_MAX];
	size_t n;
};

/* Before the container is entered: what is to be mounted. */
int places_collect(struct places *p);
/* In the container. Looks at each place and changes none; -ENOENT if all are missing. */
int places_look(struct places *p);
/* Mounts all, or undoes what it did. */
int places_mount(struct places *p);
void places_free(struct places *p);
#define cleanup_places __attribute__((cleanup(places_free)))

/* Whether row, one of those of the container, is a mount of attach's. */
bool places_attached(const struct mounttable *info, const struct mountinfo *row);

#endif
