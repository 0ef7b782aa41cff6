/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A file of the policy. Whatever it says: a file without errors has rules that make sense, one with
 * errors tells so with a line that it has. */
#include "fuzz.h"

#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctlfs/why.h"
#include "kernel/policy.h"

struct told {
	const char *path;
	unsigned lines, errors;
};

static void take(void *data, const char *text)
{
	struct told *told = data;
	size_t len = strlen(told->path);
	unsigned line = 0;

	ck_assert_int_eq(strncmp(text, told->path, len), 0);
	ck_assert_int_eq(sscanf(text + len, ":%u: ", &line), 1);
	ck_assert(line >= 1 && line <= told->lines);
	told->errors++;
}

static void check_rules(const struct policy *p, const char *cgroup)
{
	static const char *const files[] = { "memory.max", "cpu.max", "pids.max", "cgroup.procs",
					     "hugetlb.2MB.max", "cpu.weight" };

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		const struct rule *rule = policy_find(p, cgroup, files[i]);

		if (!rule)
			continue;
		ck_assert(rule->cgroup[0] == '/');
		ck_assert(!strcmp(rule->file, "*") || !strcmp(rule->file, files[i]));
		ck_assert(rule->verb != VERB_CEILING || strcmp(rule->file, "*") != 0);
		ck_assert(policy_verb(p, rule, "cgroup.procs", true) != VERB_ALLOW);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("policy", MFD_CLOEXEC);
	struct told told = { .lines = 1 };
	struct policy *p;
	char path[64];
	int r;

	ck_assert(fd >= 0 && fchmod(fd, 0600) == 0);
	ck_assert_int_eq(write(fd, data, size), size);
	for (size_t i = 0; i < size; i++)
		told.lines += data[i] == '\n';
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	told.path = path;
	ck_assert_int_eq(policy_new(false, &p), 0);
	r = policy_read(p, path, take, &told);
	ck_assert(r == (told.errors ? -EINVAL : 0));
	check_rules(p, "/a");
	check_rules(p, "/lxc.payload.one");
	policy_free(p);
	close(fd);
	why_take();
	return 0;
}
