/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From a line of ctl/inject to a struct: words, numbers with units, one parser for each command. */
#include "inject_parse.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctlfs/cleanup.h"
#include "ctlfs/why.h"
#include "inject_values.h"

#define BLANKS " \t\r"
#define NAME_MOST 63
#define ADVANCE_MOST (86400 * 1000000000ULL)
#define ERRNO_MOST 133 /* EHWPOISON */

/* --- words ---------------------------------------------------------------------------------- */

struct parser {
	char *rest;
	struct inject_line *line;
};

/* The next word, NULL at the end of the line or before a comment. */
static char *next_word(struct parser *p)
{
	char *word = p->rest + strspn(p->rest, BLANKS);
	char *end = word + strcspn(word, BLANKS);

	if (!*word || *word == '#') {
		p->rest = word + strlen(word);
		return NULL;
	}
	p->rest = *end ? end + 1 : end;
	*end = '\0';
	return word;
}

static int check_path(const char *path)
{
	const char *name = path;

	if (*path != '/' || strlen(path) >= PATH_MAX)
		return refuse(EINVAL, "\"%.64s\" is no path of a cgroup such as /a/b", path);
	while (*name) {
		size_t len;

		name += strspn(name, "/");
		len = strcspn(name, "/");
		if ((len == 1 && *name == '.') || (len == 2 && !strncmp(name, "..", 2)))
			return refuse(EINVAL, "\"%.64s\": no . or .. in paths", path);
		name += len;
	}
	return 0;
}

/* "//a//b/" as "/a/b", in place. */
static void clean_path(char *path)
{
	char *to = path;

	for (const char *from = path; *from; from++) {
		if (*from != '/' || (from[1] && from[1] != '/'))
			*to++ = *from;
	}
	if (to == path)
		*to++ = '/';
	*to = '\0';
}

static int take_path(struct parser *p, const char *what)
{
	char *word = next_word(p);
	int r;

	if (!word)
		return refuse(EINVAL, "%s is missing", what);
	r = check_path(word);
	if (r < 0)
		return r;
	clean_path(word);
	p->line->path = word;
	return 0;
}

static int take_name(struct parser *p, const char **ret_name)
{
	const char *word = next_word(p);

	if (!word)
		return refuse(EINVAL, "the name of a synthetic process is missing");
	if (strlen(word) > NAME_MOST ||
	    word[strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")])
		return refuse(EINVAL,
			      "\"%.64s\": a name is up to %d letters, digits, dots, dashes and "
			      "underscores",
			      word, NAME_MOST);
	*ret_name = word;
	return 0;
}

static int no_more(struct parser *p)
{
	const char *word = next_word(p);

	return word ? refuse(EINVAL, "\"%.64s\" is one word too many", word) : 0;
}

static int take_time(struct parser *p, const char *what, uint64_t *ret_ns)
{
	const char *word = next_word(p);

	if (!word || inject_time(word, ret_ns) < 0)
		return refuse(EINVAL, "%s needs a time such as 1.5s, 200ms, 10us, not \"%.64s\"",
			      what, word ? word : "");
	return 0;
}

static int take_changes(struct parser *p, const struct inject_keys *keys)
{
	struct inject_line *l = p->line;
	char *word;

	while ((word = next_word(p))) {
		int r;

		if (l->n_changes == INJECT_CHANGES)
			return refuse(EINVAL, "more than %d changes", INJECT_CHANGES);
		r = inject_change(keys, word, &l->changes[l->n_changes]);
		if (r < 0)
			return r;
		for (unsigned i = 0; i < l->n_changes; i++) {
			if (l->changes[i].key == l->changes[l->n_changes].key)
				return refuse(EINVAL, "%s is given twice", word);
		}
		l->n_changes++;
	}
	return 0;
}

/* --- commands ------------------------------------------------------------------------------- */

static int parse_usage(struct parser *p)
{
	int r = take_path(p, "the cgroup");

	if (r == 0)
		r = take_changes(p, &inject_usage_keys);
	if (r == 0 && !p->line->n_changes)
		r = refuse(EINVAL, "nothing to change: memory=+10M, user=+1s ...");
	return r;
}

static int parse_io(struct parser *p)
{
	struct inject_line *l = p->line;
	int r = take_path(p, "the cgroup"), end = 0;
	const char *word;

	if (r < 0)
		return r;
	word = next_word(p);
	if (!word || sscanf(word, "%4u:%7u%n", &l->major, &l->minor, &end) != 2 || word[end])
		return refuse(EINVAL, "\"%.64s\" is no device such as 8:0", word ? word : "");
	r = take_changes(p, &inject_io_keys);
	for (unsigned i = 0; r == 0 && i < l->n_changes; i++) {
		if (l->changes[i].sign != '+')
			r = refuse(EINVAL, "io.stat only counts: rbytes=+1M, rios=+3 ...");
	}
	if (r == 0 && !l->n_changes)
		r = refuse(EINVAL, "nothing to count: rbytes=+1M, rios=+3 ...");
	return r;
}

static int parse_event(struct parser *p)
{
	static const char *const names[] = {
		[EVENT_LOW] = "memory.low",
		[EVENT_HIGH] = "memory.high",
		[EVENT_MAX] = "memory.max",
		[EVENT_OOM] = "memory.oom",
		[EVENT_OOM_KILL] = "memory.oom_kill",
		[EVENT_OOM_GROUP] = "memory.oom_group_kill",
		[EVENT_SWAP_HIGH] = "swap.high",
		[EVENT_SWAP_MAX] = "swap.max",
		[EVENT_SWAP_FAIL] = "swap.fail",
		[EVENT_HUGETLB_2M] = "hugetlb.2MB.max",
		[EVENT_HUGETLB_1G] = "hugetlb.1GB.max",
		[EVENT_PIDS_MAX] = "pids.max",
	};
	struct inject_line *l = p->line;
	int r = take_path(p, "the cgroup");
	const char *word;
	size_t i = 0;

	if (r < 0)
		return r;
	word = next_word(p);
	while (word && i < ARRAY_SIZE(names) && strcmp(names[i], word))
		i++;
	if (!word || i == ARRAY_SIZE(names))
		return refuse(EINVAL, "\"%.64s\" is no event, such as memory.oom_kill or pids.max",
			      word ? word : "");
	l->event = (enum inject_event)i;
	l->count = 1;
	word = next_word(p);
	if (word && (*word != '+' || inject_count(word + 1, &l->count) < 0 || !l->count))
		return refuse(EINVAL, "\"%.64s\" is no count such as +3", word);
	return no_more(p);
}

static int parse_share(struct parser *p, const char *word)
{
	struct inject_line *l = p->line;
	bool some = !strncmp(word, "some=", 5);

	if ((!some && strncmp(word, "full=", 5)) ||
	    inject_percent(word + 5, some ? &l->some_ppm : &l->full_ppm) < 0)
		return refuse(EINVAL, "\"%.64s\" is neither some=P%% nor full=P%% nor over TIME",
			      word);
	return 0;
}

static int parse_pressure(struct parser *p)
{
	static const char *const resources[PSI_RESOURCES] = {
		[PSI_IO] = "io",
		[PSI_MEMORY] = "memory",
		[PSI_CPU] = "cpu",
	};
	struct inject_line *l = p->line;
	int r = take_path(p, "the cgroup");
	const char *word;
	bool any = false;
	size_t i = 0;

	if (r < 0)
		return r;
	word = next_word(p);
	while (word && i < PSI_RESOURCES && strcmp(resources[i], word))
		i++;
	if (!word || i == PSI_RESOURCES)
		return refuse(EINVAL, "\"%.64s\" is not io, memory or cpu", word ? word : "");
	l->resource = (enum psi_resource)i;
	while (r == 0 && (word = next_word(p)) && strcmp(word, "over")) {
		r = parse_share(p, word);
		any = true;
	}
	if (r == 0 && word)
		r = take_time(p, "over", &l->ns);
	if (r == 0 && !any)
		r = refuse(EINVAL, "some=P%% or full=P%% is missing");
	if (r == 0 && l->full_ppm > l->some_ppm)
		r = refuse(EINVAL, "full cannot be more than some");
	return r < 0 ? r : no_more(p);
}

static int take_errno(struct parser *p, int *ret_errnum)
{
	const char *word = next_word(p);

	for (int i = 1; word && i <= ERRNO_MOST; i++) {
		const char *name = strerrorname_np(i);

		if (!name || strcmp(name, word))
			continue;
		/* The kernel's FUSE takes it for "never ask again". */
		if (i == ENOSYS)
			return refuse(EINVAL, "ENOSYS would turn the operation off for good");
		*ret_errnum = i;
		return 0;
	}
	return refuse(EINVAL, "\"%.64s\" is no errno such as EBUSY", word ? word : "");
}

static int take_times(struct parser *p, uint64_t *ret_times)
{
	const char *word = next_word(p), *times;

	*ret_times = 1;
	if (!word || !strcmp(word, "once"))
		return 0;
	if (!strcmp(word, "always")) {
		*ret_times = 0;
		return 0;
	}
	times = next_word(p);
	if (inject_count(word, ret_times) < 0 || !*ret_times || !times || strcmp(times, "times"))
		return refuse(EINVAL, "\"%.64s\": expected once, always or N times", word);
	return 0;
}

static int take_fault_op(struct parser *p, struct fault *f)
{
	char *word = next_word(p);
	char *file = word ? strchr(word, ':') : NULL;
	unsigned op = 0;

	if (file) {
		*file++ = '\0';
		f->file = file;
	}
	while (word && op < FAULT_OPS && strcmp(fault_op_names[op], word))
		op++;
	if (!word || op == FAULT_OPS)
		return refuse(EINVAL,
			      "\"%.64s\" is not mkdir, rmdir, list, setattr, open, read or write",
			      word ? word : "");
	f->op = (enum fault_op)op;
	if (file && (op == FAULT_RMDIR || op == FAULT_LIST))
		return refuse(EINVAL, "%s is of the cgroup: no file", word);
	if (file && (!*file || strchr(file, '/')))
		return refuse(EINVAL, "\"%.64s\" is no name of a file", file);
	return 0;
}

static int parse_fail(struct parser *p)
{
	struct inject_line *l = p->line;
	char *word = next_word(p);
	int r = 0;

	if (!word)
		return refuse(EINVAL, "the cgroup, *, or clear is missing");
	if (!strcmp(word, "clear")) {
		l->on = true;
		return no_more(p);
	}
	if (strcmp(word, "*")) {
		r = check_path(word);
		if (r < 0)
			return r;
		clean_path(word);
	}
	l->path = l->fault.path = word;
	r = take_fault_op(p, &l->fault);
	if (r == 0)
		r = take_errno(p, &l->fault.errnum);
	if (r == 0)
		r = take_times(p, &l->fault.times);
	return r < 0 ? r : no_more(p);
}

static int parse_add(struct parser *p)
{
	int r = take_path(p, "the cgroup");

	if (r == 0)
		r = take_name(p, &p->line->name);
	return r < 0 ? r : take_changes(p, &inject_spec_keys);
}

static int parse_set(struct parser *p)
{
	int r = take_name(p, &p->line->name);

	if (r == 0)
		r = take_changes(p, &inject_spec_keys);
	if (r == 0 && !p->line->n_changes)
		r = refuse(EINVAL, "nothing to set: grow=10M/s, cpu=2.5 ...");
	return r;
}

static int parse_fork(struct parser *p)
{
	int r = take_name(p, &p->line->name);

	if (r == 0)
		r = take_name(p, &p->line->value);
	return r < 0 ? r : no_more(p);
}

static int parse_exit(struct parser *p)
{
	int r = take_name(p, &p->line->name);

	return r < 0 ? r : no_more(p);
}

static int parse_dir(struct parser *p)
{
	int r = take_path(p, "the cgroup");

	if (r == 0 && !strcmp(p->line->path, "/"))
		r = refuse(EINVAL, "the root is always there");
	return r < 0 ? r : no_more(p);
}

/* Everything behind the file is what is written: also blanks and #. */
static int parse_write(struct parser *p)
{
	int r = take_path(p, "the file");

	if (r < 0)
		return r;
	p->line->value = p->rest;
	p->rest += strlen(p->rest);
	if (!*p->line->value)
		return refuse(EINVAL, "nothing to write");
	return 0;
}

static int parse_advance(struct parser *p)
{
	int r = take_time(p, "advance", &p->line->ns);

	/* Each moment on the way is played: the next one need not wait for ever. */
	if (r == 0 && p->line->ns > ADVANCE_MOST)
		r = refuse(EINVAL, "time is advanced by a day (86400s) at most");
	return r < 0 ? r : no_more(p);
}

static int parse_clock(struct parser *p)
{
	const char *word = next_word(p);

	if (!word || (strcmp(word, "virtual") && strcmp(word, "real")))
		return refuse(EINVAL, "time is virtual or real, not \"%.64s\"", word ? word : "");
	p->line->on = *word == 'v';
	return no_more(p);
}

static const struct command {
	const char *name;
	enum inject_verb verb;
	int (*parse)(struct parser *p);
} commands[] = {
	{ "usage", INJECT_USAGE, parse_usage },
	{ "io", INJECT_IO, parse_io },
	{ "event", INJECT_EVENT, parse_event },
	{ "pressure", INJECT_PRESSURE, parse_pressure },
	{ "fail", INJECT_FAIL, parse_fail },
	{ "add", INJECT_ADD, parse_add },
	{ "set", INJECT_SET, parse_set },
	{ "fork", INJECT_FORK, parse_fork },
	{ "exit", INJECT_EXIT, parse_exit },
	{ "mkdir", INJECT_MKDIR, parse_dir },
	{ "rmdir", INJECT_RMDIR, parse_dir },
	{ "write", INJECT_WRITE, parse_write },
	{ "advance", INJECT_ADVANCE, parse_advance },
	{ "time", INJECT_TIME, parse_clock },
};

static int parse_command(struct parser *p, const char *word)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		if (strcmp(commands[i].name, word))
			continue;
		p->line->verb = commands[i].verb;
		return commands[i].parse(p);
	}
	return refuse(EINVAL,
		      "\"%.64s\" is not usage, io, event, pressure, fail, add, set, fork, exit, "
		      "mkdir, rmdir, write, advance or time",
		      word);
}

static int parse_line(struct parser *p)
{
	struct inject_line *l = p->line;
	const char *word = next_word(p);
	int r = 0;

	if (word && !strcmp(word, "at")) {
		r = take_time(p, "at", &l->at_ns);
		if (r < 0)
			return r;
		word = next_word(p);
		if (!word)
			return refuse(EINVAL, "nothing to do at that time");
	}
	if (!word)
		return 0;
	r = parse_command(p, word);
	if (r == 0 && l->at_ns && (l->verb == INJECT_ADVANCE || l->verb == INJECT_TIME))
		r = refuse(EINVAL, "%s cannot be done later", word);
	return r;
}

int inject_parse(const char *line, size_t len, struct inject_line *ret_line)
{
	cleanup_inject_line struct inject_line l = { 0 };
	struct parser p = { .line = &l };
	int r;

	if (memchr(line, '\0', len))
		return refuse(EINVAL, "a line of text holds no NUL");
	p.rest = l.text = strndup(line, len);
	if (!l.text)
		return -ENOMEM;
	r = parse_line(&p);
	if (r < 0)
		return r;
	*ret_line = l;
	l.text = NULL;
	return 0;
}

void inject_line_free(struct inject_line *line)
{
	free(line->text);
	*line = (struct inject_line){ 0 };
}
