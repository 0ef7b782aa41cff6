/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Policies from INI files, by libinih. It gets the lines one by one from here, which is how we know
 * their numbers, and only in forms that it cannot mistake: it cuts long lines and names of sections
 * without a word, takes ':' for '=', and takes an indented line for more of the one before.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#ifdef HAVE_INIH
#include <ini.h>
#endif

#include "ctlfs/cleanup.h"
#include "ctlfs/parse.h"
#include "ctlfs/why.h"
#include "policy.h"

#define EXPECTED "expected FILE <= CEILING, or FILE = allow, readonly or deny"

struct reading {
	struct policy *policy;
	const char *path;
	policy_tell *tell;
	void *data;
	FILE *file;
	unsigned line; /* the number of the one that was read last */
	char *raw; /* that one, without white space at the ends */
	size_t size;
	bool open; /* it has been given away and nothing was heard of it */
	char *section; /* NULL before the first, and after one that is wrong */
	bool headed; /* there was one */
	unsigned first_rule; /* of this section */
	unsigned errors;
	bool no_memory;
};

__attribute__((format(printf, 2, 3))) static void complain(struct reading *r, const char *fmt, ...)
{
	cleanup_buf struct buf text = { 0 };
	va_list args;

	if (r->line)
		buf_addf(&text, "%s:%u: ", r->path, r->line);
	else
		buf_addf(&text, "%s: ", r->path);
	va_start(args, fmt);
	buf_vaddf(&text, fmt, args);
	va_end(args);
	r->errors++;
	r->tell(r->data, buf_text(&text));
}

#ifdef HAVE_INIH

/* The line is the head of a section. */
static void begin_section(struct reading *r)
{
	size_t len = strlen(r->raw);

	free(r->section);
	r->section = NULL;
	r->headed = true;
	r->first_rule = (unsigned)policy_count(r->policy);
	if (r->raw[len - 1] != ']') {
		complain(r, "a section is [/PATTERN] and nothing else in its line");
		return;
	}
	r->raw[len - 1] = '\0';
	if (r->raw[1] != '/' || (r->raw[2] && r->raw[len - 2] == '/') || strstr(r->raw, "//")) {
		complain(r, "%s]: a section is a pattern of paths of cgroups, such as "
			    "[/lxc.payload.*]", r->raw);
		return;
	}
	r->section = strdup(r->raw + 1);
	r->no_memory |= !r->section;
}

/* Reads a line into r->raw: false at the end of the file. */
static bool next_line(struct reading *r)
{
	ssize_t len;
	char *start;

	errno = 0;
	len = getline(&r->raw, &r->size, r->file);
	if (r->open)
		complain(r, EXPECTED);
	r->open = false;
	if (len < 0) {
		if (errno == ENOMEM)
			r->no_memory = true;
		else if (!feof(r->file))
			complain(r, "%s", strerrordesc_np(errno));
		return false;
	}
	r->line++;
	if (strlen(r->raw) != (size_t)len) {
		complain(r, "a NUL in the line");
		*r->raw = '\0';
	}
	start = parse_strip(r->raw);
	memmove(r->raw, start, strlen(start) + 1);
	return true;
}

/* For libinih: its next line, which is empty where it is none of its business. */
static char *give_line(char *str, int num, void *stream)
{
	struct reading *r = stream;

	if (!next_line(r))
		return NULL;
	if (*r->raw == '[')
		begin_section(r);
	else if (strlen(r->raw) + 3 > (size_t)num)
		complain(r, "longer than %d bytes", num - 3);
	else
		r->open = *r->raw && !strchr("#;", *r->raw);
	snprintf(str, (size_t)num, "%s\n", r->open ? r->raw : "");
	return str;
}

static void add_rule(struct reading *r, char *file, bool ceiling, const char *value)
{
	cleanup_buf struct buf where = { 0 };
	struct rule rule = { .cgroup = r->section, .file = file };
	int error;

	buf_addf(&where, "%s:%u", r->path, r->line);
	rule.where = where.data;
	if (policy_repeats(r->policy, r->first_rule, file)) {
		complain(r, "%s: a second rule in one section", file);
		return;
	}
	error = rule.where ? policy_add(r->policy, &rule, ceiling ? NULL : value, value) : -ENOMEM;
	if (error == -EINVAL)
		complain(r, "%s", why_take());
	r->no_memory |= error == -ENOMEM;
}

/* From libinih: what stands at both sides of the first '=' or ':'. "memory.max <= 2G" comes as
 * "memory.max <" and "2G". */
static int take_rule(void *user, const char *section, const char *name, const char *value)
{
	struct reading *r = user;
	const char *sign = strpbrk(r->raw, "=:");
	bool ceiling = sign && *sign == '=' && sign > r->raw && sign[-1] == '<';
	cleanup_free char *file = strdup(name);
	size_t len = file ? strlen(file) : 0;

	(void)section;
	r->open = false;
	if (!file) {
		r->no_memory = true;
		return 1;
	}
	if (ceiling && len)
		file[len - 1] = '\0';
	parse_strip(file);
	if (!sign || *sign == ':' || !*file || strpbrk(file, "<> \t"))
		complain(r, EXPECTED);
	else if (!r->headed)
		complain(r, "%s: before it a section has to say of which cgroups, such as "
			    "[/lxc.payload.*]", file);
	else if (r->section)
		add_rule(r, file, ceiling, value);
	return 1;
}

static int parse(struct reading *r)
{
	/* Its own numbers of lines are known here too. */
	if (ini_parse_stream(give_line, r, take_rule, r) == -2)
		r->no_memory = true;
	return 0;
}

#else

static int parse(struct reading *r)
{
	complain(r, "ctlfs was built without libinih and reads no policy");
	return -EOPNOTSUPP;
}

#endif

/* Whoever may write the file decides what containers may do. */
static int check_owner(struct reading *r)
{
	struct stat st;

	if (fstat(fileno(r->file), &st) < 0)
		complain(r, "%s", strerrordesc_np(errno));
	else if (!S_ISREG(st.st_mode))
		complain(r, "not a regular file");
	else if ((st.st_uid != 0 && st.st_uid != geteuid()) || st.st_mode & (S_IWGRP | S_IWOTH))
		complain(r, "others than root and the user of ctlfs may write it");
	return r->errors ? -EINVAL : 0;
}

static int read_file(struct policy *p, const char *path, policy_tell *tell, void *data)
{
	struct reading r = { .policy = p, .path = path, .tell = tell, .data = data };
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	int error;

	r.file = fd < 0 ? NULL : fdopen(fd, "r");
	if (!r.file) {
		complain(&r, "%s", strerrordesc_np(errno));
		return -EINVAL;
	}
	error = check_owner(&r);
	if (error == 0)
		error = parse(&r);
	fclose(r.file);
	free(r.raw);
	free(r.section);
	if (r.no_memory)
		return -ENOMEM;
	return r.errors && error == 0 ? -EINVAL : error;
}

static int is_conf(const struct dirent *e)
{
	size_t len = strlen(e->d_name);

	return e->d_name[0] != '.' && len > 5 && !strcmp(e->d_name + len - 5, ".conf");
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* All files are read, so that all errors are told; the first one is returned. */
static int read_dir(struct policy *p, const char *dir, policy_tell *tell, void *data)
{
	struct dirent **entries;
	int n = scandir(dir, &entries, is_conf, by_name);
	int error = n < 0 && errno != ENOENT ? -errno : 0;

	if (error < 0) {
		struct reading r = { .path = dir, .tell = tell, .data = data };

		complain(&r, "%s", strerrordesc_np(-error));
		return -EINVAL;
	}
	for (int i = 0; i < n; i++) {
		cleanup_buf struct buf path = { 0 };
		int r;

		buf_addf(&path, "%s/%s", dir, entries[i]->d_name);
		r = buf_error(&path);
		if (r == 0)
			r = read_file(p, buf_text(&path), tell, data);
		error = error ? error : r;
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
	return error;
}

int policy_read(struct policy *p, const char *path, policy_tell *tell, void *data)
{
	int error = 0;
	int r;

	if (path)
		return read_file(p, path, tell, data);
	if (access(POLICY_FILE, F_OK) == 0 || errno != ENOENT)
		error = read_file(p, POLICY_FILE, tell, data);
	r = read_dir(p, POLICY_DIR, tell, data);
	return error ? error : r;
}
