#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Testing a container runtime: what it does with its cgroup, and what it does when that goes wrong.
# Run it as the runtime's tests would be, without root:
#     ctlfs run --backend emulator -- docs/examples/runtime.sh
set -eu

# --- the runtime under test: three functions such as every runtime has ---

runtime_create() { # NAME MEMORY PIDS
	mkdir "$root/$1" || return
	echo "$2" >"$root/$1/memory.max" && echo "$3" >"$root/$1/pids.max" && return
	rmdir "$root/$1" # half a container is none
	return 1
}

runtime_start() { # NAME COMMAND...
	name=$1
	shift
	(
		read -r pid _ </proc/self/stat
		echo "$pid" >"$root/$name/cgroup.procs" && exec "$@"
	) &
}

runtime_delete() { # NAME
	echo 1 >"$root/$1/cgroup.kill"
	wait
	rmdir "$root/$1"
}

# --- its tests ---

fail() {
	echo "FAILED: $*" >&2
	exit 1
}

expect() { # WANTED GOT WHAT
	[ "$2" = "$1" ] || fail "$3: '$2' instead of '$1'"
}

# A shell is in the way of its own children's controllers: first out of the top (no internal
# processes), as every runtime has to do in a delegated cgroup.
root=/sys/fs/cgroup
mkdir "$root/supervisor"
echo $$ >"$root/supervisor/cgroup.procs"
echo '+memory +pids' >"$root/cgroup.subtree_control"

runtime_create web 64M 20
expect 67108864 "$(cat $root/web/memory.max)" 'memory.max of a new container'
runtime_start web sleep 60
until grep -q 'populated 1' "$root/web/cgroup.events"; do :; done
runtime_delete web
[ ! -e "$root/web" ] || fail 'the container was not deleted'

# The kernel refuses "64MB"; the half-made cgroup must be gone.
if runtime_create web 64MB 20 2>/dev/null; then
	fail 'a wrong limit was accepted'
fi
[ ! -e "$root/web" ] || fail 'a failed create left its cgroup behind'

# What no real machine does on demand: the third mkdir of the day fails.
ctlfs inject "fail * mkdir ENOSPC once"
if runtime_create web 64M 20 2>/dev/null; then
	fail 'an injected ENOSPC was not seen'
fi
runtime_create web 64M 20 # and the next one works
runtime_delete web
echo 'the runtime passes'
