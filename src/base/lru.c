/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A hash table whose items are also in the order of their last use. */
#include "ctlfs/lru.h"

#include <errno.h>
#include <stdlib.h>

static struct lru_item **bucket(struct lru *l, uint64_t key)
{
	uint64_t mixed = key * 0x9e3779b97f4a7c15ULL;

	return &l->buckets[(mixed >> 32) & (l->n_buckets - 1)];
}

int lru_init(struct lru *l, size_t max)
{
	size_t n = 16;

	while (n < max)
		n *= 2;
	l->buckets = calloc(n, sizeof *l->buckets);
	if (!l->buckets)
		return -ENOMEM;
	l->n_buckets = n;
	l->max = max;
	return 0;
}

static void push_newest(struct lru *l, struct lru_item *item)
{
	item->newer = NULL;
	item->older = l->newest;
	if (l->newest)
		l->newest->newer = item;
	else
		l->oldest = item;
	l->newest = item;
}

static void unlink_item(struct lru *l, struct lru_item *item)
{
	if (item->newer)
		item->newer->older = item->older;
	else
		l->newest = item->older;
	if (item->older)
		item->older->newer = item->newer;
	else
		l->oldest = item->newer;
}

struct lru_item *lru_find(struct lru *l, uint64_t key)
{
	struct lru_item *item = *bucket(l, key);

	while (item && item->key != key)
		item = item->chain;
	if (item && item != l->newest) {
		unlink_item(l, item);
		push_newest(l, item);
	}
	return item;
}

void lru_add(struct lru *l, struct lru_item *item)
{
	struct lru_item **head = bucket(l, item->key);

	if (l->n == l->max)
		lru_remove(l, l->oldest->key);
	item->chain = *head;
	*head = item;
	push_newest(l, item);
	l->n++;
}

void lru_remove(struct lru *l, uint64_t key)
{
	struct lru_item **at = bucket(l, key);
	struct lru_item *item;

	while (*at && (*at)->key != key)
		at = &(*at)->chain;
	item = *at;
	if (!item)
		return;
	*at = item->chain;
	unlink_item(l, item);
	l->n--;
	l->drop(l->data, item);
}

void lru_free(struct lru *l)
{
	while (l->oldest)
		lru_remove(l, l->oldest->key);
	free(l->buckets);
	l->buckets = NULL;
}
