/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Looks at the places of a container, and mounts on them. */
#include "places.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "ctlfs/buf.h"
#include "ctlfs/cleanup.h"
#include "ctlfs/parse.h"
#include "ctlfs/server.h"
#include "ctlfs/why.h"
#include "run.h"

#define TREE_ROOT_PATH "/cgroup"
#define DELETED "//deleted" /* how mountinfo ends a path whose name is no longer remembered */

/* The types of file system on which a place may lie. */
static const struct {
	const char *prefix, *type;
	bool over_mount; /* the place may be the root of such a mount */
} bases[] = {
	{ "proc/", "proc", false },
	{ "sys/devices/", "sysfs", false },
	{ BINDS_TREE, "sysfs", false },
	{ BINDS_TREE, "cgroup2", true },
	{ BINDS_TREE, "cgroup", true },
	{ BINDS_TREE, "tmpfs", true }, /* holds the hierarchies of v1 */
};

void places_free(struct places *p)
{
	for (size_t i = 0; i < p->n; i++) {
		cleanup_close_p(&p->v[i].mount);
		cleanup_close_p(&p->v[i].fd);
	}
	p->n = 0;
}

/* What that ctlfs does not show (pressure with cgroup v1) is to go nowhere. */
int places_collect(struct places *p)
{
	struct bind bind;
	int r = 0;

	for (unsigned n = 0; binds_get(p->source->id, n, &bind); n++) {
		struct place *place = &p->v[p->n];

		if (n == 0 && p->tree == TREE_YES && !p->source->tree)
			return refuse(EOPNOTSUPP, "%s has no tree (cgroup v1)", p->source->mount);
		if (n == 0 && (p->tree == TREE_NO || !p->source->tree))
			continue;
		if (p->n == PLACES_MAX)
			return refuse(E2BIG, "more than %d views", PLACES_MAX);
		*place = (struct place){ .bind = bind, .mount = -1, .fd = -1 };
		r = source_clone(p->source, &bind, &place->mount);
		if (r < 0 && r != -ENOENT)
			return r;
		p->n += r == 0;
	}
	return p->n ? 0 : r;
}

/* --- whose mount is it --- */

static bool ends_as(const char *root, const char *want)
{
	size_t len = strlen(want);

	return strncmp(root, want, len) == 0 && (!root[len] || strcmp(root + len, DELETED) == 0);
}

/* "/view/7/proc/meminfo" belongs on "/proc/meminfo". */
static bool belongs(const char *root, const char *point)
{
	size_t view = strlen("/view/"), digits;

	if (binds_is_tree(point + 1))
		return strncmp(root, TREE_ROOT_PATH, strlen(TREE_ROOT_PATH)) == 0;
	if (strncmp(root, "/view/", view) != 0)
		return false;
	digits = strspn(root + view, "0123456789");
	return digits > 0 && ends_as(root + view + digits, point);
}

bool places_attached(const struct mounttable *info, const struct mountinfo *row)
{
	if (strcmp(row->type, SERVER_FSTYPE) != 0 || !belongs(row->root, row->point))
		return false;
	for (size_t i = 0; i < info->n; i++) {
		if (mounttable_is_ctlfs(&info->v[i]) && strcmp(info->v[i].point, RUN_MOUNT) == 0 &&
		    strcmp(info->v[i].device, row->device) == 0)
			return false;
	}
	return true;
}

/* Whether row is the very thing that would be mounted. */
static bool is_wanted(const struct places *p, const struct place *place,
		      const struct mountinfo *row)
{
	const char *path = buf_text(&p->source->path);
	cleanup_buf struct buf root = { 0 };

	if (binds_is_tree(place->bind.target))
		buf_addf(&root, TREE_ROOT_PATH "%s", strcmp(path, "/") == 0 ? "" : path);
	else
		buf_addf(&root, "/%s", place->bind.source);
	return strcmp(row->device, p->source->row->device) == 0 &&
	       ends_as(row->root, buf_text(&root));
}

static bool is_dead(int fd)
{
	struct statx x;

	return statx(fd, "", AT_EMPTY_PATH | AT_STATX_FORCE_SYNC, STATX_BASIC_STATS, &x) < 0 &&
	       (errno == ENOTCONN || errno == ECONNABORTED);
}

/* --- looking --- */

static int check_type(const struct bind *bind, const struct mountinfo *row)
{
	bool right_there = strcmp(row->point + 1, bind->target) == 0;

	for (size_t i = 0; i < ARRAY_SIZE(bases); i++) {
		if (strncmp(bind->target, bases[i].prefix, strlen(bases[i].prefix)) == 0 &&
		    strcmp(row->type, bases[i].type) == 0 &&
		    (!right_there || bases[i].over_mount))
			return 0;
	}
	if (right_there)
		return refuse(EBUSY, "/%s: something else is mounted there (%s)", bind->target,
			      row->type);
	return refuse(EINVAL, "/%s: lies on %s, not on a file of procfs or sysfs", bind->target,
		      row->type);
}

/* Mounts in one peer group are seen by all of the group. */
static int check_propagation(const struct places *p, const struct bind *bind,
			     const struct mountinfo *row)
{
	const struct mounttable *host = &p->source->mounts;

	for (size_t i = 0; row->group && i < host->n; i++) {
		if (host->v[i].group == row->group)
			return refuse(EINVAL, "/%s: mounts there appear on the host, too: its "
					      "propagation is shared", bind->target);
	}
	return 0;
}

static bool may_write_cgroups(const struct mountinfo *row)
{
	return strcmp(row->type, "sysfs") != 0 &&
	       (strcmp(row->type, "cgroup2") != 0 ||
		(!parse_has_word(row->flags, "ro", ",") &&
		 !parse_has_word(row->options, "ro", ",")));
}

static int judge(const struct places *p, struct place *place, const struct mounttable *info,
		 const struct mountinfo *row)
{
	int r;

	if (places_attached(info, row)) {
		place->state = is_wanted(p, place, row) ? PLACE_KEPT : PLACE_STALE;
		place->stale |= place->state == PLACE_STALE;
		if (place->state == PLACE_STALE && !is_dead(place->fd) &&
		    strcmp(row->device, p->source->row->device) != 0)
			return refuse(EBUSY, "/%s: is of another ctlfs that is alive: detach that "
					     "first", place->bind.target);
		return 0;
	}
	if (binds_is_tree(place->bind.target) && p->tree == TREE_AUTO && !place->stale &&
	    may_write_cgroups(row)) {
		place->state = PLACE_LEFT_OUT;
		return 0;
	}
	r = check_type(&place->bind, row);
	if (r == 0)
		r = check_propagation(p, &place->bind, row);
	if (r == 0)
		place->state = PLACE_FREE;
	return r;
}

/* Opens what is there. */
static int find(const struct places *p, struct place *place)
{
	int r;

	cleanup_close_p(&place->fd);
	place->fd = -1;
	r = container_look(p->container, place->bind.target, &place->fd, &place->under);
	if (r == -ENOENT) {
		place->state = PLACE_MISSING;
		return 0;
	}
	place->state = PLACE_FOUND;
	return r;
}

/* Judges all that were found, by one reading of the mounts, which is later than they. */
static int judge_found(struct places *p)
{
	cleanup_mounttable struct mounttable info = { 0 };
	int r = mounttable_read(p->container->proc, &info);

	for (size_t i = 0; r == 0 && i < p->n; i++) {
		struct place *place = &p->v[i];
		const struct mountinfo *row = mounttable_find(&info, place->under);

		if (place->state != PLACE_FOUND)
			continue;
		if (!row)
			return refuse(EAGAIN, "/%s: was unmounted meanwhile", place->bind.target);
		r = judge(p, place, &info, row);
	}
	return r;
}

int places_look(struct places *p)
{
	size_t missing = 0;

	for (size_t i = 0; i < p->n; i++) {
		int r = find(p, &p->v[i]);

		if (r < 0)
			return r;
		missing += p->v[i].state == PLACE_MISSING;
	}
	if (missing == p->n)
		return refuse(ENOENT, "the container has no file that a view belongs on: neither "
				      "/proc nor /sys is mounted");
	return judge_found(p);
}

/* --- mounting --- */

/* A mount that gives errors is no loss, nor is that of a container that this is not. There may be
 * several, one on the other. */
static int clear_stale(struct places *p, struct place *place)
{
	int r = 0;

	if (place->state != PLACE_STALE)
		return 0;
	while (r == 0 && place->state == PLACE_STALE) {
		r = container_unmount(p->container, place->fd);
		if (r == 0)
			r = find(p, place);
		if (r == 0)
			r = judge_found(p);
	}
	if (r == 0 && place->state == PLACE_MISSING)
		return refuse(ENOENT, "/%s: has gone meanwhile", place->bind.target);
	return r;
}

static int mount_one(struct place *place)
{
	unsigned flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH;

	if (place->state != PLACE_FREE)
		return 0;
	if (move_mount(place->mount, "", place->fd, "", flags) < 0)
		return refuse(errno, "/%s: move_mount: %s", place->bind.target, strerror(errno));
	place->state = place->stale ? PLACE_REFRESHED : PLACE_ATTACHED;
	return 0;
}

/* What has been mounted goes. The reason is still that of the error, whatever happens here. */
static int undo(struct places *p, int error)
{
	const char *noted = why_take();
	cleanup_buf struct buf why = { 0 };

	buf_adds(&why, *noted ? noted : strerror(-error));
	for (size_t i = p->n; i-- > 0;) {
		struct place *place = &p->v[i];

		if (place->state != PLACE_ATTACHED && place->state != PLACE_REFRESHED)
			continue;
		if (container_unmount(p->container, place->mount) < 0)
			buf_addf(&why, "; /%s stays mounted: %s", place->bind.target, why_take());
		place->state = PLACE_FREE;
	}
	return refuse(-error, "%s", buf_text(&why));
}

int places_mount(struct places *p)
{
	sigset_t all, before;
	int r = 0;

	/* What ends us waits until all is done or undone. */
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	/* First what may ask a file system of the container, which may never answer. */
	for (size_t i = 0; i < p->n && r == 0; i++)
		r = clear_stale(p, &p->v[i]);
	for (size_t i = 0; i < p->n && r == 0; i++)
		r = mount_one(&p->v[i]);
	if (r < 0)
		r = undo(p, r);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return r;
}
