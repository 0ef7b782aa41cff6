/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the fixtures of the unit tests want of <check.h>, for programs that have no test runner: a
 * check that does not hold ends the program, which is how a fuzzer sees it.
 */
#ifndef FUZZ_CHECK_H
#define FUZZ_CHECK_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ck_assert_msg(condition, ...)                                            \
	do {                                                                     \
		if (condition)                                                   \
			break;                                                   \
		fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, #condition);  \
		fprintf(stderr, "" __VA_ARGS__);                                 \
		fputc('\n', stderr);                                             \
		abort();                                                         \
	} while (0)
#define ck_assert(condition) ck_assert_msg(condition, "no")
#define ck_assert_int_eq(a, b) ck_assert_msg((long long)(a) == (long long)(b), "no")
#define ck_assert_int_ne(a, b) ck_assert((a) != (b))
#define ck_assert_int_lt(a, b) ck_assert((a) < (b))
#define ck_assert_int_le(a, b) ck_assert((a) <= (b))
#define ck_assert_int_gt(a, b) ck_assert((a) > (b))
#define ck_assert_int_ge(a, b) ck_assert((a) >= (b))
#define ck_assert_uint_eq(a, b) ck_assert_int_eq(a, b)
#define ck_assert_uint_ne(a, b) ck_assert((a) != (b))
#define ck_assert_uint_lt(a, b) ck_assert((a) < (b))
#define ck_assert_uint_le(a, b) ck_assert((a) <= (b))
#define ck_assert_uint_gt(a, b) ck_assert((a) > (b))
#define ck_assert_uint_ge(a, b) ck_assert((a) >= (b))
#define ck_assert_ptr_null(p) ck_assert((p) == NULL)
#define ck_assert_ptr_eq(a, b) ck_assert((a) == (b))
#define ck_assert_ptr_nonnull(p) ck_assert_msg((p) != NULL, "no")
#define ck_assert_str_ne(a, b) ck_assert_msg(strcmp(a, b) != 0, "no")
#define ck_assert_str_eq(a, b) \
	ck_assert_msg(strcmp(a, b) == 0, "\"%s\" and \"%s\"", a, b)

#endif
