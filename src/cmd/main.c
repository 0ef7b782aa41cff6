/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command: a table of subcommands. */
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "ctlfs/log.h"
#include "ctlfs/version.h"

struct command {
	const char *name;
	const char *help;
	int (*run)(int argc, char **argv);
};

static int cmd_version(int argc, char **argv);
static int cmd_help(int argc, char **argv);

static const struct command commands[] = {
	{ "mount", "mount the tree and the views of this machine", cmd_mount },
	{ "run", "run a command in a cgroup of its own that sees its own limits", cmd_run },
	{ "attach", "put the views of a container into it while it runs", cmd_attach },
	{ "detach", "take them out again", cmd_detach },
	{ "status", "show the ctlfs mounts and what their daemons have done", cmd_status },
	{ "errors", "show the latest refused operations and why they were refused", cmd_errors },
	{ "explain", "say where the numbers come from that a process sees", cmd_explain },
	{ "export", "write a snapshot of a cgroup tree as plain files", cmd_export },
	{ "inject", "have an emulator do what a test wants: usage, events, faults", cmd_inject },
	{ "check-config", "check the policy for containers: /etc/ctlfs/ctlfs.conf and others",
	  cmd_check_config },
	{ "binds", "print the bind mounts that give a container its views", cmd_binds },
	{ "oci-hook", "give a container its views: a hook of OCI runtimes", cmd_oci_hook },
	{ "lxc-hook", "give a container its views: a mount hook of LXC", cmd_lxc_hook },
	{ "version", "print the version", cmd_version },
	{ "help", "print this, or the help of a command", cmd_help },
	{ NULL },
};

static void print_usage(FILE *to)
{
	fputs("Usage: ctlfs COMMAND [OPTION...] [ARGUMENT...]\n\nCommands:\n", to);
	for (const struct command *c = commands; c->name; c++)
		fprintf(to, "  %-14s%s\n", c->name, c->help);
	fputs("\n'ctlfs COMMAND --help' lists the options of a command.\n", to);
}

static const struct command *find(const char *name)
{
	const struct command *c = commands;

	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
		name = "help";
	if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0)
		name = "version";
	while (c->name && strcmp(c->name, name) != 0)
		c++;
	return c->name ? c : NULL;
}

static int unknown(const char *name)
{
	log_error("unknown command '%s': expected one of those that 'ctlfs help' lists", name);
	return STATUS_USAGE;
}

static const struct option_row no_rows[] = { { NULL } };

static int cmd_version(int argc, char **argv)
{
	static const struct command_line line = { "version", "", "Prints the version of ctlfs.",
						  no_rows, 0, 0, false };
	cleanup_operands struct operands operands = { 0 };
	int status = options_parse(&line, argc, argv, NULL, &operands);

	if (status != OPTIONS_GO_ON)
		return status;
	puts("ctlfs " CTLFS_VERSION);
	return 0;
}

static int cmd_help(int argc, char **argv)
{
	static const struct command_line line = {
		"help", "[COMMAND]", "Prints what commands there are, or the help of one.",
		no_rows, 0, 1, false,
	};
	cleanup_operands struct operands operands = { 0 };
	const struct command *c;
	int status;

	/* As "ctlfs --help" too. */
	if (argv[0][0] != '-') {
		status = options_parse(&line, argc, argv, NULL, &operands);
		if (status != OPTIONS_GO_ON)
			return status;
	}
	if (operands.n == 0) {
		print_usage(stdout);
		return 0;
	}
	c = find(operands.v[0]);
	if (!c)
		return unknown(operands.v[0]);
	return c->run(2, (char *[]){ (char *)c->name, "--help", NULL });
}

int main(int argc, char **argv)
{
	const struct command *c;

	if (argc < 2) {
		print_usage(stderr);
		return STATUS_USAGE;
	}
	c = find(argv[1]);
	if (!c)
		return unknown(argv[1]);
	return command_end(c->run(argc - 1, argv + 1));
}
