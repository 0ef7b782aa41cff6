/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ctlfs errors: the latest refusals with their reasons, from MNT/ctl/errors. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "ctlfs/buf.h"
#include "ctlfs/cleanup.h"
#include "ctlfs/log.h"
#include "ctlfs/why.h"
#include "mounts.h"

#define ERRORS_MAX (16u << 20)

static const struct option_row no_rows[] = { { NULL } };

static const struct command_line line = {
	"errors",
	"[DIRECTORY]",
	"Shows the latest refused operations, oldest first, and why they were refused: of the "
	"ctlfs "
	"mounted on DIRECTORY, else of $CTLFS_MOUNT ('ctlfs run' sets it), else of the only one.",
	no_rows,
	0,
	1,
	false,
};

int cmd_errors(int argc, char **argv)
{
	cleanup_operands struct operands operands = { 0 };
	cleanup_buf struct buf path = { 0 };
	cleanup_buf struct buf text = { 0 };
	cleanup_free char *mount = NULL;
	int r, status = options_parse(&line, argc, argv, NULL, &operands);

	if (status != OPTIONS_GO_ON)
		return status;
	r = mounts_choose(operands.n ? operands.v[0] : NULL, &mount);
	if (r < 0) {
		log_error("errors: %s", why_take());
		return STATUS_FAILED;
	}
	buf_addf(&path, "%s/ctl/errors", mount);
	r = buf_readat(&text, AT_FDCWD, buf_text(&path), ERRORS_MAX);
	if (r < 0) {
		log_error("errors: %s: %s", buf_text(&path), strerror(-r));
		return STATUS_FAILED;
	}
	fputs(buf_text(&text), stdout);
	return 0;
}
