/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ctlfs oci-hook: a hook of the OCI runtime specification, which gets the container's state as JSON
 * on standard input. At both stages the container's mounts have been made and its root has not yet
 * been changed:
 *   createRuntime    runs in the runtime's namespaces and enters the container's mounts
 *   createContainer  runs in the container's namespaces and cgroup; what pid the state has there is
 *                    left to the runtime, so it is not looked at
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "ctlfs/buf.h"
#include "ctlfs/why.h"
#include "hook.h"
#include "ocistate.h"

#define STATE_MAX (1u << 20)

enum oci_stage { STAGE_CREATE_RUNTIME, STAGE_CREATE_CONTAINER };

struct oci_options {
	const char *mount;
	enum oci_stage stage;
	bool tree;
};

static const char *const stage_words[] = {
	[STAGE_CREATE_RUNTIME] = "createRuntime", [STAGE_CREATE_CONTAINER] = "createContainer",
	NULL,
};

static const struct option_row rows[] = {
	HOOK_MOUNT_ROW(offsetof(struct oci_options, mount)),
	{ "stage", 0, "STAGE", option_word, offsetof(struct oci_options, stage),
	  .words = stage_words, .preset = "createRuntime",
	  .expected = "createRuntime or createContainer",
	  .help = "where the runtime calls it: createRuntime or createContainer" },
	{ "tree", 0, NULL, option_switch, offsetof(struct oci_options, tree),
	  .help = "let containers have the tree, too, that ask for it by the annotation "
		  OCI_ANNOTATION "=tree" },
	{ NULL },
};

static const struct command_line line = {
	"oci-hook", "",
	"Gives the container whose state is on standard input its views: a hook of OCI runtimes.",
	rows, 0, 0, false,
};

static int read_input(struct buf *out)
{
	char part[4096];
	ssize_t n;

	while ((n = read(STDIN_FILENO, part, sizeof part)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return refuse(errno, "standard input: %s", strerror(errno));
		if (out->len + (size_t)n > STATE_MAX)
			return refuse(EFBIG, "the state on standard input is too long");
		buf_add(out, part, (size_t)n);
	}
	return buf_error(out);
}

static int give_views(const struct oci_options *o, const struct oci_state *s)
{
	struct hook h = {
		.mount = o->mount, .rootfs = s->rootfs,
		.tree = s->wish == OCI_WISH_TREE ? TREE_YES : TREE_NO,
	};
	cleanup_given struct given given = GIVEN_INIT;

	if (h.tree == TREE_YES && !o->tree)
		return refuse(EPERM, "the annotation " OCI_ANNOTATION "=tree is not allowed here "
				     "(oci-hook --tree)");
	if (o->stage == STAGE_CREATE_RUNTIME)
		h.pid = s->pid;
	if (o->stage == STAGE_CREATE_RUNTIME && !h.pid)
		return refuse(EINVAL, "the state has no pid");
	return hook_give(&h, &given);
}

static int run_hook(const struct oci_options *o)
{
	cleanup_buf struct buf text = { 0 };
	cleanup_oci_state struct oci_state state = { 0 };
	int r = read_input(&text);

	if (r == 0)
		r = oci_state_parse(buf_text(&text), &state);
	if (r < 0 || state.wish == OCI_WISH_NOTHING)
		return r;
	return give_views(o, &state);
}

int cmd_oci_hook(int argc, char **argv)
{
	cleanup_operands struct operands operands = { 0 };
	struct oci_options o = { 0 };
	int r, status = options_parse(&line, argc, argv, &o, &operands);

	if (status != OPTIONS_GO_ON)
		return status;
	why_take();
	r = run_hook(&o);
	return r < 0 ? command_failed(r, "oci-hook") : 0;
}
