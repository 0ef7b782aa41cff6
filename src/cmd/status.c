/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ctlfs status: the mounts of this namespace, and what their daemons tell in MNT/ctl. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "ctlfs/buf.h"
#include "ctlfs/cleanup.h"
#include "ctlfs/json.h"
#include "ctlfs/log.h"
#include "mounts.h"

#define CTL_MAX (1u << 20)

struct status_options {
	bool json;
};

static const struct option_row rows[] = {
	{ .name = "json", .parse = option_switch, .offset = offsetof(struct status_options, json),
	  .help = "print an array with one object for each mount" },
	{ NULL },
};

static const struct command_line line = {
	"status", "[DIRECTORY]",
	"Shows the ctlfs mounted on DIRECTORY, or all that are mounted here.", rows, 0, 1, false,
};

/* Appends version and statistics of the daemon as "key value" lines. */
static int read_ctl(const char *path, struct buf *out)
{
	cleanup_close int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (fd < 0)
		return -errno;
	buf_adds(out, "version ");
	r = buf_readat(out, fd, "ctl/version", CTL_MAX);
	if (r == 0)
		r = buf_readat(out, fd, "ctl/stats", CTL_MAX);
	return r;
}

/* Cuts the next "key value" line off *rest: false at the end. */
static bool next_pair(char **rest, char **ret_key, char **ret_value)
{
	char *text = strsep(rest, "\n");

	while (text && !strchr(text, ' '))
		text = strsep(rest, "\n");
	if (!text)
		return false;
	*ret_key = strsep(&text, " ");
	*ret_value = text;
	return true;
}

static void show_json(struct buf *out, const char *path, char *pairs, const char *error)
{
	char *key, *value;

	buf_adds(out, "{\"mount\": ");
	json_string(out, path);
	if (error) {
		buf_adds(out, ", \"error\": ");
		json_string(out, error);
	}
	while (!error && next_pair(&pairs, &key, &value)) {
		buf_adds(out, ", ");
		json_string(out, key);
		buf_adds(out, ": ");
		if (strcmp(key, "version") == 0)
			json_string(out, value);
		else
			json_value(out, value);
	}
	buf_adds(out, "}");
}

static void show_text(struct buf *out, const char *path, char *pairs, const char *error)
{
	char *key, *value;

	buf_addf(out, "%s\n", path);
	if (error)
		buf_addf(out, "  does not answer: %s\n", error);
	while (!error && next_pair(&pairs, &key, &value)) {
		if (strcmp(key, "uptime_usec") == 0)
			buf_addf(out, "  %-12s %.1f s\n", "uptime", strtod(value, NULL) / 1e6);
		else
			buf_addf(out, "  %-12s %s\n", key, value);
	}
}

static int show_mount(struct buf *out, const char *path, bool json)
{
	cleanup_buf struct buf pairs = { 0 };
	int r = read_ctl(path, &pairs);
	const char *error = r < 0 ? strerror(-r) : NULL;

	if (json)
		show_json(out, path, pairs.data, error);
	else
		show_text(out, path, pairs.data, error);
	return r;
}

static int show_mounts(const struct mounttable *mounts, bool json)
{
	cleanup_buf struct buf out = { 0 };
	int status = 0;

	buf_adds(&out, json ? "[" : "");
	for (size_t i = 0; i < mounts->n; i++) {
		if (i)
			buf_adds(&out, json ? ",\n " : "\n");
		if (show_mount(&out, mounts->v[i].point, json) < 0)
			status = STATUS_FAILED;
	}
	buf_adds(&out, json ? "]\n" : "");
	if (buf_error(&out) < 0)
		return STATUS_FAILED;
	fputs(buf_text(&out), stdout);
	return status;
}

/* The one that was asked for, by whatever path. */
static int show_one(const struct mounttable *mounts, const char *path, bool json)
{
	cleanup_free char *real = realpath(path, NULL);
	const struct mountinfo *found = mounts_find(mounts, real ? real : path);

	if (!found) {
		log_error("status: no ctlfs is mounted on %s", path);
		return STATUS_FAILED;
	}
	return show_mounts(&(struct mounttable){ .v = (struct mountinfo *)found, .n = 1 }, json);
}

int cmd_status(int argc, char **argv)
{
	cleanup_operands struct operands operands = { 0 };
	cleanup_mounttable struct mounttable mounts = { 0 };
	struct status_options o = { 0 };
	int r, status = options_parse(&line, argc, argv, &o, &operands);

	if (status != OPTIONS_GO_ON)
		return status;
	r = mounts_read(&mounts);
	if (r < 0)
		return command_failed(r, "status");
	if (operands.n)
		return show_one(&mounts, operands.v[0], o.json);
	if (mounts.n == 0) {
		if (o.json)
			puts("[]");
		log_error("status: no ctlfs is mounted here (ctlfs mount DIRECTORY)");
		return STATUS_FAILED;
	}
	return show_mounts(&mounts, o.json);
}
