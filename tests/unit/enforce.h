/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A tree a/x, a/y with cpu and memory, and time that passes, for tests of what limits do. */
#ifndef TESTS_ENFORCE_H
#define TESTS_ENFORCE_H

#include "emul_fixture.h"

#define MSEC 1000000ULL

static inline void enforce_setup(void)
{
	emul_setup();
	make_dirs("a", "a/x", "a/y");
	ck_assert_int_eq(do_write("cgroup.subtree_control", "+memory +cpu"), 0);
	ck_assert_int_eq(do_write("a/cgroup.subtree_control", "+memory +cpu"), 0);
}

static inline struct fake_task *task(pid_t pid)
{
	return fake_find(fake, pid);
}

/* Time passes; what is due is done; exits are told. */
static inline void pass(uint64_t msec)
{
	for (uint64_t i = 0; i < msec; i++) {
		fake->now += MSEC;
		emul_run_due(tree);
		fake_settle(&fake->tasks);
	}
}

static inline uint64_t stat_value(const char *path, const char *key)
{
	cleanup_buf struct buf text = { 0 };
	const char *at;

	ck_assert_int_eq(do_read(path, &text), 0);
	at = strstr(buf_text(&text), key);
	ck_assert_ptr_nonnull(at);
	return strtoull(at + strlen(key), NULL, 10);
}

static inline void assert_near(uint64_t value, uint64_t expected, uint64_t off)
{
	ck_assert_uint_ge(value + off, expected);
	ck_assert_uint_le(value, expected + off);
}

/* Runs pids for msec; those that are stopped use nothing. */
static inline void spin(const pid_t *pids, unsigned n, uint64_t msec)
{
	for (uint64_t i = 0; i < 10 * msec; i++) {
		fake->now += MSEC / 10;
		for (unsigned k = 0; k < n; k++) {
			if (!task(pids[k])->stopped)
				task(pids[k])->use.user_ns += MSEC / 10;
		}
		emul_run_due(tree);
	}
}

static inline void spin_until_stopped(pid_t pid)
{
	for (int i = 0; i < 500 && !task(pid)->stopped; i++)
		spin(&pid, 1, 1);
	ck_assert(task(pid)->stopped);
}

#endif
