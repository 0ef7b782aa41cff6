/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ctlfs export: a snapshot of a cgroup tree, real or emulated, as plain files. */
#include "ctlfs/export.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "ctlfs/cleanup.h"
#include "ctlfs/kernel.h"
#include "ctlfs/why.h"
#include "mounts.h"

struct export_options {
	const char *from;
};

static const struct option_row rows[] = {
	{ "from", 0, "DIRECTORY", option_text, offsetof(struct export_options, from),
	  .expected = "a directory",
	  .help = "a ctlfs mount, or any directory of a cgroup v2 tree; without it, the only ctlfs "
		  "mount there is, else the mount of cgroup2" },
	{ NULL },
};

static const struct command_line line = {
	"export",
	"DIRECTORY",
	"Writes a snapshot of a cgroup tree to DIRECTORY, which is made or is empty: a directory "
	"for each cgroup, a file for each interface file that can be read. 'ctlfs mount --import' "
	"makes an emulated tree of it.",
	rows,
	1,
	1,
	false,
};

/* The tree of the ctlfs mounted at path, or path itself. */
static int tree_of(const char *path, struct buf *out)
{
	cleanup_mounttable struct mounttable m = { 0 };
	cleanup_free char *real = realpath(path, NULL);

	if (!real)
		return refuse(errno, "%s: %s", path, strerror(errno));
	buf_adds(out, real);
	if (mounts_read(&m) == 0 && mounts_find(&m, real))
		buf_adds(out, "/cgroup");
	return buf_error(out);
}

static int choose(const char *from, struct buf *out)
{
	cleanup_free char *mount = NULL;

	if (from)
		return tree_of(from, out);
	if (mounts_choose(NULL, &mount) == 0)
		return tree_of(mount, out);
	if (kernel_mountpoint(out) < 0)
		return refuse(ENOENT, "neither one ctlfs nor cgroup2 is mounted: expected --from");
	why_take();
	return 0;
}

int cmd_export(int argc, char **argv)
{
	cleanup_operands struct operands operands = { 0 };
	cleanup_buf struct buf from = { 0 };
	struct export_options o = { 0 };
	struct tree *tree;
	uint64_t node;
	int r, status = options_parse(&line, argc, argv, &o, &operands);

	if (status != OPTIONS_GO_ON)
		return status;
	r = choose(o.from, &from);
	if (r == 0)
		r = plain_new(buf_text(&from), &tree);
	if (r < 0)
		return command_failed(r, "export");
	r = tree_walk(tree, "cgroup.controllers", &node);
	if (r < 0)
		r = refuse(-r, "%s: not a directory of a cgroup v2 tree",
			   buf_text(&from));
	if (r == 0)
		r = tree_export(tree, operands.v[0]);
	tree_destroy(tree);
	return r < 0 ? command_failed(r, "export") : 0;
}
