/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The end of every unit test's main(): runs a suite and says how it went. */
#ifndef CTLFS_TEST_SUITE_H
#define CTLFS_TEST_SUITE_H

#include <check.h>
#include <stdlib.h>

/* Frees suite; the exit status of the program. CK_VERBOSITY says how much is printed. */
static inline int suite_run(Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
