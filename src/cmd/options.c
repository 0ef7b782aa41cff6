/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From a table of options to a filled struct, on top of argp; and -o lists by the same tables. */
#include "options.h"

#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "ctlfs/cleanup.h"
#include "ctlfs/log.h"
#include "ctlfs/why.h"

#define KEY_HELP 'h'
#define KEY_ROWS 0x100 /* the row at i has the key KEY_ROWS + i: argp's keys need not be letters */

struct parsing {
	const struct command_line *line;
	void *values;
	struct operands *operands;
	bool told; /* a wrong argument was told */
	bool help;
};

void operands_free(struct operands *o)
{
	free(o->v);
	*o = (struct operands){ 0 };
}

static size_t count_rows(const struct option_row *rows)
{
	size_t n = 0;

	while (rows[n].name)
		n++;
	return n;
}

static int parse_row(const struct option_row *row, const char *text, void *values)
{
	why_take();
	return row->parse(row, text, (char *)values + row->offset);
}

static error_t tell(struct parsing *p, const struct option_row *row, const char *text)
{
	const char *reason = why_take();

	p->told = true;
	if (*reason)
		log_error("%s: --%s: %s", p->line->command, row->name, reason);
	else
		log_error("%s: --%s: '%s' is not %s", p->line->command, row->name, text,
			  row->expected);
	return EINVAL;
}

static error_t add_operand(struct parsing *p, char *arg, struct argp_state *state)
{
	struct operands *o = p->operands;

	if (p->line->rest) {
		o->n = state->argc - (state->next - 1);
		memcpy(o->v, state->argv + state->next - 1, (size_t)o->n * sizeof *o->v);
		state->next = state->argc;
		return 0;
	}
	if (o->n == p->line->max_operands) {
		p->told = true;
		log_error("%s: '%s' is one argument too many: expected %s", p->line->command, arg,
			  *p->line->operands ? p->line->operands : "options only");
		return EINVAL;
	}
	o->v[o->n++] = arg;
	return 0;
}

static error_t check_operands(struct parsing *p)
{
	if (p->help || p->operands->n >= p->line->min_operands)
		return 0;
	p->told = true;
	log_error("%s: an argument is missing: expected %s", p->line->command, p->line->operands);
	return EINVAL;
}

/* The row that a word of the command line means, as getopt_long() finds it; NULL if none or many.
 */
static const struct option_row *find_row(const struct option_row *rows, const char *word)
{
	const struct option_row *found = NULL;
	size_t len = strcspn(word + 2, "=");

	for (const struct option_row *row = rows; row->name; row++) {
		if (word[1] != '-' && row->key && row->key == word[1])
			return row;
		if (word[1] != '-' || strncmp(row->name, word + 2, len) != 0)
			continue;
		if (!row->name[len])
			return row;
		if (found)
			return NULL;
		found = row;
	}
	return found;
}

/* What getopt refused, in our words: its own come with a second line. */
static void tell_getopt(struct parsing *p, const struct argp_state *state)
{
	const char *word = state->next > 0 ? state->argv[state->next - 1] : "";
	const struct option_row *row = NULL;

	/* In the middle of "-fx" the word is not yet over. */
	if ((word[0] != '-' || !word[1]) && state->next < state->argc)
		word = state->argv[state->next];
	if (word[0] == '-' && word[1])
		row = find_row(p->line->rows, word);
	p->told = true;
	if (row && row->arg)
		log_error("%s: %s needs an argument: expected %s", p->line->command, word,
			  row->expected);
	else if (row && strchr(word, '='))
		log_error("%s: %s: --%s takes no argument", p->line->command, word, row->name);
	else
		log_error("%s: unknown option %s: expected one of those that 'ctlfs %s --help' "
			  "lists", p->line->command, word, p->line->command);
}

static const struct option_row *row_of_key(const struct option_row *rows, int key)
{
	for (size_t i = 0; rows[i].name; i++) {
		if (key == (rows[i].key ? rows[i].key : KEY_ROWS + (int)i))
			return &rows[i];
	}
	return NULL;
}

static error_t on_key(int key, char *arg, struct argp_state *state)
{
	struct parsing *p = state->input;
	const struct option_row *row;

	switch (key) {
	case KEY_HELP:
		p->help = true;
		state->next = state->argc;
		return 0;
	case ARGP_KEY_ARG:
		return add_operand(p, arg, state);
	case ARGP_KEY_END:
		return check_operands(p);
	case ARGP_KEY_ERROR:
		if (!p->told)
			tell_getopt(p, state);
		return 0;
	default:
		row = row_of_key(p->line->rows, key);
		if (!row)
			return ARGP_ERR_UNKNOWN;
		return parse_row(row, arg, p->values) < 0 ? tell(p, row, arg ? arg : "") : 0;
	}
}

/* The rows in argp's form, ended as argp wants it; the texts that had to be made are put into
 * docs[n]. NULL without memory. */
static struct argp_option *argp_rows(const struct option_row *rows, size_t n, char **docs)
{
	struct argp_option *o = calloc(n + 2, sizeof *o);

	for (size_t i = 0; o && i < n; i++) {
		const struct option_row *row = &rows[i];

		o[i].name = row->name;
		o[i].key = row->key ? row->key : KEY_ROWS + (int)i;
		o[i].arg = row->arg;
		o[i].doc = row->help;
		if (!row->help)
			o[i].flags = OPTION_HIDDEN;
		if (row->preset &&
		    asprintf(&docs[i], "%s (default: %s)", row->help, row->preset) >= 0)
			o[i].doc = docs[i];
	}
	if (o)
		o[n] = (struct argp_option){ "help", KEY_HELP, NULL, 0, "print this", -1 };
	return o;
}

static int store_presets(const struct option_row *rows, void *values)
{
	for (const struct option_row *row = rows; row->name; row++) {
		int r = row->preset ? parse_row(row, row->preset, values) : 0;

		if (r < 0)
			return r;
	}
	return 0;
}

static int run_argp(struct parsing *p, const struct argp *argp, int argc, char **argv)
{
	unsigned flags = ARGP_IN_ORDER | ARGP_NO_ERRS | ARGP_NO_EXIT | ARGP_NO_HELP;
	char name[64];

	if (argp_parse(argp, argc, argv, flags, NULL, p) != 0) {
		if (!p->told)
			log_error("%s: out of memory", p->line->command);
		return p->told ? STATUS_USAGE : STATUS_FAILED;
	}
	if (!p->help)
		return OPTIONS_GO_ON;
	snprintf(name, sizeof name, "ctlfs %s", p->line->command);
	argp_help(argp, stdout, ARGP_HELP_USAGE | ARGP_HELP_LONG | ARGP_HELP_DOC, name);
	return 0;
}

int options_parse(const struct command_line *line, int argc, char **argv, void *values,
		  struct operands *ret_operands)
{
	size_t n = count_rows(line->rows);
	struct operands operands = { .v = calloc((size_t)argc + 1, sizeof(char *)) };
	cleanup_free char **docs = calloc(n + 1, sizeof *docs);
	struct argp_option *options = docs ? argp_rows(line->rows, n, docs) : NULL;
	struct argp argp = { options, on_key, line->operands, line->about, NULL, NULL, NULL };
	struct parsing p = { .line = line, .values = values, .operands = &operands };
	int status = STATUS_FAILED;

	if (operands.v && options && store_presets(line->rows, values) == 0)
		status = run_argp(&p, &argp, argc, argv);
	else
		log_error("%s: out of memory", line->command);
	for (size_t i = 0; docs && i < n; i++)
		free(docs[i]);
	free(options);
	if (status != OPTIONS_GO_ON) {
		operands_free(&operands);
		return status;
	}
	*ret_operands = operands;
	return OPTIONS_GO_ON;
}

/* The names of a list that --help or a message shows: "ro, spin=USEC, ...". */
static int refuse_item(const struct option_row *rows, const char *name)
{
	char names[256] = "";
	size_t len = 0;

	for (const struct option_row *row = rows; row->name && len < sizeof names; row++) {
		if (row->help)
			len += (size_t)snprintf(names + len, sizeof names - len, "%s%s%s%s",
						len ? ", " : "", row->name, row->arg ? "=" : "",
						row->arg ? row->arg : "");
	}
	return refuse(EINVAL, "unknown option '%s': expected %s or a generic option of mount(8)",
		      name, names);
}

static int parse_item(const struct option_row *rows, char *item, void *values)
{
	char *value = strchr(item, '=');
	const struct option_row *row = rows;

	if (value)
		*value++ = '\0';
	/* Comments for other programs, as mount(8) defines them. */
	if (strncmp(item, "x-", 2) == 0 || strncmp(item, "X-", 2) == 0)
		return 0;
	while (row->name && strcmp(row->name, item) != 0)
		row++;
	if (!row->name)
		return refuse_item(rows, item);
	if (!row->parse)
		return 0;
	if (row->arg && !value)
		return refuse(EINVAL, "%s needs a value: expected %s", item, row->expected);
	if (!row->arg && value)
		return refuse(EINVAL, "%s takes no value", item);
	if (parse_row(row, value, values) < 0)
		return refuse(EINVAL, "%s: '%s' is not %s", item, value ? value : "",
			      row->expected);
	return 0;
}

int options_parse_list(const struct option_row *rows, const char *text, void *values, char **copy)
{
	char *rest;
	int r = 0;

	*copy = rest = strdup(text);
	if (!rest)
		return -ENOMEM;
	for (char *item; r == 0 && (item = strsep(&rest, ",")) != NULL;) {
		if (*item)
			r = parse_item(rows, item, values);
	}
	return r;
}
