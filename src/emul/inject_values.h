/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What words of a line of ctl/inject mean as values. All return 0 or -EINVAL. */
#ifndef EMUL_INJECT_VALUES_H
#define EMUL_INJECT_VALUES_H

#include <stdint.h>

#include "inject_parse.h"

struct inject_key;

struct inject_keys {
	const struct inject_key *keys;
	size_t n;
};

extern const struct inject_keys inject_usage_keys; /* enum inject_usage */
extern const struct inject_keys inject_io_keys; /* enum inject_io */
extern const struct inject_keys inject_spec_keys; /* enum inject_spec */

int inject_time(const char *text, uint64_t *ret_ns); /* "1.5s", "200ms", "10us", "5ns" */
int inject_count(const char *text, uint64_t *ret_count);
int inject_percent(const char *text, unsigned *ret_ppm); /* "12.5%" as parts in a million */
/* KEY=VALUE; notes the reason. word is cut up. */
int inject_change(const struct inject_keys *keys, char *word, struct inject_change *ret_change);

#endif
