/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The daemon's own reads of a file of a directory, as the views make them over and over: one system
 * call each. What a name is in a directory is remembered together with the file that is kept open;
 * the file itself tells when it is gone (-ENODEV), as one of a controller that was turned off is,
 * and then it is looked for anew.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "ctlfs/cleanup.h"
#include "internal.h"

#define NAME_ROOM 32

struct named {
	struct lru_item item; /* the key is a hash of the two that follow */
	uint64_t dir;
	char name[NAME_ROOM];
	uint64_t node;
};

static void drop_named(void *data, struct lru_item *item)
{
	(void)data;
	free(item);
}

int named_init(struct kernel *k)
{
	k->named.drop = drop_named;
	pthread_mutex_init(&k->named_lock, NULL);
	return lru_init(&k->named, kept_capacity(k));
}

void named_free(struct kernel *k)
{
	lru_free(&k->named);
	pthread_mutex_destroy(&k->named_lock);
}

/* FNV-1a */
static uint64_t key_of(uint64_t dir, const char *name)
{
	const unsigned char *byte = (const unsigned char *)name;
	uint64_t hash = UINT64_C(14695981039346656037) ^ dir;

	for (; *byte; byte++)
		hash = (hash ^ *byte) * UINT64_C(1099511628211);
	return hash;
}

/* 0: not known. */
static uint64_t find(struct kernel *k, uint64_t dir, const char *name)
{
	const struct named *named;
	guard_mutex(&k->named_lock);

	named = (struct named *)lru_find(&k->named, key_of(dir, name));
	return named && named->dir == dir && !strcmp(named->name, name) ? named->node : 0;
}

static void remember(struct kernel *k, uint64_t dir, const char *name, uint64_t node)
{
	struct named *named = calloc(1, sizeof *named);
	guard_mutex(&k->named_lock);

	if (!named)
		return; /* it is looked for again */
	named->item.key = key_of(dir, name);
	named->dir = dir;
	named->node = node;
	strcpy(named->name, name); /* it has room: kernel_read() */
	lru_remove(&k->named, named->item.key);
	lru_add(&k->named, &named->item);
}

/* -ENODEV: it is not kept, or gone. */
static int read_kept(struct kernel *k, uint64_t dir, const char *name, struct buf *out)
{
	uint64_t node = find(k, dir, name);
	cleanup_kept struct kept *kept = node ? kept_find(k, node) : NULL;
	int r;

	if (!kept)
		return -ENODEV;
	pthread_mutex_lock(&kept->reading);
	r = buf_pread_record(out, kept->fd, READ_MAX);
	pthread_mutex_unlock(&kept->reading);
	if (r == -ENODEV)
		kept_drop(k, node);
	return r;
}

int named_read(struct tree *t, uint64_t dir, const char *name, struct buf *out)
{
	struct kernel *k = kernel_of(t);
	bool known = strlen(name) < NAME_ROOM && !holds_pids(name); /* those come in many records */
	struct stat st;
	int r = -ENODEV;

	dir = node_number(k, dir);
	if (known)
		r = read_kept(k, dir, name, out);
	if (r != -ENODEV)
		return r < 0 ? reason_read(name, -r) : 0;
	r = t->ops->stat(t, dir, name, &st);
	if (r == 0)
		r = tree_read_node(t, st.st_ino, out);
	if (r == 0 && known)
		remember(k, dir, name, st.st_ino);
	return r;
}
