/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the parts of the conformance driver share: the tasks it plays with, the descriptors it
 * keeps, and the text of one answer.
 */
#ifndef CONFORM_H
#define CONFORM_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define ACTORS 24
#define HELD 12
#define WORDS 8
#define VALUE_MAX 16384

/* A task, process or thread, that does what it is told. All are children of the driver. */
struct actor {
	pid_t tid; /* 0: not born yet, or reaped */
	int leader; /* the actor that is the leader of its process */
	bool pending; /* was told something and has not answered: it is frozen */
	int asked; /* the actor that it is to create */
	int ends[2]; /* the driver's end, and its own */
};

struct answer {
	char text[1 << 17];
	size_t size;
};

struct driver {
	char root[512]; /* the directory that holds the episodes */
	char top[1024]; /* the directory of this episode */
	struct actor actors[ACTORS];
	int held[HELD];
	char held_name[HELD][64];
	long settle_us;
	struct answer answer;
};

/* text.c: */
void say(struct answer *answer, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void say_escaped(struct answer *answer, const char *text, size_t size);
/* A file's, without a space in it. */
void say_name(struct answer *answer, const char *name);
/* "OK", or the name of the errno. */
void say_result(struct answer *answer, int error);
/* The bytes that a word of a script stands for: their number, or -1: no such actor. */
ssize_t unescape(struct driver *driver, const char *word, char ret[static VALUE_MAX]);
/* Whether a file tells only what is volatile. */
bool tells_usage(const char *file);
/* Whether its numbers, and so its lines, are longer on one side than on the other. */
bool is_usage(const char *file);
/* After a space, the text read from a file, with pids as names and what is volatile replaced.
 * text[size] is NUL. */
void say_content(struct driver *driver, const char *file, const char *text, size_t size);

/* actors.c: */
void actors_init(struct driver *driver);
/* Ends and reaps all of them. */
void actors_end(struct driver *driver);
/* "p7" is 7, -1 where it is none. */
int actor_number(const char *word);
const char *actor_name(const struct driver *driver, pid_t tid, char ret[static 8]);
void actor_spawn(struct driver *driver, int number);
/* Has an actor do something: f(ork), t(hread), x (exit of the task), X (of the process). */
void actor_order(struct driver *driver, int number, char what, int other);
/* An actor writes "0", which means itself, to a file. */
void actor_move_self(struct driver *driver, int number, const char *path);
void actor_signal(struct driver *driver, int number, int signal);
void actor_reap(struct driver *driver, int number);
/* Until every task has done what the last operation made it do. */
void actors_settle(struct driver *driver);

/* ops.c: false where there is no such operation. */
bool run_operation(struct driver *driver, int count, char **words);

#endif
