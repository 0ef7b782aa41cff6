/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The bounded supply: who gets how much of it. */
#include <check.h>

#include "ctlfs/cleanup.h"
#include "ctlfs/quota.h"
#include "suite.h"

#define MAX 80
#define FREE 8

/* How many times one more is taken for who before it is refused; they are left in claims. */
static size_t take_all(struct quota *q, const struct lineage *who, struct quota_claim *claims)
{
	size_t n = 0;

	while (quota_take(q, who, 1, &claims[n]))
		n++;
	return n;
}

static void drop_all(struct quota *q, struct quota_claim *claims, size_t n)
{
	while (n > 0)
		quota_drop(q, &claims[--n]);
}

START_TEST(levels)
{
	static const struct {
		struct lineage who;
		size_t most;
	} rows[] = {
		{ { 1, { 1 } }, MAX }, { { 2, { 1, 2 } }, MAX / 2 },
		{ { 3, { 1, 2, 3 } }, MAX / 4 }, { { 4, { 1, 2, 3, 4 } }, MAX / 8 },
		{ { 6, { 1, 2, 3, 4, 5, 6 } }, MAX / 8 },
	};
	struct quota_claim claims[MAX + 1];
	struct quota q;

	quota_init(&q, MAX, FREE);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t n = take_all(&q, &rows[i].who, claims);

		ck_assert_uint_eq(n, rows[i].most);
		drop_all(&q, claims, n);
	}
	ck_assert_uint_eq(q.used, 0);
	ck_assert_ptr_null(q.shares);
	quota_destroy(&q);
}
END_TEST

/* Neither by descendants nor by what is anybody's does one take what others have. */
START_TEST(others)
{
	struct lineage a = { 3, { 1, 2, 3 } }, b = { 3, { 1, 2, 100 } };
	struct quota_claim of_a[MAX + 1], of_b[MAX + 1], of_nobody[MAX + 1];
	size_t n = 0, n_nobody, n_b;
	struct quota q;

	quota_init(&q, MAX, FREE);
	n_nobody = take_all(&q, NULL, of_nobody);
	ck_assert_uint_eq(n_nobody, FREE);
	for (uint64_t child = 10; child < 50; child++) {
		struct lineage below = { 5, { 1, 2, 3, child, child + 50 } };

		n += take_all(&q, &below, of_a + n);
	}
	ck_assert_uint_eq(n, MAX / 4);
	ck_assert(!quota_take(&q, &a, 1, &of_a[n]));
	n_b = take_all(&q, &b, of_b);
	ck_assert_uint_eq(n_b, MAX / 4);
	drop_all(&q, of_a, 1);
	ck_assert(quota_take(&q, &a, 1, &of_a[0]));
	drop_all(&q, of_a, n);
	drop_all(&q, of_b, n_b);
	drop_all(&q, of_nobody, n_nobody);
	ck_assert_uint_eq(q.used + q.used_free, 0);
	ck_assert_ptr_null(q.shares);
	quota_destroy(&q);
}
END_TEST

START_TEST(amounts)
{
	struct lineage a = { 2, { 1, 2 } };
	struct quota_claim claim = { 0 }, more = { 0 };
	struct quota q;

	quota_init(&q, MAX, FREE);
	ck_assert(quota_take(&q, NULL, 0, &claim));
	ck_assert(!quota_take(&q, NULL, FREE + 1, &claim));
	ck_assert(!quota_take(&q, &a, SIZE_MAX, &claim));
	ck_assert(quota_take(&q, &a, MAX / 2, &claim));
	ck_assert(!quota_take(&q, &a, 1, &more));
	quota_drop(&q, &more); /* nothing was taken */
	quota_drop(&q, &claim);
	quota_drop(&q, &claim);
	ck_assert_uint_eq(q.used, 0);
	quota_destroy(&q);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("quota");
	TCase *tc = tcase_create("quota");

	tcase_add_test(tc, levels);
	tcase_add_test(tc, others);
	tcase_add_test(tc, amounts);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
