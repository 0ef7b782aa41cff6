/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Values of the language of ctl/inject: numbers with units, and KEY=VALUE. */
#include "inject_values.h"

#include <errno.h>
#include <string.h>

#include "ctlfs/cleanup.h"
#include "ctlfs/parse.h"
#include "ctlfs/why.h"
#include "synthetic.h"

#define SIZE_MOST (1ULL << 50)
#define SECONDS_MOST 1000000000ULL /* 31 years */
#define CPUS_MOST 65536ULL
#define COUNT_MOST 1000000000000ULL

/* --- numbers -------------------------------------------------------------------------------- */

/* A number with at most `places` digits after the point, times ten to their number; *text is moved
 * behind it. -EINVAL, -ERANGE. */
static int take_decimal(const char **text, unsigned places, uint64_t *ret_value)
{
	const char *s = *text;
	uint64_t value = 0;
	bool point = false, any = false;

	for (;; s++) {
		if (*s == '.' && !point && any) {
			point = true;
			continue;
		}
		if (*s < '0' || *s > '9')
			break;
		if (point && !places)
			return -EINVAL;
		places -= point;
		any = true;
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*s - '0'), &value))
			return -ERANGE;
	}
	if (!any || s[-1] == '.')
		return -EINVAL;
	for (; places; places--) {
		if (__builtin_mul_overflow(value, 10, &value))
			return -ERANGE;
	}
	*text = s;
	*ret_value = value;
	return 0;
}

int inject_time(const char *text, uint64_t *ret_ns)
{
	static const struct {
		const char *unit;
		unsigned places;
	} units[] = { { "s", 9 }, { "ms", 6 }, { "us", 3 }, { "ns", 0 } };
	const char *unit = text + strspn(text, "0123456789.");

	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		uint64_t ns;
		int r;

		if (strcmp(unit, units[i].unit))
			continue;
		r = take_decimal(&text, units[i].places, &ns);
		if (r < 0 || *text != *unit || ns > SECONDS_MOST * 1000000000ULL)
			break;
		*ret_ns = ns;
		return 0;
	}
	return -EINVAL;
}

static int parse_bytes(const char *text, uint64_t *ret_bytes)
{
	uint64_t bytes;
	int r = parse_size(text, &bytes);

	if (r < 0 || bytes > SIZE_MOST)
		return -EINVAL;
	*ret_bytes = bytes;
	return 0;
}

static int parse_rate(const char *text, uint64_t *ret_bytes)
{
	size_t len = strlen(text);
	char number[32];

	if (len < 3 || len >= sizeof number || strcmp(text + len - 2, "/s"))
		return -EINVAL;
	memcpy(number, text, len - 2);
	number[len - 2] = '\0';
	return parse_bytes(number, ret_bytes);
}

static int parse_cpu(const char *text, uint64_t *ret_ppm)
{
	uint64_t ppm;
	int r = take_decimal(&text, 6, &ppm);

	if (r < 0 || *text || ppm > CPUS_MOST * PPM)
		return -EINVAL;
	*ret_ppm = ppm;
	return 0;
}

int inject_count(const char *text, uint64_t *ret_count)
{
	uint64_t count;
	int r = take_decimal(&text, 0, &count);

	if (r < 0 || *text || count > COUNT_MOST)
		return -EINVAL;
	*ret_count = count;
	return 0;
}

static int parse_threads(const char *text, uint64_t *ret_count)
{
	uint64_t count;

	if (inject_count(text, &count) < 0 || !count || count > SYNTHETIC_THREADS_MAX)
		return -EINVAL;
	*ret_count = count;
	return 0;
}

static int parse_uid(const char *text, uint64_t *ret_uid)
{
	uint64_t uid;

	if (inject_count(text, &uid) < 0 || uid >= UINT32_MAX)
		return -EINVAL;
	*ret_uid = uid;
	return 0;
}

static int parse_bit(const char *text, uint64_t *ret_bit)
{
	if ((*text != '0' && *text != '1') || text[1])
		return -EINVAL;
	*ret_bit = *text == '1';
	return 0;
}

int inject_percent(const char *text, unsigned *ret_ppm)
{
	uint64_t ppm;
	int r = take_decimal(&text, 4, &ppm);

	if (r < 0 || strcmp(text, "%") || ppm > PPM)
		return -EINVAL;
	*ret_ppm = (unsigned)ppm;
	return 0;
}

/* --- KEY=VALUE ------------------------------------------------------------------------------ */

struct inject_key {
	const char *name;
	int (*parse)(const char *text, uint64_t *ret_amount);
	const char *signs; /* "=" and which of '+' and '-' may follow it */
	const char *expected;
};

#define SIZE_EXPECTED "a size such as 10M"
#define COUNT_EXPECTED "a number"

static const struct inject_key usage_keys[] = {
	[USE_MEMORY] = { "memory", parse_bytes, "=+-", SIZE_EXPECTED },
	[USE_ANON] = { "anon", parse_bytes, "=+-", SIZE_EXPECTED },
	[USE_FILE] = { "file", parse_bytes, "=+-", SIZE_EXPECTED },
	[USE_SHMEM] = { "shmem", parse_bytes, "=+-", SIZE_EXPECTED },
	[USE_SWAP] = { "swap", parse_bytes, "=+-", SIZE_EXPECTED },
	[USE_USER] = { "user", inject_time, "=+", "a time such as 1.5s" },
	[USE_SYSTEM] = { "system", inject_time, "=+", "a time such as 1.5s" },
	[USE_MINFLT] = { "minflt", inject_count, "=+", COUNT_EXPECTED },
	[USE_MAJFLT] = { "majflt", inject_count, "=+", COUNT_EXPECTED },
};

static const struct inject_key io_keys[] = {
	[IO_RBYTES] = { "rbytes", parse_bytes, "=+", SIZE_EXPECTED },
	[IO_WBYTES] = { "wbytes", parse_bytes, "=+", SIZE_EXPECTED },
	[IO_DBYTES] = { "dbytes", parse_bytes, "=+", SIZE_EXPECTED },
	[IO_RIOS] = { "rios", inject_count, "=+", COUNT_EXPECTED },
	[IO_WIOS] = { "wios", inject_count, "=+", COUNT_EXPECTED },
	[IO_DIOS] = { "dios", inject_count, "=+", COUNT_EXPECTED },
};

static const struct inject_key spec_keys[] = {
	[SPEC_MEMORY] = { "memory", parse_bytes, "=", SIZE_EXPECTED },
	[SPEC_FILE] = { "file", parse_bytes, "=", SIZE_EXPECTED },
	[SPEC_SHMEM] = { "shmem", parse_bytes, "=", SIZE_EXPECTED },
	[SPEC_SWAP] = { "swap", parse_bytes, "=", SIZE_EXPECTED },
	[SPEC_GROW] = { "grow", parse_rate, "=-", "bytes a second such as 10M/s" },
	[SPEC_CPU] = { "cpu", parse_cpu, "=", "a number of CPUs such as 2.5" },
	[SPEC_SYSTEM] = { "system", parse_cpu, "=", "a number of CPUs such as 0.5" },
	[SPEC_THREADS] = { "threads", parse_threads, "=", "a number from 1 to 1024" },
	[SPEC_UID] = { "uid", parse_uid, "=", "the number of a user" },
	[SPEC_NICE] = { "nice", parse_bit, "=", "0 or 1" },
};

const struct inject_keys inject_usage_keys = { usage_keys, ARRAY_SIZE(usage_keys) };
const struct inject_keys inject_io_keys = { io_keys, ARRAY_SIZE(io_keys) };
const struct inject_keys inject_spec_keys = { spec_keys, ARRAY_SIZE(spec_keys) };

int inject_change(const struct inject_keys *keys, char *word, struct inject_change *ret)
{
	char *value = strchr(word, '=');
	size_t key = 0;

	if (!value)
		return refuse(EINVAL, "\"%.64s\" is not of the form KEY=VALUE", word);
	*value++ = '\0';
	while (key < keys->n && strcmp(keys->keys[key].name, word))
		key++;
	if (key == keys->n)
		return refuse(EINVAL, "\"%.64s\" is none of the keys, such as %s", word,
			      keys->keys[0].name);
	*ret = (struct inject_change){ .key = (unsigned)key, .sign = '=' };
	if (*value && strchr(keys->keys[key].signs + 1, *value))
		ret->sign = *value++;
	if (keys->keys[key].parse(value, &ret->amount) < 0)
		return refuse(EINVAL, "%s: \"%.64s\" is not %s", word, value,
			      keys->keys[key].expected);
	return 0;
}
