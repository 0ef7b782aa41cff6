/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shares among containers: the fair queue, and rates by cgroup with a clock of the test's own. */
#include <check.h>
#include <stdlib.h>

#include "ctlfs/cleanup.h"
#include "ctlfs/fair.h"
#include "ctlfs/rate.h"
#include "suite.h"

#define MAX 60
#define ROOT 1
#define SECOND 1000000000ULL

struct thing {
	struct fair_item item; /* first */
	uint64_t whose;
	int number;
};

static struct fair queue;
static size_t made, freed;

static void setup(void)
{
	fair_init(&queue, MAX);
	made = freed = 0;
}

static void drop(struct fair_item *item)
{
	freed += item != NULL;
	free(item);
}

static void teardown(void)
{
	while (queue.first) {
		struct fair_item *item = queue.first;

		fair_remove(&queue, item);
		drop(item);
	}
	ck_assert_ptr_null(queue.root);
	ck_assert_uint_eq(queue.n, 0);
	ck_assert_uint_eq(made, freed);
}

static void add(struct lineage who, int number)
{
	struct thing *t = calloc(1, sizeof *t);

	ck_assert_ptr_nonnull(t);
	t->whose = who.id[who.n - 1];
	t->number = number;
	made++;
	drop(fair_add(&queue, &who, &t->item));
	ck_assert_uint_le(queue.n, MAX);
}

static size_t count(uint64_t whose)
{
	size_t n = 0;

	for (struct fair_item *i = queue.first; i; i = i->next)
		n += ((struct thing *)i)->whose == whose;
	return n;
}

#define OF(...)                                                      \
	((struct lineage){ .n = sizeof((uint64_t[]){ __VA_ARGS__ }) / 8, \
			   .id = { __VA_ARGS__ } })

START_TEST(alone_the_latest_are_kept_in_order)
{
	int number = MAX;

	for (int i = 0; i < 2 * MAX; i++)
		add(OF(ROOT, 2), i);
	ck_assert_uint_eq(queue.n, MAX);
	for (struct fair_item *i = queue.first; i; i = i->next)
		ck_assert_int_eq(((struct thing *)i)->number, number++);
}
END_TEST

START_TEST(a_flood_leaves_others_theirs)
{
	for (int i = 0; i < 5; i++)
		add(OF(ROOT, 2), i);
	for (int i = 0; i < 100 * MAX; i++)
		add(OF(ROOT, 3), i);
	ck_assert_uint_eq(count(2), 5);
	ck_assert_uint_eq(count(3), MAX - 5);
}
END_TEST

START_TEST(descendants_gain_nothing)
{
	for (int i = 0; i < MAX / 2; i++)
		add(OF(ROOT, 2), i);
	/* Each of a cgroup of its own, at several depths. */
	for (uint64_t i = 0; i < 100 * MAX; i++) {
		add(OF(ROOT, 3, 1000 + i), 0);
		add(OF(ROOT, 3, 1000 + i, 100000 + i), 0);
	}
	ck_assert_uint_ge(count(2), MAX / 2 - 1);
}
END_TEST

START_TEST(own_and_childrens_share_alike)
{
	for (int i = 0; i < 10; i++)
		add(OF(ROOT), i);
	for (int i = 0; i < 100 * MAX; i++)
		add(OF(ROOT, 3, 4 + (uint64_t)i % 7), i);
	ck_assert_uint_eq(count(ROOT), 10);
	/* And a flood of the root's own leaves the children an equal part. */
	for (int i = 0; i < 100 * MAX; i++)
		add(OF(ROOT), i);
	ck_assert_uint_ge(count(ROOT), MAX / 2 - 1);
	ck_assert_uint_le(count(ROOT), MAX / 2 + 1);
}
END_TEST

START_TEST(shares_go_with_their_items)
{
	struct fair_item *first;

	add(OF(ROOT, 2, 3), 0);
	add(OF(ROOT, 2), 1);
	first = queue.first;
	fair_remove(&queue, first);
	drop(first);
	ck_assert_uint_eq(queue.n, 1);
	ck_assert_int_eq(((struct thing *)queue.first)->number, 1);
}
END_TEST

START_TEST(a_burst_and_then_one_each_interval)
{
	struct rate r = { 0 };
	uint64_t now = 100 * SECOND;

	for (int i = 0; i < 5; i++)
		ck_assert(rate_take(&r, 5, 2 * SECOND, now));
	ck_assert(!rate_take(&r, 5, 2 * SECOND, now));
	ck_assert(!rate_take(&r, 5, 2 * SECOND, now + 2 * SECOND - 1));
	ck_assert(rate_take(&r, 5, 2 * SECOND, now + 2 * SECOND));
	ck_assert(!rate_take(&r, 5, 2 * SECOND, now + 2 * SECOND));
	/* Long idle: a burst again, and not more. */
	now += 1000 * SECOND;
	for (int i = 0; i < 5; i++)
		ck_assert(rate_take(&r, 5, 2 * SECOND, now));
	ck_assert(!rate_take(&r, 5, 2 * SECOND, now));
}
END_TEST

static struct rate_sources sources;

static unsigned take(struct lineage who, unsigned times, uint64_t now)
{
	uint64_t suppressed;
	unsigned n = 0;

	for (unsigned i = 0; i < times; i++)
		n += rate_by_cgroup(&sources, &who, who.n - 1, now, &suppressed);
	return n;
}

START_TEST(what_was_suppressed_is_told)
{
	struct lineage who = OF(ROOT, 2, 3, 4);
	uint64_t suppressed = 99;

	sources = (struct rate_sources){ 0 };
	ck_assert_uint_eq(take(who, RATE_BURST + 7, SECOND), RATE_BURST);
	ck_assert(rate_by_cgroup(&sources, &who, 3, SECOND + RATE_INTERVAL_NS, &suppressed));
	ck_assert_uint_eq(suppressed, 7);
	ck_assert(rate_by_cgroup(&sources, &who, 3, SECOND + 2 * RATE_INTERVAL_NS, &suppressed));
	ck_assert_uint_eq(suppressed, 0);
}
END_TEST

START_TEST(a_container_leaves_others_a_rate)
{
	unsigned flood = 0;

	sources = (struct rate_sources){ 0 };
	/* By itself, and by more descendants than are remembered. */
	flood += take(OF(ROOT, 2), 10000, SECOND);
	for (uint64_t i = 0; i < 2 * RATE_SOURCES; i++)
		flood += take(OF(ROOT, 2, 1000 + i, 5000 + i), 10, SECOND);
	ck_assert_uint_eq(flood, 16 * RATE_BURST);
	ck_assert_uint_eq(take(OF(ROOT, 7, 8, 9), 100, SECOND), RATE_BURST);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("fair");
	TCase *fair = tcase_create("queue");
	TCase *rate = tcase_create("rate");

	tcase_add_checked_fixture(fair, setup, teardown);
	tcase_add_test(fair, alone_the_latest_are_kept_in_order);
	tcase_add_test(fair, a_flood_leaves_others_theirs);
	tcase_add_test(fair, descendants_gain_nothing);
	tcase_add_test(fair, own_and_childrens_share_alike);
	tcase_add_test(fair, shares_go_with_their_items);
	tcase_add_test(rate, a_burst_and_then_one_each_interval);
	tcase_add_test(rate, what_was_suppressed_is_told);
	tcase_add_test(rate, a_container_leaves_others_a_rate);
	suite_add_tcase(suite, fair);
	suite_add_tcase(suite, rate);
	return suite_run(suite);
}
