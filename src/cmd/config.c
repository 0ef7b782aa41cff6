/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading the policy for a command; ctlfs check-config: is it right? */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "ctlfs/log.h"
#include "ctlfs/policy.h"

static const struct option_row no_rows[] = { { NULL } };

static const struct command_line line = {
	"check-config",
	"[FILE...]",
	"Checks files of the policy for containers, each by itself, or those that 'ctlfs mount' "
	"reads by itself (" POLICY_FILE ", " POLICY_DIR "/*.conf), and tells every error with "
	"file and line. Status 1 if there is one.",
	no_rows,
	0,
	0,
	true,
};

static void tell(void *data, const char *text)
{
	log_error("%s: %s", (const char *)data, text);
}

/* 0 or -errno; what is wrong has been told. without: a ctlfs that reads none goes on with none. */
static int load(const char *command, const char *path, bool without, struct policy **ret_policy)
{
	struct policy *p = NULL;
	int r = policy_new(false, &p);

	if (r == 0)
		r = policy_read(p, path, tell, (void *)command);
	if (r == -EOPNOTSUPP && without) {
		log_error("%s: containers may write no limits of their own", command);
		r = 0;
	}
	if (r == -ENOMEM)
		log_error("%s: out of memory", command);
	if (r < 0) {
		policy_free(p);
		return r;
	}
	*ret_policy = p;
	return 0;
}

int config_load(const char *command, const char *path, struct policy **ret_policy)
{
	return load(command, path, !path, ret_policy);
}

static bool is_right(const char *path)
{
	struct policy *p;

	if (load("check-config", path, false, &p) < 0)
		return false;
	printf("%s: %zu rules\n", path ? path : "/etc/ctlfs", policy_count(p));
	policy_free(p);
	return true;
}

int cmd_check_config(int argc, char **argv)
{
	cleanup_operands struct operands operands = { 0 };
	int status = options_parse(&line, argc, argv, NULL, &operands);

	if (status != OPTIONS_GO_ON)
		return status;
	status = 0;
	if (operands.n == 0)
		return is_right(NULL) ? 0 : STATUS_FAILED;
	for (int i = 0; i < operands.n; i++) {
		if (!is_right(operands.v[i]))
			status = STATUS_FAILED;
	}
	return status;
}
