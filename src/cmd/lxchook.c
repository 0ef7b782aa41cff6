/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ctlfs lxc-hook: lxc.hook.mount of lxc.container.conf(5). LXC runs it in the container's
 * namespaces and cgroup, when its mounts have been made below LXC_ROOTFS_MOUNT and before its root
 * is changed. What LXC adds to the command line (name, section, type) it also has in the
 * environment.
 */
#include <errno.h>
#include <stdlib.h>

#include "cmd.h"
#include "ctlfs/why.h"
#include "hook.h"

struct lxc_options {
	const char *mount;
	bool tree;
};

static const struct option_row rows[] = {
	HOOK_MOUNT_ROW(offsetof(struct lxc_options, mount)),
	{ "tree", 0, NULL, option_switch, offsetof(struct lxc_options, tree),
	  .help = "also the tree: the container's cgroup over its /sys/fs/cgroup" },
	{ NULL },
};

static const struct command_line line = {
	"lxc-hook",
	"[NAME lxc mount]",
	"Gives the container at $LXC_ROOTFS_MOUNT its views: a value of lxc.hook.mount.",
	rows,
	0,
	3,
	false,
};

static int give_views(const struct lxc_options *o)
{
	struct hook h = {
		.mount = o->mount, .tree = o->tree ? TREE_YES : TREE_NO,
		.rootfs = getenv("LXC_ROOTFS_MOUNT"),
	};
	cleanup_given struct given given = GIVEN_INIT;

	if (!h.rootfs || !*h.rootfs)
		return refuse(EINVAL, "LXC_ROOTFS_MOUNT is not set: expected to be run by LXC as "
				      "lxc.hook.mount");
	return hook_give(&h, &given);
}

int cmd_lxc_hook(int argc, char **argv)
{
	cleanup_operands struct operands operands = { 0 };
	struct lxc_options o = { 0 };
	int r, status = options_parse(&line, argc, argv, &o, &operands);

	if (status != OPTIONS_GO_ON)
		return status;
	why_take();
	r = give_views(&o);
	return r < 0 ? command_failed(r, "lxc-hook") : 0;
}
