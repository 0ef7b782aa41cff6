/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Options as tables: a row says an option's name, argument, bounds, default and help, and where its
 * value goes in the command's struct. --help comes from the rows, and so do the messages about
 * wrong arguments: one line each, which names the argument and what was expected.
 */
#ifndef CTLFS_CMD_OPTIONS_H
#define CTLFS_CMD_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct option_row;

/* Stores text (NULL for a switch) into the field. 0 or -errno; refuse() if there is more to say
 * than that text is not what was expected. text lives as long as argv. */
typedef int option_parse(const struct option_row *row, const char *text, void *field);

struct option_row {
	const char *name; /* without dashes; NULL ends the table */
	char key; /* the short option, or 0 */
	const char *arg; /* what --help calls the argument; NULL: a switch */
	option_parse *parse;
	size_t offset; /* of the field */
	uint64_t min, max; /* of numbers */
	const char *const *words; /* of a word, NULL-terminated */
	const char *expected; /* "a size such as 256M" */
	const char *preset; /* stored first, and told by --help; NULL: the field stays zero */
	const char *help; /* NULL: not listed */
};

struct command_line {
	const char *command; /* "run" */
	const char *operands; /* for --help: "[--] COMMAND [ARGUMENT...]" */
	const char *about; /* for --help, below the usage */
	const struct option_row *rows;
	int min_operands, max_operands;
	bool rest; /* from the first operand on nothing is an option; no bound but the minimum */
};

struct operands {
	char **v; /* freed by operands_free(); what they point to is argv's */
	int n;
};

void operands_free(struct operands *o);
#define cleanup_operands __attribute__((cleanup(operands_free)))

#define OPTIONS_GO_ON (-1)

/* Fills *values (zeroed by the caller) and *ret_operands. OPTIONS_GO_ON, or the exit status with
 * which the command ends here: 0 after --help, 2 after a wrong argument, which has been told. */
int options_parse(const struct command_line *line, int argc, char **argv, void *values,
		  struct operands *ret_operands);

/* "NAME,NAME=VALUE..." by rows, as -o of mount has it; a row whose parser is NULL is ignored. 0, or
 * -EINVAL with the reason noted (why.h). *copy is what values point to: the caller frees it. */
int options_parse_list(const struct option_row *rows, const char *text, void *values, char **copy);

/* A value that may not have been given. */
struct optional {
	bool set;
	uint64_t value; /* UINT64_MAX: "max" */
};

/* The number of text in words (NULL-terminated), or -EINVAL. */
int word_number(const char *const *words, const char *text);

/* Parsers, and the type of their field. */
option_parse option_switch; /* bool: true */
option_parse option_off; /* bool: false */
option_parse option_text; /* const char *; not empty */
option_parse option_word; /* an enum: the number of text in words */
option_parse option_number; /* unsigned, within min..max */
option_parse option_count; /* struct optional: a number within min..max, or "max" */
option_parse option_size; /* struct optional: bytes, or "max" */
option_parse option_cpus; /* struct optional: microseconds per 100 000, at least min, or "max" */
option_parse option_cpulist; /* const char *: a list of CPUs */

#endif
