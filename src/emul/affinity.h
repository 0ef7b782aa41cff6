/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* affinity.c: which CPUs members run on. emul->lock is held in all of it. */
#ifndef EMUL_AFFINITY_H
#define EMUL_AFFINITY_H

struct member;
struct placed;

void member_affinity(struct member *m); /* after it was moved */
void member_affinity_found(struct member *m); /* born in its cgroup */
void placed_affinity(struct placed *p);
void placed_affinity_new(struct placed *p); /* was with its process so far */
void placed_affinity_end(struct placed *p); /* is with its process again */

#endif
