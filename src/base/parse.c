/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Numbers as the kernel parses them, and the sizes of ctlfs' own command line. */
#include "ctlfs/parse.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

/* Where the kernel's page_counter ends: what is not below it is no limit. */
#define MEMORY_LIMITLESS (INT64_MAX / CTLFS_PAGE_SIZE * CTLFS_PAGE_SIZE)

/* Bounds of cpu.max, so that what parse_cpus() accepts can be written there. */
#define QUOTA_USEC_MIN 1000ULL
#define QUOTA_USEC_MAX 17592186044415ULL

/* The kernel's isspace(): of the C locale and the no-break space of Latin-1. */
static bool space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r') || (unsigned char)c == 0xa0;
}

char *parse_strip(char *text)
{
	size_t len;

	while (space(*text))
		text++;
	len = strlen(text);
	while (len && space(text[len - 1]))
		len--;
	text[len] = '\0';
	return text;
}

bool parse_has_word(const char *list, const char *word, const char *separators)
{
	size_t len = strlen(word);

	for (list += strspn(list, separators); *list; list += strspn(list, separators)) {
		size_t n = strcspn(list, separators);

		if (n == len && memcmp(list, word, n) == 0)
			return true;
		list += n;
	}
	return false;
}

/* The digits of a number. */
struct digits {
	const char *end; /* the first byte after them */
	uint64_t value; /* modulo 2^64 */
	bool any, overflow;
};

static unsigned digit(char c)
{
	if (c >= '0' && c <= '9')
		return (unsigned)(c - '0');
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10 : UINT_MAX;
}

/* base 0 takes it from the prefix: 0x and a digit 16, 0 alone 8, else 10. */
static struct digits digits(const char *s, unsigned base)
{
	struct digits d = { 0 };
	bool hex = s[0] == '0' && (s[1] | 0x20) == 'x' && digit(s[2]) < 16;

	if (!base)
		base = hex ? 16 : s[0] == '0' ? 8 : 10;
	if (base == 16 && hex)
		s += 2;
	for (; digit(*s) < base; s++) {
		d.overflow |= __builtin_mul_overflow(d.value, base, &d.value);
		d.overflow |= __builtin_add_overflow(d.value, digit(*s), &d.value);
		d.any = true;
	}
	d.end = s;
	return d;
}

/* A number and at most one newline, without a sign. */
static int magnitude(const char *s, int base, uint64_t *ret_value)
{
	struct digits d = digits(s, (unsigned)base);

	if (d.overflow)
		return -ERANGE;
	if (!d.any)
		return -EINVAL;
	if (*d.end == '\n')
		d.end++;
	if (*d.end)
		return -EINVAL;
	*ret_value = d.value;
	return 0;
}

int parse_u64(const char *raw, int base, uint64_t *ret_value)
{
	return magnitude(*raw == '+' ? raw + 1 : raw, base, ret_value);
}

int parse_s64(const char *raw, int base, int64_t *ret_value)
{
	bool negative = *raw == '-';
	uint64_t value;
	int error;

	error = negative ? magnitude(raw + 1, base, &value) : parse_u64(raw, base, &value);
	if (error)
		return error;
	if (value > (uint64_t)INT64_MAX + negative)
		return -ERANGE;
	*ret_value = (int64_t)(negative ? -value : value);
	return 0;
}

int parse_int(const char *raw, int base, int *ret_value)
{
	int64_t value;
	int error = parse_s64(raw, base, &value);

	if (error)
		return error;
	if (value < INT_MIN || value > INT_MAX)
		return -ERANGE;
	*ret_value = (int)value;
	return 0;
}

/* The power of two that a suffix stands for: k..E; 0 for what is none. */
static unsigned suffix_shift(char c)
{
	static const char suffixes[] = "kmgtpe";
	const char *found = c ? strchr(suffixes, c | 0x20) : NULL;

	return found ? 10 * (unsigned)(found - suffixes + 1) : 0;
}

uint64_t parse_memparse(const char **text)
{
	struct digits d = digits(*text, 0);
	unsigned shift = suffix_shift(*d.end);

	*text = d.end + (shift ? 1 : 0);
	return d.value << shift;
}

uint64_t parse_number(const char **text)
{
	struct digits d = digits(*text, 0);

	*text = d.end;
	return d.value;
}

int parse_scan(const char **text, uint64_t *ret_value)
{
	const char *s = *text;
	struct digits d;

	while (space(*s))
		s++;
	d = digits(s, 10);
	if (!d.any)
		return -EINVAL;
	*text = d.end;
	*ret_value = d.value;
	return 0;
}

int parse_memory(const char *stripped, uint64_t *ret_bytes)
{
	uint64_t bytes;

	if (!strcmp(stripped, "max")) {
		*ret_bytes = UINT64_MAX;
		return 0;
	}
	bytes = parse_memparse(&stripped);
	if (*stripped)
		return -EINVAL;
	*ret_bytes = bytes >= MEMORY_LIMITLESS ? UINT64_MAX :
						 bytes / CTLFS_PAGE_SIZE * CTLFS_PAGE_SIZE;
	return 0;
}

int parse_cpu_max(const char *text, struct cpu_max *ret_max)
{
	struct cpu_max b = { 0 };
	const char *number, *rest;
	char word[21];
	size_t len;

	while (space(*text))
		text++;
	for (len = 0; text[len] && !space(text[len]) && len < sizeof word - 1; len++)
		word[len] = text[len];
	word[len] = '\0';
	number = word;
	rest = text + len;
	b.has_period = parse_scan(&rest, &b.period) == 0;
	if (parse_scan(&number, &b.quota) < 0) {
		if (strcmp(word, "max"))
			return -EINVAL;
		b.unlimited = true;
	}
	*ret_max = b;
	return 0;
}

int parse_size(const char *text, uint64_t *ret_bytes)
{
	struct digits d = digits(text, 10);
	unsigned shift = suffix_shift(*d.end);

	if (!d.any || d.end[shift ? 1 : 0])
		return -EINVAL;
	if (d.overflow || (shift && d.value >> (64 - shift)))
		return -ERANGE;
	*ret_bytes = d.value << shift;
	return 0;
}

/* Digits after the fifth are below a microsecond and ignored. What cpu.max would refuse, too little
 * (below 0.01) as well as too much, is -ERANGE. */
int parse_cpus(const char *text, uint64_t *ret_usec)
{
	struct digits whole = digits(text, 10);
	uint64_t usec, unit = 100000;
	const char *s = whole.end;

	if (!whole.any)
		return -EINVAL;
	if (whole.overflow || __builtin_mul_overflow(whole.value, unit, &usec))
		return -ERANGE;
	if (*s == '.' && digit(s[1]) < 10) {
		for (s++; digit(*s) < 10; s++) {
			unit /= 10;
			usec += digit(*s) * unit;
		}
	}
	if (*s)
		return -EINVAL;
	if (usec < QUOTA_USEC_MIN || usec > QUOTA_USEC_MAX)
		return -ERANGE;
	*ret_usec = usec;
	return 0;
}
