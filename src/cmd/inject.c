/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ctlfs inject: lines for MNT/ctl/inject, one write each, so that what is refused has a name. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "ctlfs/buf.h"
#include "ctlfs/cleanup.h"
#include "ctlfs/log.h"
#include "mounts.h"

#define STATE_MAX (64u << 20)
#define LINE_MOST 4096 /* one FUSE request takes more */

static const struct option_row no_rows[] = { { NULL } };

const struct command_line inject_line = {
	"inject",
	"[DIRECTORY] LINE...|-",
	"Has the emulator mounted on DIRECTORY (which begins with / or .), else on $CTLFS_MOUNT, "
	"else the only one, do what each LINE says: usage, events, pressure, faults, synthetic "
	"processes, time. The words of a single line need not be quoted. With - lines are read "
	"from standard input. Without a line the state is shown.",
	no_rows,
	0,
	-1,
	true,
};

struct target {
	const char *path; /* MNT/ctl/inject */
	int fd;
};

/* The last thing that failed, as the file itself tells; else what errnum means. */
static void tell_refused(const struct target *to, const char *what, int errnum)
{
	static const char key[] = "failed: ";
	cleanup_buf struct buf state = { 0 };
	const char *last = NULL;

	if (buf_readat(&state, AT_FDCWD, to->path, STATE_MAX) == 0) {
		for (const char *p = buf_text(&state); (p = strstr(p, key)); p++) {
			if (p == buf_text(&state) || p[-1] == '\n')
				last = p + strlen(key);
		}
	}
	if (last)
		log_error("inject: %s: %.*s", what, (int)strcspn(last, "\n"), last);
	else
		log_error("inject: %s: %s", what, strerror(errnum));
}

static int send_line(const struct target *to, const char *what, const char *line)
{
	size_t len = strlen(line);

	if (!len)
		return 0;
	if (len > LINE_MOST) {
		log_error("inject: %s: longer than %d bytes", what, LINE_MOST);
		return STATUS_FAILED;
	}
	if (write(to->fd, line, len) == (ssize_t)len)
		return 0;
	tell_refused(to, what, errno);
	return STATUS_FAILED;
}

static int send_input(const struct target *to)
{
	cleanup_free char *line = NULL;
	size_t cap = 0;
	ssize_t len;
	int status = 0;

	for (unsigned number = 1; status == 0 && (len = getline(&line, &cap, stdin)) >= 0;
	     number++) {
		char what[32];

		if (len && line[len - 1] == '\n')
			line[len - 1] = '\0';
		snprintf(what, sizeof what, "line %u", number);
		status = send_line(to, what, line);
	}
	if (status == 0 && ferror(stdin)) {
		log_error("inject: standard input: %s", strerror(errno));
		return STATUS_FAILED;
	}
	return status;
}

/* No line is one word alone: words without blanks are those of one line. */
static int send_words(const struct target *to, char **words, int n)
{
	cleanup_buf struct buf line = { 0 };
	int status = 0;

	if (strpbrk(words[0], " \t")) {
		for (int i = 0; i < n && status == 0; i++)
			status = send_line(to, words[i], words[i]);
		return status;
	}
	for (int i = 0; i < n; i++)
		buf_addf(&line, "%s%s", i ? " " : "", words[i]);
	return send_line(to, buf_text(&line), buf_text(&line));
}

static int show_state(const struct target *to)
{
	cleanup_buf struct buf state = { 0 };
	int r = buf_readat(&state, AT_FDCWD, to->path, STATE_MAX);

	if (r < 0) {
		log_error("inject: %s: %s", to->path, strerror(-r));
		return STATUS_FAILED;
	}
	fputs(buf_text(&state), stdout);
	return 0;
}

static int open_target(const char *mount, struct buf *path, struct target *ret_target)
{
	int fd;

	buf_addf(path, "%s/ctl/inject", mount);
	fd = open(buf_text(path), O_WRONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		log_error("inject: %s: %s: expected a ctlfs with the emulator", buf_text(path),
			  strerror(errno));
	else if (fd < 0)
		log_error("inject: %s: %s", buf_text(path), strerror(errno));
	if (fd < 0)
		return STATUS_FAILED;
	*ret_target = (struct target){ buf_text(path), fd };
	return 0;
}

int cmd_inject(int argc, char **argv)
{
	cleanup_operands struct operands operands = { 0 };
	cleanup_buf struct buf path = { 0 };
	cleanup_free char *mount = NULL;
	struct target to;
	int first, r, status = options_parse(&inject_line, argc, argv, NULL, &operands);

	if (status != OPTIONS_GO_ON)
		return status;
	first = operands.n && strchr("/.", *operands.v[0]) && *operands.v[0];
	r = mounts_choose(first ? operands.v[0] : NULL, &mount);
	if (r < 0)
		return command_failed(r, "inject");
	status = open_target(mount, &path, &to);
	if (status != 0)
		return status;
	if (operands.n == first)
		status = show_state(&to);
	else if (operands.n == first + 1 && strcmp(operands.v[first], "-") == 0)
		status = send_input(&to);
	else
		status = send_words(&to, operands.v + first, operands.n - first);
	close(to.fd);
	return status;
}
