/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Items found by a 64-bit key, the longest unused of which goes when there are too many. Not
 * locked: its owner does that. */
#ifndef CTLFS_LRU_H
#define CTLFS_LRU_H

#include <stddef.h>
#include <stdint.h>

/* The first member of whatever is kept. */
struct lru_item {
	uint64_t key;
	struct lru_item *chain; /* next in the same bucket */
	struct lru_item *newer, *older;
};

struct lru {
	struct lru_item **buckets;
	size_t n_buckets; /* a power of two */
	size_t n, max;
	struct lru_item *newest, *oldest;
	void (*drop)(void *data, struct lru_item *item); /* takes over what was removed */
	void *data;
};

/* At most max items; drop and data are the owner's. -ENOMEM. */
int lru_init(struct lru *l, size_t max);
void lru_free(struct lru *l); /* drops everything */
/* The item with that key, now the newest, or NULL. */
struct lru_item *lru_find(struct lru *l, uint64_t key);
/* item->key must not be there yet. May drop the oldest. */
void lru_add(struct lru *l, struct lru_item *item);
/* Drops the item with that key if there is one. */
void lru_remove(struct lru *l, uint64_t key);

#endif
