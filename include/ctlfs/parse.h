/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Numbers as the kernel parses them when a user writes them to a file (lib/kstrtox.c,
 * lib/cmdline.c), and words. Numbers: 0 or -errno; ret_ is untouched on failure.
 * "raw": one trailing newline is allowed, other white space is not.
 */
#ifndef CTLFS_PARSE_H
#define CTLFS_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A page as files of cgroup v2 count it. */
#define CTLFS_PAGE_SIZE 4096ULL

/* Strips white space at both ends in place, like strstrip(); returns the first byte kept. */
char *parse_strip(char *text);

/* Is word one of those of list, which have one of separators or several between them? */
bool parse_has_word(const char *list, const char *word, const char *separators);

/* kstrtoull(), kstrtoll(), kstrtoint(): base 0 takes 0x and 0 prefixes, 10 does not;
 * -EINVAL for what is not a number, -ERANGE beyond the type. */
int parse_u64(const char *raw, int base, uint64_t *ret_value);
int parse_s64(const char *raw, int base, int64_t *ret_value);
int parse_int(const char *raw, int base, int *ret_value);

/* page_counter_memparse() after strstrip(): "max" or memparse() with suffix k..E, rounded down to a
 * page. The result is in bytes; limits at or over 2^63 - 4096 and "max" give UINT64_MAX (reads
 * "max"). "" gives 0; overflow wraps mod 2^64 as in the kernel. -EINVAL. */
int parse_memory(const char *stripped, uint64_t *ret_bytes);

/* Pieces of a text; *text moves behind what was taken. parse_memparse() is memparse(): a number mod
 * 2^64 and a suffix, both optional; parse_number() is simple_strtoull() to base 0: the same without
 * a suffix. parse_scan() is sscanf()'s %llu: white space, decimal digits
 * mod 2^64; -EINVAL without a digit, with *text untouched. */
uint64_t parse_memparse(const char **text);
uint64_t parse_number(const char **text);
int parse_scan(const char **text, uint64_t *ret_value);

/* What is written to cpu.max: sscanf()'s "%20s %llu", of which the word is "max" or begins with a
 * number. Microseconds mod 2^64, not checked. -EINVAL. */
struct cpu_max {
	bool unlimited; /* "max", no quota */
	bool has_period; /* else it stays as it is */
	uint64_t quota, period;
};
int parse_cpu_max(const char *text, struct cpu_max *ret_max);

/* "256M", "1.5" and such on ctlfs' own command line; stricter than the kernel's: no empty text, no
 * overflow (-ERANGE). parse_cpus() gives microseconds of CPU per 100 000 us ("1.5" is 150000). */
int parse_size(const char *text, uint64_t *ret_bytes);
int parse_cpus(const char *text, uint64_t *ret_usec);

#endif
