/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ctlfs explain: where the numbers come from that a process sees. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "ctlfs/cleanup.h"
#include "ctlfs/json.h"
#include "ctlfs/log.h"
#include "ctlfs/why.h"
#include "explain.h"
#include "mounts.h"

struct explain_options {
	const char *mount;
	bool json, list;
};

static const struct option_row rows[] = {
	{ .name = "mount", .arg = "DIRECTORY", .parse = option_text,
	  .offset = offsetof(struct explain_options, mount), .expected = "a directory",
	  .help = "the ctlfs mount (default: $CTLFS_MOUNT, or the only one there is)" },
	{ .name = "json", .parse = option_switch, .offset = offsetof(struct explain_options, json),
	  .help = "print one object" },
	{ .name = "list", .parse = option_switch, .offset = offsetof(struct explain_options, list),
	  .help = "print the rules of all files, as a table in Markdown" },
	{ NULL },
};

static const struct command_line line = {
	"explain", "PID FILE [FIELD]|--list",
	"Says for process PID where the fields of a view come from, such as /proc/meminfo's: its\n"
	"container's cgroup, the rule, and the raw values of what went into it.",
	rows, 0, 3, false,
};

/* What is being shown: text, or a part of an object. */
struct showing {
	struct buf out;
	bool json;
	unsigned n; /* values so far, of the input at hand */
};

/* Longer ones are told by their first line. */
static void add_short(struct buf *out, const char *value)
{
	size_t len = strcspn(value, "\n");

	buf_add(out, value, len);
	if (value[len])
		buf_adds(out, " ...");
}

static int show_value(void *data, const char *where, const char *value)
{
	struct showing *s = data;

	if (s->json) {
		buf_adds(&s->out, s->n ? ", {\"at\": " : "{\"at\": ");
		json_string(&s->out, where);
		buf_adds(&s->out, ", \"value\": ");
		json_value(&s->out, value);
		buf_adds(&s->out, "}");
	} else {
		buf_addf(&s->out, "      %s: ", where);
		add_short(&s->out, value);
		buf_adds(&s->out, "\n");
	}
	s->n++;
	return 0;
}

static void show_input(struct showing *s, const struct explained_input *input)
{
	if (s->json) {
		buf_addf(&s->out, "{\"how\": \"%s\", \"file\": \"%s\", \"key\": ",
			 explained_how[input->how], input->file);
		if (*input->key)
			json_string(&s->out, input->key);
		else
			buf_adds(&s->out, "null");
		buf_adds(&s->out, ", \"values\": [");
	} else {
		buf_addf(&s->out, "    %s %s%s%s\n", explained_how[input->how], input->file,
			 *input->key ? " " : "", input->key);
	}
}

static int show_inputs(struct showing *s, const struct explained *e, const struct view_field *field)
{
	const char *rest = field->inputs;
	struct explained_input input;

	for (bool first = true; explained_next(&rest, &input); first = false) {
		int r;

		buf_adds(&s->out, s->json && !first ? ", " : "");
		show_input(s, &input);
		s->n = 0;
		r = explained_each(e, &input, show_value, s);
		if (r < 0)
			return refuse(-r, "%s: %s", input.file, strerror(-r));
		if (s->json)
			buf_adds(&s->out, "]}");
		else if (!s->n)
			buf_adds(&s->out, input.how == INPUT_HOST ?
				 "      not seen from in here\n" : "      no cgroup has it\n");
	}
	return 0;
}

/* A field that the file has not (a key of another kernel) is left out. */
static int show_field(struct showing *s, const struct explained *e, const char *file,
		      const struct view_field *field, bool first)
{
	cleanup_buf struct buf value = { 0 };
	int r = explained_value(e, file, field, &value);

	if (r < 0)
		return r;
	if (s->json) {
		buf_adds(&s->out, first ? "" : ",\n  ");
		buf_addf(&s->out, "{\"name\": \"%s\", \"value\": ", field->name);
		json_value(&s->out, buf_text(&value));
		buf_adds(&s->out, ", \"rule\": ");
		json_string(&s->out, field->rule);
		buf_adds(&s->out, ", \"inputs\": [");
	} else {
		buf_addf(&s->out, "  %s: ", field->name);
		add_short(&s->out, buf_text(&value));
		buf_addf(&s->out, "\n    %s\n", field->rule);
	}
	r = show_inputs(s, e, field);
	buf_adds(&s->out, s->json ? "]}" : "");
	return r;
}

static void show_head(struct showing *s, const struct explained *e, pid_t pid, const char *file)
{
	const char *path = e->path ? e->path : "(no tree)";

	if (s->json) {
		buf_addf(&s->out, "{\"pid\": %d, \"container\": %s, \"cgroup\": ", (int)pid, e->id);
		if (e->path)
			json_string(&s->out, e->path);
		else
			buf_adds(&s->out, "null");
		buf_adds(&s->out, ", \"file\": ");
		json_string(&s->out, file);
		buf_adds(&s->out, ", \"fields\": [\n  ");
	} else {
		buf_addf(&s->out, "/%s for process %d, whose container is %s (view/%s)\n", file,
			 (int)pid, path, e->id);
		if (e->path && !e->path[1])
			buf_adds(&s->out, "  the root of the tree: where that is the machine, the "
					  "host's text\n");
	}
}

/* "meminfo", "/proc/meminfo" and "proc/meminfo". NULL: no view. */
static const char *file_named(const char *text)
{
	text += *text == '/';
	for (size_t i = 0; i < view_fields_count; i++) {
		const char *file = view_fields[i].file;

		if (strcmp(file, text) == 0 ||
		    (strncmp(file, "proc/", 5) == 0 && strcmp(file + 5, text) == 0))
			return file;
	}
	return NULL;
}

static int show_fields(struct showing *s, const struct explained *e, const char *file,
		       const char *name)
{
	size_t len = name ? strcspn(name, ":") : 0;
	bool any = false;

	for (size_t i = 0; i < view_fields_count; i++) {
		const struct view_field *field = &view_fields[i];
		int r;

		if (strcmp(field->file, file) != 0)
			continue;
		if (name && field->place != FIELD_WHOLE &&
		    (strlen(field->name) != len || memcmp(field->name, name, len) != 0))
			continue;
		r = show_field(s, e, file, field, !any);
		if (r < 0 && r != -ENOENT)
			return r;
		any |= r == 0;
	}
	return any ? 0 : refuse(ENOENT, "/%s has no field %s", file, name ? name : "there");
}

static int explain(const struct explain_options *o, pid_t pid, const char *file, const char *name)
{
	cleanup_explained struct explained e = { .mount = -1 };
	cleanup_free char *mount = NULL;
	struct showing s = { .json = o->json };
	int r = mounts_choose(o->mount, &mount);

	if (r == 0)
		r = explained_open(mount, pid, &e);
	if (r == 0) {
		show_head(&s, &e, pid, file);
		r = show_fields(&s, &e, file, name);
	}
	buf_adds(&s.out, o->json ? "]}\n" : "");
	if (r == 0)
		r = buf_error(&s.out);
	if (r == 0)
		fputs(buf_text(&s.out), stdout);
	buf_free(&s.out);
	return r < 0 ? command_failed(r, "explain") : 0;
}

/* Text in a cell: nothing in it is markup. */
static void add_cell(struct buf *out, const char *text)
{
	for (; *text; text++) {
		if (strchr("*_|", *text))
			buf_adds(out, "\\");
		buf_add(out, text, 1);
	}
}

static int list_fields(void)
{
	cleanup_buf struct buf out = { 0 };
	const char *file = "";

	for (size_t i = 0; i < view_fields_count; i++) {
		const struct view_field *field = &view_fields[i];

		if (strcmp(file, field->file) != 0 && (!i || field->place != FIELD_WHOLE ||
						       view_fields[i - 1].place != FIELD_WHOLE))
			buf_adds(&out, i ? "\n| field | is | from |\n|---|---|---|\n" :
					   "| field | is | from |\n|---|---|---|\n");
		file = field->file;
		buf_addf(&out, "| %s%s", file, field->place == FIELD_WHOLE ? "" : " ");
		add_cell(&out, field->place == FIELD_WHOLE ? "" : field->name);
		buf_adds(&out, " | ");
		add_cell(&out, field->rule);
		buf_adds(&out, " | ");
		add_cell(&out, field->inputs ? field->inputs : "");
		buf_adds(&out, " |\n");
	}
	if (buf_error(&out) < 0)
		return command_failed(-ENOMEM, "explain");
	fputs(buf_text(&out), stdout);
	return 0;
}

int cmd_explain(int argc, char **argv)
{
	static const struct option_row pid_row = { .name = "PID", .min = 1, .max = 1 << 22 };
	cleanup_operands struct operands operands = { 0 };
	struct explain_options o = { 0 };
	int status = options_parse(&line, argc, argv, &o, &operands);
	const char *file;
	unsigned pid;

	if (status != OPTIONS_GO_ON)
		return status;
	if (o.list && !operands.n)
		return list_fields();
	if (o.list || operands.n < 2) {
		log_error("explain: expected a process and a file, or --list alone");
		return STATUS_USAGE;
	}
	if (option_number(&pid_row, operands.v[0], &pid) < 0) {
		log_error("explain: '%s' is no process: expected its number", operands.v[0]);
		return STATUS_USAGE;
	}
	file = file_named(operands.v[1]);
	if (!file) {
		log_error("explain: '%s' is no view: expected one such as /proc/meminfo",
			  operands.v[1]);
		return STATUS_USAGE;
	}
	return explain(&o, (pid_t)pid, file, operands.n > 2 ? operands.v[2] : NULL);
}
