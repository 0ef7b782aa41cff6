#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The first program of a container, which gets it as text: bash -c TEXT MARK [tree [TOP]]. Tells
# in lines "KEY: VALUE" what it sees of its limits and, with "tree", what comes of using its own
# part of the cgroup tree, which is at TOP; after "done" it sleeps, and at SIGUSR1 does all of it,
# up to "again". MARK is for the test to find it by.
top=${2:-/sys/fs/cgroup}

# What comes of one write.
put() { # FILE TEXT
	local said
	said=$({ printf '%s' "$2" >"$top/$1"; } 2>&1) && echo OK || echo "${said##*: }"
}

tell_put() { # FILE TEXT
	echo "$1 $2: $(put "$1" "$2")"
}

tell_limits() {
	local fields
	read -ra fields < <(free -k | grep Mem:)
	echo "free: ${fields[1]}"
	echo "getconf: $(getconf _NPROCESSORS_ONLN)"
	echo "cpuinfo: $(grep -c ^processor /proc/cpuinfo)"
	echo "online: $(</sys/devices/system/cpu/online)"
}

# A cgroup cannot both have members and give a controller to children.
make_room() {
	local pid pids
	mkdir -p $top/init.scope
	mapfile -t pids <$top/cgroup.procs
	for pid in "${pids[@]}"; do
		[ "$(put init.scope/cgroup.procs "$pid")" = OK ] || echo "stays: $pid"
	done
}

use_tree() {
	local member
	make_room
	tell_put cgroup.subtree_control +memory
	mkdir $top/child
	tell_put child/memory.max 32M
	echo "child: $(<$top/child/memory.max)"
	sleep infinity &
	member=$!
	echo "moved: $(put child/cgroup.procs $member)"
	[ "$(<$top/child/cgroup.procs)" = $member ] && echo "member: yes"
	case $(<"/proc/$member/cgroup") in */child) echo "place: yes" ;; esac
	tell_put memory.max max
	tell_put cpu.max max
	tell_put child/memory.max bogus
	tell_put child/cgroup.subtree_control +memory
	tell_put child/cgroup.procs 4194304
	tell_put child/cgroup.events 1
	kill $member
	wait $member 2>/dev/null
	rmdir $top/child
}

report() { # [tree]
	tell_limits
	[ "${1-}" != tree ] || use_tree
}

report "$@"
echo "done: yes"
trap 'report tree; echo "again: yes"' USR1
sleep infinity &
sleeper=$!
while :; do
	wait $sleeper
done
