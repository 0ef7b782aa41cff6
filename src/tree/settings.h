/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which interface files are settings, in the order in which the kernel takes them. */
#ifndef TREE_SETTINGS_H
#define TREE_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>

enum setting_form {
	FORM_WHOLE, /* what is read is what is written */
	FORM_LINES, /* a write for each line */
	FORM_WORD, /* the first words, before "(": a reason may follow */
};

struct setting {
	const char *pattern; /* of fnmatch(3) */
	enum setting_form form;
	bool machine; /* what it takes depends on devices, CPUs, memory of the machine */
	bool late; /* after the children have been made */
	const char *unless; /* "FILE=TEXT": not taken if that file holds this */
};

extern const struct setting setting_rows[];
extern const size_t n_setting_rows;

#endif
