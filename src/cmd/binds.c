/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The list of binds, from the table of views. */
#include "binds.h"

#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ctlfs/view.h"

bool binds_get(uint64_t id, unsigned n, struct bind *ret_bind)
{
	unsigned long long number = id;
	const char *target = n ? view_binds()[n - 1] : BINDS_TREE;

	if (!target)
		return false;
	ret_bind->target = target;
	ret_bind->writable = binds_is_tree(target) || strcmp(target, "proc/pressure") == 0;
	if (!id)
		snprintf(ret_bind->source, sizeof ret_bind->source, "%s", n ? target : "cgroup");
	else if (n)
		snprintf(ret_bind->source, sizeof ret_bind->source, "view/%llu/%s", number, target);
	else
		snprintf(ret_bind->source, sizeof ret_bind->source, "view/%llu/cgroup", number);
	return true;
}

bool binds_is_tree(const char *target)
{
	return strcmp(target, BINDS_TREE) == 0;
}

bool binds_may_mount(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	return syscall(SYS_capget, &head, data) == 0 &&
	       (data[CAP_TO_INDEX(CAP_SYS_ADMIN)].effective & CAP_TO_MASK(CAP_SYS_ADMIN));
}
