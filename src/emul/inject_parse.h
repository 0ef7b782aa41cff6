/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The language of ctl/inject and of scenario files (docs/inject.md): one line of text as a struct.
 * Knows no emulator: a line may be right here and still mean a cgroup that is not there.
 */
#ifndef EMUL_INJECT_PARSE_H
#define EMUL_INJECT_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "emul.h"
#include "fault.h"

enum inject_verb {
	INJECT_NOTHING, /* blank, or a comment */
	INJECT_USAGE,
	INJECT_IO,
	INJECT_EVENT,
	INJECT_PRESSURE,
	INJECT_FAIL,
	INJECT_ADD,
	INJECT_SET,
	INJECT_FORK,
	INJECT_EXIT,
	INJECT_MKDIR,
	INJECT_RMDIR,
	INJECT_WRITE,
	INJECT_ADVANCE,
	INJECT_TIME,
};

/* What `usage`, `io`, and `add` and `set` may name. */
enum inject_usage { USE_MEMORY, USE_ANON, USE_FILE, USE_SHMEM, USE_SWAP, USE_USER, USE_SYSTEM,
		    USE_MINFLT, USE_MAJFLT };
enum inject_io { IO_RBYTES, IO_WBYTES, IO_DBYTES, IO_RIOS, IO_WIOS, IO_DIOS };
enum inject_spec { SPEC_MEMORY, SPEC_FILE, SPEC_SHMEM, SPEC_SWAP, SPEC_GROW, SPEC_CPU, SPEC_SYSTEM,
		   SPEC_THREADS, SPEC_UID, SPEC_NICE };
enum inject_event { EVENT_LOW, EVENT_HIGH, EVENT_MAX, EVENT_OOM, EVENT_OOM_KILL, EVENT_OOM_GROUP,
		    EVENT_SWAP_HIGH, EVENT_SWAP_MAX, EVENT_SWAP_FAIL, EVENT_HUGETLB_2M,
		    EVENT_HUGETLB_1G, EVENT_PIDS_MAX };

/* KEY=VALUE: set to, more by, less by. */
struct inject_change {
	unsigned key;
	char sign; /* '=', '+' or '-' */
	uint64_t amount; /* bytes, nanoseconds, millionths of a CPU, or a number */
};

#define INJECT_CHANGES 16

struct inject_line {
	enum inject_verb verb;
	uint64_t at_ns; /* so long after the line was given; 0: now */
	char *text; /* what the strings below are parts of */
	const char *path; /* of a cgroup or, for `write`, of a file: "/", "/a/b"; `fail`: or "*" */
	const char *name, *value; /* a synthetic process; what is written, or the child's name */
	struct inject_change changes[INJECT_CHANGES];
	unsigned n_changes;
	unsigned major, minor; /* `io` */
	enum inject_event event;
	uint64_t count;
	enum psi_resource resource;
	unsigned some_ppm, full_ppm;
	uint64_t ns; /* of `over` and `advance` */
	struct fault fault; /* strings borrowed */
	bool on; /* `time virtual`; `fail clear` */
};

/* -EINVAL with the reason noted (why.h), -ENOMEM. */
int inject_parse(const char *line, size_t len, struct inject_line *ret_line);
void inject_line_free(struct inject_line *line);
#define cleanup_inject_line __attribute__((cleanup(inject_line_free)))

#endif
