/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From a cgroup's number to its directory in each hierarchy, and back.
 *
 * A path is followed in every hierarchy as far as it leads. What was found is remembered, bounded,
 * and followed further when some time has passed, since a runtime makes the directories of a
 * container one after the other; directories that are gone are noticed by who needs them and asks
 * for a fresh node.
 *
 * A process whose directories no single path gives is in a mixed cgroup, whose number is made of
 * them: the same after a restart, but for the rare ones that share it.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "ctlfs/cleanup.h"
#include "ctlfs/clock.h"
#include "internal.h"

#define PLAIN_MAX 8192
#define MIXED_MAX 1024
#define NUMBER_MASK ((UINT64_C(1) << SLOT_SHIFT) - 1)

struct plain {
	struct lru_item item; /* the key is a number: not always that of the first slot */
	struct v1_node node;
	uint64_t followed; /* when */
	char path[]; /* names with slashes between */
};

struct mixed {
	struct lru_item item; /* the key is node.number */
	struct v1_node node;
};

static void drop_item(void *data, struct lru_item *item)
{
	(void)data;
	free(item); /* the first member of both */
}

int v1_nodes_init(struct v1 *v)
{
	int r;

	pthread_mutex_init(&v->lock, NULL);
	v->plain.drop = v->mixed.drop = drop_item;
	r = lru_init(&v->plain, PLAIN_MAX);
	return r < 0 ? r : lru_init(&v->mixed, MIXED_MAX);
}

void v1_nodes_free(struct v1 *v)
{
	lru_free(&v->plain);
	lru_free(&v->mixed);
	pthread_mutex_destroy(&v->lock);
}

static struct v1_node root_node(void)
{
	struct v1_node node = { .number = TREE_ROOT };

	for (int slot = 0; slot < V1_ROLES; slot++)
		node.dirs[slot] = node.ups[slot] = TREE_ROOT;
	return node;
}

static bool same_dirs(const struct v1_node *node, const uint64_t dirs[V1_ROLES])
{
	return !memcmp(node->dirs, dirs, sizeof node->dirs);
}

/* --- what is remembered --- */

/* The node, and its path, to be freed, unless it was followed a moment before now. -ENODEV if it is
 * not remembered. */
static int recall(struct v1 *v, uint64_t number, uint64_t now, struct v1_node *ret_node,
		  char **ret_path)
{
	const struct plain *plain;
	char *path = NULL;

	guard_mutex(&v->lock);
	plain = (struct plain *)lru_find(&v->plain, number);
	if (!plain)
		return -ENODEV;
	if (now - plain->followed >= v->source.moment_ns) {
		path = strdup(plain->path);
		if (!path)
			return -ENOMEM;
	}
	*ret_node = plain->node;
	*ret_path = path;
	return 0;
}

/* Running out of memory means to look for it again. */
static void remember(struct v1 *v, uint64_t number, uint64_t now, const struct v1_node *node,
		     const char *path)
{
	size_t size = strlen(path) + 1;
	struct plain *plain;

	guard_mutex(&v->lock);
	plain = (struct plain *)lru_find(&v->plain, number);
	if (plain && !strcmp(plain->path, path)) {
		plain->node = *node;
		plain->followed = now;
		return;
	}
	lru_remove(&v->plain, number);
	plain = malloc(sizeof *plain + size);
	if (!plain)
		return;
	plain->item.key = number;
	plain->node = *node;
	plain->followed = now;
	memcpy(plain->path, path, size);
	lru_add(&v->plain, &plain->item);
}

static void forget(struct v1 *v, uint64_t number)
{
	guard_mutex(&v->lock);
	lru_remove(&v->plain, number);
}

static int recall_mixed(struct v1 *v, uint64_t number, struct v1_node *ret_node)
{
	const struct mixed *mixed;

	guard_mutex(&v->lock);
	mixed = (struct mixed *)lru_find(&v->mixed, number);
	if (!mixed)
		return -ENODEV;
	*ret_node = mixed->node;
	return 0;
}

static uint64_t mix(const uint64_t dirs[V1_ROLES])
{
	uint64_t h = 0xcbf29ce484222325ULL;

	for (int slot = 0; slot < V1_ROLES; slot++) {
		h = (h ^ dirs[slot]) * 0x9e3779b97f4a7c15ULL;
		h ^= h >> 29;
	}
	return h & NUMBER_MASK;
}

/* Gives node its number, the next one where another has it. */
static int remember_mixed(struct v1 *v, struct v1_node *node)
{
	uint64_t at = mix(node->dirs);
	struct mixed *mixed;

	guard_mutex(&v->lock);
	for (;; at = (at + 1) & NUMBER_MASK) {
		node->number = (uint64_t)SLOT_MIXED << SLOT_SHIFT | at;
		mixed = (struct mixed *)lru_find(&v->mixed, node->number);
		if (!mixed)
			break;
		if (same_dirs(&mixed->node, node->dirs))
			return 0;
	}
	mixed = malloc(sizeof *mixed);
	if (!mixed)
		return -ENOMEM;
	mixed->item.key = node->number;
	mixed->node = *node;
	lru_add(&v->mixed, &mixed->item);
	return 0;
}

/* --- along a path --- */

/* Goes on from where node is in slot: names are those below it. */
static int follow_in(struct v1 *v, unsigned slot, const char *names, struct v1_node *node)
{
	struct tree *t = v->slots[slot].tree;

	while (*names) {
		size_t len = strcspn(names, "/");
		char name[NAME_MAX + 1];
		struct stat st;
		int r;

		if (len >= sizeof name)
			return -ENAMETOOLONG;
		memcpy(name, names, len);
		name[len] = '\0';
		r = t->ops->stat(t, node->dirs[slot], name, &st);
		if (r == -ENOENT || r == -ENODEV || (r == 0 && !S_ISDIR(st.st_mode)))
			return 0;
		if (r < 0)
			return r;
		if (st.st_ino > NUMBER_MASK)
			return -EOVERFLOW;
		node->ups[slot] = node->dirs[slot];
		node->dirs[slot] = st.st_ino;
		node->depths[slot]++;
		names += len + (names[len] == '/');
	}
	return 0;
}

/* What is left of path behind so many names. */
static const char *skip_names(const char *path, unsigned n)
{
	while (n-- && *path) {
		path += strcspn(path, "/");
		path += *path == '/';
	}
	return path;
}

/* Brings node up to date, and gives it its number: that in the first slot that has all of path. */
static int follow(struct v1 *v, const char *path, struct v1_node *node)
{
	int first = NOWHERE;

	node->depth = 0;
	for (unsigned slot = 0; slot < V1_ROLES; slot++) {
		int r = 0;

		if (v->slots[slot].tree)
			r = follow_in(v, slot, skip_names(path, node->depths[slot]), node);
		if (r < 0)
			return r;
		if (node->depths[slot] > node->depth) {
			node->depth = node->depths[slot];
			first = (int)slot;
		}
	}
	node->number = first == NOWHERE ? TREE_ROOT :
					  number_in((unsigned)first, node->dirs[first]);
	return 0;
}

/* The path of directory dir in slot: names with slashes between. */
static int path_in(struct v1 *v, unsigned slot, uint64_t dir, char **ret_path)
{
	cleanup_buf struct buf path = { 0 };
	int r = tree_path(v->slots[slot].tree, dir, &path);

	if (r < 0)
		return r == -ENOENT ? -ENODEV : r;
	*ret_path = strdup(buf_text(&path) + 1);
	return *ret_path ? 0 : -ENOMEM;
}

/* Looks for the directory in slot, and for its path everywhere. */
static int look_up(struct v1 *v, unsigned slot, uint64_t dir, struct v1_node *node, char **ret_path)
{
	cleanup_free char *path = NULL;
	int r = path_in(v, slot, dir, &path);

	*node = root_node();
	if (r == 0)
		r = follow(v, path, node);
	/* Renamed or removed meanwhile. */
	if (r == 0 && (node->dirs[slot] != dir || node->depths[slot] != node->depth))
		r = -ENODEV;
	if (r == 0)
		*ret_path = steal_ptr(&path);
	return r;
}

/* Goes on with what is remembered. -ENODEV if it has to be looked up again: where there is more of
 * the path now, it may not be the path of this cgroup any more, which v1 can rename. */
static int go_on(struct v1 *v, const char *path, struct v1_node *node)
{
	struct v1_node before = *node;
	int r = follow(v, path, node);

	return r == 0 && !same_dirs(&before, node->dirs) ? -ENODEV : r;
}

static int get_plain(struct v1 *v, uint64_t number, struct v1_node *ret_node)
{
	unsigned slot = (unsigned)(number >> SLOT_SHIFT);
	uint64_t dir = number & NUMBER_MASK, now = monotonic_ns();
	cleanup_free char *path = NULL;
	struct v1_node node;
	int r;

	if (slot >= V1_ROLES || !v->slots[slot].tree)
		return -ENODEV;
	r = recall(v, number, now, &node, &path);
	if (r == 0 && !path) {
		*ret_node = node;
		return 0;
	}
	if (r == 0)
		r = go_on(v, path, &node);
	if (r == -ENODEV) {
		free(steal_ptr(&path));
		r = look_up(v, slot, dir, &node, &path);
	}
	if (r < 0) {
		forget(v, number);
		return r;
	}
	remember(v, number, now, &node, path);
	*ret_node = node;
	return 0;
}

int node_get(struct v1 *v, uint64_t number, struct v1_node *ret_node)
{
	if (number == TREE_ROOT) {
		*ret_node = root_node();
		return 0;
	}
	if (number >> SLOT_SHIFT == SLOT_MIXED)
		return recall_mixed(v, number, ret_node);
	return get_plain(v, number, ret_node);
}

int node_get_fresh(struct v1 *v, uint64_t number, struct v1_node *ret_node)
{
	forget(v, number);
	return node_get(v, number, ret_node);
}

/* --- from directories --- */

/* Is number's cgroup the one with these directories? Its node in any case. 1, 0 or -errno. */
static int is_plain(struct v1 *v, uint64_t number, const uint64_t dirs[V1_ROLES],
		    struct v1_node *ret_node)
{
	int r = node_get(v, number, ret_node);

	/* What was remembered may be gone in some hierarchy. */
	if (r == -ENODEV || (r == 0 && !same_dirs(ret_node, dirs)))
		r = node_get_fresh(v, number, ret_node);
	return r < 0 ? r : same_dirs(ret_node, dirs);
}

int node_of(struct v1 *v, const uint64_t dirs[V1_ROLES], uint64_t *ret_number)
{
	struct v1_node mixed = root_node();

	memcpy(mixed.dirs, dirs, sizeof mixed.dirs);
	for (unsigned slot = 0; slot < V1_ROLES; slot++) {
		struct v1_node node;
		int r;

		if (dirs[slot] == TREE_ROOT)
			continue;
		r = is_plain(v, number_in(slot, dirs[slot]), dirs, &node);
		if (r < 0)
			return r;
		if (r) {
			*ret_number = node.number;
			return 0;
		}
		mixed.ups[slot] = node.ups[slot];
		mixed.depths[slot] = node.depth;
		mixed.depth = node.depth > mixed.depth ? node.depth : mixed.depth;
	}
	mixed.mixed = mixed.depth > 0;
	if (mixed.mixed) {
		int r = remember_mixed(v, &mixed);

		if (r < 0)
			return r;
	}
	*ret_number = mixed.number;
	return 0;
}

/* With memory.use_hierarchy off, as it could be before 5.11, no cgroup above counts what its
 * descendants use. */
static uint64_t memory_up(struct v1 *v, int slot, uint64_t up)
{
	struct tree *t = v->slots[slot].tree;
	cleanup_buf struct buf text = { 0 };

	if (up == TREE_ROOT || tree_read(t, up, "memory.use_hierarchy", &text) < 0)
		return up;
	return buf_text(&text)[0] == '0' ? TREE_ROOT : up;
}

int node_parent(struct v1 *v, const struct v1_node *node, uint64_t *ret_number)
{
	int memory = v->home[V1_MEMORY];
	uint64_t dirs[V1_ROLES];

	for (int slot = 0; slot < V1_ROLES; slot++)
		dirs[slot] = node_is_in(v, node, slot) ? node->ups[slot] : node->dirs[slot];
	if (memory != NOWHERE && v->alone[V1_MEMORY] && node_is_in(v, node, memory))
		dirs[memory] = memory_up(v, memory, dirs[memory]);
	return node_of(v, dirs, ret_number);
}
