/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ctlfs attach, ctlfs detach: views in running containers. A child does all of it, since it cannot
 * come back from the container's mounts; and should a file system in there, or ctlfs, not answer,
 * it is the child that hangs.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "binds.h"
#include "cmd.h"
#include "ctlfs/buf.h"
#include "ctlfs/cleanup.h"
#include "ctlfs/json.h"
#include "ctlfs/log.h"
#include "hook.h"
#include "takeout.h"

#define DEADLINE_MS 20000

struct attach_options {
	const char *mount; /* or NULL */
	enum tree_wanted tree;
	bool json;
	pid_t pid; /* an operand */
};

static const char *const tree_words[] = {
	[TREE_AUTO] = "auto", [TREE_YES] = "yes", [TREE_NO] = "no", NULL,
};

#define FIELD(member) .offset = offsetof(struct attach_options, member)

static const struct option_row attach_rows[] = {
	{ "mount", 0, "DIRECTORY", option_text, FIELD(mount), .expected = "a directory",
	  .help = "take the views of the ctlfs mounted on DIRECTORY; without it, of "
		  "$CTLFS_MOUNT, else of the only one" },
	{ "tree", 0, "WHETHER", option_word, FIELD(tree), .words = tree_words,
	  .expected = "auto, yes or no", .preset = "auto",
	  .help = "put the container's cgroup over its /sys/fs/cgroup; auto: unless it has a "
		  "cgroup hierarchy there that it may write" },
	{ "json", 0, NULL, option_switch, FIELD(json), .help = "print an object" },
	{ NULL },
};

static const struct option_row detach_rows[] = {
	{ "json", 0, NULL, option_switch, FIELD(json), .help = "print an object" },
	{ NULL },
};

static const struct command_line attach_line = {
	"attach", "PID",
	"Puts the views of its container over the /proc and /sys of the container in which process "
	"PID runs: all, or none on failure. May be repeated; what a dead ctlfs left is replaced.",
	attach_rows, 1, 1, false,
};

static const struct command_line detach_line = {
	"detach", "PID",
	"Takes out of the container in which process PID runs what 'ctlfs attach' put there.",
	detach_rows, 1, 1, false,
};

/* --- what was done --- */

static void json_list(struct buf *out, const char *name, const char *const *texts, size_t n)
{
	buf_addf(out, ", \"%s\": [", name);
	for (size_t i = 0; i < n; i++) {
		buf_adds(out, i ? ", " : "");
		json_string(out, texts[i]);
	}
	buf_adds(out, "]");
}

/* "7 views and the tree" */
static void add_count(struct buf *out, size_t views, bool tree)
{
	if (views)
		buf_addf(out, "%zu view%s", views, views == 1 ? "" : "s");
	buf_addf(out, "%s%s", views && tree ? " and " : "", tree ? "the tree" : "");
}

/* Those of texts that are mount points of views, and whether the tree's is among them. */
static void add_counted(struct buf *out, const char *const *texts, size_t n)
{
	size_t trees = 0;

	for (size_t i = 0; i < n; i++)
		trees += binds_is_tree(texts[i] + 1);
	add_count(out, n - trees, trees > 0);
}

struct sorted {
	char path[PLACES_MAX][64];
	const char *of[PLACE_STATES][PLACES_MAX];
	size_t n[PLACE_STATES];
};

static void sort_places(const struct places *p, struct sorted *s)
{
	*s = (struct sorted){ 0 };
	for (size_t i = 0; i < p->n; i++) {
		enum place_state state = p->v[i].state;

		snprintf(s->path[i], sizeof s->path[i], "/%s", p->v[i].bind.target);
		s->of[state][s->n[state]++] = s->path[i];
	}
}

static const struct {
	enum place_state state;
	const char *key, *text;
} reports[] = {
	{ PLACE_ATTACHED, "attached", "attached" },
	{ PLACE_REFRESHED, "refreshed", "refreshed" },
	{ PLACE_KEPT, "kept", "was there already:" },
	{ PLACE_MISSING, "missing", "has no place:" },
	{ PLACE_LEFT_OUT, "left_out", "left out, since the container has a cgroup hierarchy that "
				      "it may write (--tree):" },
};

static int show_attached(const struct places *p, bool json)
{
	unsigned long long id = p->source->id;
	cleanup_buf struct buf name = { 0 };
	cleanup_buf struct buf out = { 0 };
	struct sorted s;

	sort_places(p, &s);
	buf_adds(&name, buf_text(&p->source->path));
	if (!name.len)
		buf_addf(&name, "container %llu", id);
	if (json) {
		buf_adds(&out, "{\"container\": ");
		json_string(&out, buf_text(&p->source->path));
		buf_addf(&out, ", \"id\": %llu", id);
	}
	for (size_t i = 0; i < ARRAY_SIZE(reports); i++) {
		const char *const *texts = s.of[reports[i].state];
		size_t n = s.n[reports[i].state];

		if (json) {
			json_list(&out, reports[i].key, texts, n);
		} else if (n) {
			buf_addf(&out, "%s ", reports[i].text);
			add_counted(&out, texts, n);
			if (reports[i].state == PLACE_ATTACHED)
				buf_addf(&out, " to %s", buf_text(&name));
			if (reports[i].state == PLACE_REFRESHED || reports[i].state == PLACE_KEPT)
				buf_addf(&out, " of %s", buf_text(&name));
			buf_adds(&out, "\n");
		}
	}
	buf_adds(&out, json ? "}\n" : "");
	if (buf_error(&name) < 0 || buf_error(&out) < 0)
		return -ENOMEM;
	fputs(buf_text(&out), stdout);
	return 0;
}

static int show_detached(const struct takeout *t, pid_t pid, bool json)
{
	const char *const *taken = (const char *const *)t->taken;
	cleanup_buf struct buf out = { 0 };

	if (json) {
		buf_addf(&out, "{\"pid\": %d", pid);
		json_list(&out, "detached", taken, t->n_taken);
		json_list(&out, "left", (const char *const *)t->left, t->n_left);
		buf_adds(&out, "}");
	} else if (t->n_taken) {
		buf_adds(&out, "detached ");
		add_counted(&out, taken, t->n_taken);
	} else {
		buf_adds(&out, "nothing to detach");
	}
	for (size_t i = 0; i < t->n_left; i++)
		log_error("detach: %s", t->left[i]);
	if (buf_error(&out) < 0)
		return -ENOMEM;
	puts(buf_text(&out));
	return 0;
}

/* --- the work, in the child --- */

static int attach(const struct attach_options *o)
{
	struct hook h = { .mount = o->mount, .tree = o->tree, .pid = o->pid };
	cleanup_given struct given given = GIVEN_INIT;
	int r = hook_give(&h, &given);

	if (r == 0)
		r = show_attached(&given.places, o->json);
	return r < 0 ? command_failed(r, "attach") : 0;
}

static int detach(const struct attach_options *o)
{
	cleanup_container struct container c = CONTAINER_INIT;
	cleanup_takeout struct takeout t = { 0 };
	int r = container_open(o->pid, &c);

	if (r == 0)
		r = container_enter(&c);
	if (r == 0)
		r = takeout_all(&c, &t);
	if (r == 0)
		r = show_detached(&t, o->pid, o->json);
	if (r < 0)
		return command_failed(r, "detach");
	return t.n_left ? STATUS_FAILED : 0;
}

/* --- the command --- */

static int wait_for(const char *command, pid_t child)
{
	cleanup_close int pidfd = pidfd_open(child, 0);
	struct pollfd ended = { .fd = pidfd, .events = POLLIN };
	int status, r;

	do {
		r = poll(&ended, 1, DEADLINE_MS);
	} while (r < 0 && errno == EINTR);
	if (pidfd >= 0 && r == 0) {
		kill(child, SIGKILL);
		log_error("%s: no answer in %d s from a file system of the container, or from "
			  "ctlfs: given up", command, DEADLINE_MS / 1000);
		return STATUS_FAILED; /* it may not even die */
	}
	if (waitpid(child, &status, 0) < 0)
		return command_failed(-errno, "%s", command);
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	log_error("%s: ended by signal %d", command, WTERMSIG(status));
	return STATUS_FAILED;
}

static int in_child(const char *command, int (*work)(const struct attach_options *o),
		    const struct attach_options *o)
{
	pid_t child;

	if (!binds_may_mount()) {
		log_error("%s: mounting in a container needs root (CAP_SYS_ADMIN)", command);
		return STATUS_FAILED;
	}
	child = fork();
	if (child < 0)
		return command_failed(-errno, "%s", command);
	if (child > 0)
		return wait_for(command, child);
	_exit(command_end(work(o)));
}

static int run(const struct command_line *line, int argc, char **argv,
	       int (*work)(const struct attach_options *o))
{
	static const struct option_row pid_row = { .name = "PID", .min = 1, .max = 1 << 22 };
	cleanup_operands struct operands operands = { 0 };
	struct attach_options o = { 0 };
	int status = options_parse(line, argc, argv, &o, &operands);
	unsigned pid;

	if (status != OPTIONS_GO_ON)
		return status;
	if (option_number(&pid_row, operands.v[0], &pid) < 0) {
		log_error("%s: '%s' is not the number of a process", line->command, operands.v[0]);
		return STATUS_USAGE;
	}
	o.pid = (pid_t)pid;
	return in_child(line->command, work, &o);
}

int cmd_attach(int argc, char **argv)
{
	return run(&attach_line, argc, argv, attach);
}

int cmd_detach(int argc, char **argv)
{
	return run(&detach_line, argc, argv, detach);
}
