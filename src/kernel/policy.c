/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which files a policy controls, in one table; rules about them, and values under ceilings. */
#include "policy.h"

#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctlfs/cleanup.h"
#include "ctlfs/parse.h"
#include "ctlfs/why.h"

/* In what a file's ceiling counts, and so how its text is parsed. UINT64_MAX is "max". */
enum unit {
	UNIT_NONE, /* it has no ceiling */
	UNIT_BYTES,
	UNIT_COUNT,
	UNIT_WEIGHT,
	UNIT_CPUS /* microseconds per 100 000 */
};

#define CPU_USEC 100000
#define QUOTA_MAX ((1ULL << 44) - 1) /* microseconds: the kernel's bound */

/*
 * Every file that a rule can name. own: the daemon never writes it for somebody else, since who
 * writes matters beyond the permission (pids, triggers, what an open file remembers); "allow"
 * leaves it to the writer's rights.
 */
static const struct kind {
	const char *file; /* fnmatch() */
	enum unit unit;
	bool own;
} kinds[] = {
	{ "memory.max", UNIT_BYTES },
	{ "memory.high", UNIT_BYTES },
	{ "memory.low", UNIT_BYTES },
	{ "memory.min", UNIT_BYTES },
	{ "memory.swap.max", UNIT_BYTES },
	{ "memory.swap.high", UNIT_BYTES },
	{ "memory.zswap.max", UNIT_BYTES },
	{ "memory.zswap.writeback", UNIT_NONE },
	{ "memory.oom.group", UNIT_NONE },
	{ "memory.reclaim", UNIT_NONE, .own = true },
	{ "memory.peak", UNIT_NONE, .own = true },
	{ "memory.swap.peak", UNIT_NONE, .own = true },
	{ "cpu.max", UNIT_CPUS },
	{ "cpu.max.burst", UNIT_NONE },
	{ "cpu.weight", UNIT_WEIGHT },
	{ "cpu.weight.nice", UNIT_NONE },
	{ "cpu.idle", UNIT_NONE },
	{ "cpu.uclamp.m??", UNIT_NONE },
	{ "cpuset.cpus", UNIT_NONE },
	{ "cpuset.cpus.exclusive", UNIT_NONE },
	{ "cpuset.cpus.partition", UNIT_NONE },
	{ "cpuset.mems", UNIT_NONE },
	{ "pids.max", UNIT_COUNT },
	{ "io.max", UNIT_NONE },
	{ "io.weight", UNIT_NONE },
	{ "io.bfq.weight", UNIT_NONE },
	{ "io.latency", UNIT_NONE },
	{ "io.prio.class", UNIT_NONE },
	{ "hugetlb.*.max", UNIT_BYTES },
	{ "rdma.max", UNIT_NONE },
	{ "misc.max", UNIT_NONE },
	{ "dmem.m??", UNIT_NONE },
	{ "dmem.low", UNIT_NONE },
	{ "*.pressure", UNIT_NONE, .own = true },
	{ "cgroup.procs", UNIT_NONE, .own = true },
	{ "cgroup.threads", UNIT_NONE, .own = true },
	{ "cgroup.subtree_control", UNIT_NONE, .own = true },
	{ "cgroup.type", UNIT_NONE, .own = true },
	{ "cgroup.pressure", UNIT_NONE },
	{ "cgroup.freeze", UNIT_NONE },
	{ "cgroup.kill", UNIT_NONE },
	{ "cgroup.max.depth", UNIT_COUNT },
	{ "cgroup.max.descendants", UNIT_COUNT },
};

struct policy {
	struct rule *rules; /* in the order in which they were written */
	size_t n, cap;
	bool own;
};

static const struct kind *kind_of(const char *file)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (fnmatch(kinds[i].file, file, 0) == 0)
			return &kinds[i];
	}
	return NULL;
}

int policy_new(bool own, struct policy **ret_policy)
{
	struct policy *p = calloc(1, sizeof *p);

	if (!p)
		return -ENOMEM;
	p->own = own;
	*ret_policy = p;
	return 0;
}

static void rule_free(struct rule *rule)
{
	free(rule->cgroup);
	free(rule->file);
	free(rule->where);
}

void policy_free(struct policy *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->n; i++)
		rule_free(&p->rules[i]);
	free(p->rules);
	free(p);
}

size_t policy_count(const struct policy *p)
{
	return p->n;
}

/* --- making rules --- */

static int parse_verb(const char *file, const char *text, struct rule *rule)
{
	static const struct {
		const char *name;
		enum verb verb;
	} verbs[] = {
		{ "allow", VERB_ALLOW }, { "readonly", VERB_READONLY }, { "deny", VERB_DENY },
	};

	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		if (!strcmp(text, verbs[i].name)) {
			rule->verb = verbs[i].verb;
			return 0;
		}
	}
	return refuse(EINVAL, "%s = %s: expected '= allow', '= readonly', '= deny' or '<= CEILING'",
		      file, text);
}

/* "150%" of one CPU, or a number of CPUs. */
static int parse_share(const char *text, uint64_t *ret_usec)
{
	size_t digits = strspn(text, "0123456789");
	uint64_t percent;
	char number[21];

	if (!digits || digits >= sizeof number || strcmp(text + digits, "%"))
		return parse_cpus(text, ret_usec);
	memcpy(number, text, digits);
	number[digits] = '\0';
	if (parse_u64(number, 10, &percent) < 0 || !percent || percent > QUOTA_MAX / CPU_USEC)
		return -ERANGE;
	*ret_usec = percent * (CPU_USEC / 100);
	return 0;
}

static int parse_ceiling(const char *file, const char *text, struct rule *rule)
{
	static const char *const expected[] = {
		[UNIT_BYTES] = "a size such as 2G, or max", [UNIT_COUNT] = "a number, or max",
		[UNIT_WEIGHT] = "a weight from 1 to 10000",
		[UNIT_CPUS] = "CPUs such as 150% or 1.5, or max",
	};
	const struct kind *kind = kind_of(file);
	enum unit unit = kind ? kind->unit : UNIT_NONE;
	bool digits = *text && !text[strspn(text, "0123456789")];
	uint64_t value = UINT64_MAX;
	int r = -EINVAL;

	if (unit == UNIT_NONE)
		return refuse(EINVAL, "%s has no ceiling: expected '= allow', '= readonly' or "
				      "'= deny'", file);
	if (unit != UNIT_WEIGHT && !strcmp(text, "max"))
		r = 0;
	else if (unit == UNIT_BYTES)
		r = parse_size(text, &value);
	else if (unit == UNIT_CPUS)
		r = parse_share(text, &value);
	else if (digits)
		r = parse_u64(text, 10, &value);
	if (r == 0 && unit == UNIT_WEIGHT && (value < 1 || value > 10000))
		r = -ERANGE;
	if (r < 0)
		return refuse(EINVAL, "%s <= %s: expected %s", file, text, expected[unit]);
	rule->verb = VERB_CEILING;
	rule->ceiling = value;
	return 0;
}

static int append(struct policy *p, const struct rule *rule)
{
	struct rule copy = *rule;

	if (p->n == p->cap) {
		size_t cap = p->cap ? 2 * p->cap : 16;
		struct rule *grown = reallocarray(p->rules, cap, sizeof *grown);

		if (!grown)
			return -ENOMEM;
		p->rules = grown;
		p->cap = cap;
	}
	copy.cgroup = strdup(rule->cgroup);
	copy.file = strdup(rule->file);
	copy.where = strdup(rule->where);
	if (!copy.cgroup || !copy.file || !copy.where) {
		rule_free(&copy);
		return -ENOMEM;
	}
	p->rules[p->n++] = copy;
	return 0;
}

int policy_add(struct policy *p, const struct rule *at, const char *verb, const char *ceiling)
{
	struct rule rule = *at;
	int r;

	if (strcmp(rule.file, "*") && (strpbrk(rule.file, "*?[\\") || !kind_of(rule.file)))
		return refuse(EINVAL, "%s: not a file that a policy is about", rule.file);
	r = verb ? parse_verb(rule.file, verb, &rule) : parse_ceiling(rule.file, ceiling, &rule);
	return r < 0 ? r : append(p, &rule);
}

bool policy_repeats(const struct policy *p, size_t first, const char *file)
{
	for (size_t i = first; i < p->n; i++) {
		if (!strcmp(p->rules[i].file, file))
			return true;
	}
	return false;
}

/* --- finding them --- */

static bool is_about(const struct rule *rule, const char *file)
{
	return !strcmp(rule->file, "*") || !strcmp(rule->file, file);
}

const struct rule *policy_find(const struct policy *p, const char *path, const char *file)
{
	for (size_t i = p->n; i-- > 0;) {
		const struct rule *rule = &p->rules[i];

		if (is_about(rule, file) && fnmatch(rule->cgroup, path, FNM_PATHNAME) == 0)
			return rule;
	}
	return NULL;
}

static bool is_given(enum verb verb)
{
	return verb == VERB_ALLOW || verb == VERB_CEILING;
}

bool policy_gives(const struct policy *p, const char *file)
{
	for (size_t i = 0; i < p->n; i++) {
		if (is_about(&p->rules[i], file) &&
		    is_given(policy_verb(p, &p->rules[i], file, false)))
			return true;
	}
	return false;
}

enum verb policy_verb(const struct policy *p, const struct rule *rule, const char *file,
		      bool delegatable)
{
	const struct kind *kind = kind_of(file);

	if (!rule)
		return p->own || delegatable ? VERB_OWN : VERB_READONLY;
	if (rule->verb == VERB_ALLOW && (!kind || kind->own))
		return VERB_OWN;
	return rule->verb;
}

/* --- values under ceilings --- */

/* The kernel's parser of a unit, and what it made of text. */
static int parse_value(const struct rule *rule, enum unit unit, char *text, uint64_t *ret_value)
{
	int64_t count = 0;
	int r;

	if (unit == UNIT_WEIGHT)
		return parse_u64(text, 0, ret_value);
	text = parse_strip(text);
	if (unit == UNIT_BYTES)
		return parse_memory(text, ret_value);
	*ret_value = UINT64_MAX;
	if (!strcmp(text, "max"))
		return 0;
	r = parse_s64(text, 0, &count);
	if (r == 0 && count < 0)
		r = strncmp(rule->file, "cgroup.", 7) ? -EINVAL : -ERANGE;
	if (r == 0)
		*ret_value = (uint64_t)count;
	return r;
}

static int refuse_more(const struct rule *rule, const char *text)
{
	char ceiling[32];

	if (!strcmp(rule->file, "cpu.max"))
		snprintf(ceiling, sizeof ceiling, "%" PRIu64 "%% of a CPU",
			 rule->ceiling * 100 / CPU_USEC);
	else
		snprintf(ceiling, sizeof ceiling, "%" PRIu64, rule->ceiling);
	return refuse(EPERM, "%.*s is above the ceiling of %s: %s", (int)strcspn(text, "\n"), text,
		      ceiling, rule->where);
}

/* The period that is not given is the one that is set now; it is written with the quota, so that
 * nobody can change it in between. */
static int apply_cpus(const struct rule *rule, const char *now, const char *text, struct buf *out)
{
	struct cpu_max was = { 0 }, is;
	int r = parse_cpu_max(text, &is);

	if (r == 0 && !is.has_period) {
		r = parse_cpu_max(now, &was);
		is.period = was.period;
	}
	if (r < 0 || (!is.unlimited && is.quota > QUOTA_MAX) || is.period > QUOTA_MAX)
		return refuse(EINVAL, "cpu.max takes \"max\" or a quota, and a period, in us");
	if (rule->ceiling != UINT64_MAX &&
	    (is.unlimited || (unsigned __int128)is.quota * CPU_USEC >
				     (unsigned __int128)rule->ceiling * is.period))
		return refuse_more(rule, text);
	if (is.unlimited)
		buf_addf(out, "max %" PRIu64, is.period);
	else
		buf_addf(out, "%" PRIu64 " %" PRIu64, is.quota, is.period);
	return buf_error(out);
}

int ceiling_apply(const struct rule *rule, const char *now, char *text, struct buf *out)
{
	enum unit unit = kind_of(rule->file)->unit;
	uint64_t value = 0;
	int r;

	if (unit == UNIT_CPUS)
		return apply_cpus(rule, now, text, out);
	r = parse_value(rule, unit, text, &value);
	if (r < 0)
		return r;
	if (value > rule->ceiling)
		return refuse_more(rule, text);
	if (value == UINT64_MAX)
		buf_adds(out, "max");
	else
		buf_addu(out, value);
	return buf_error(out);
}
