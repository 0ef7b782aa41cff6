# SPDX-License-Identifier: LGPL-2.1-or-later
# What programs print in a container, between what its cgroup's own files say: run by kernel_tools.py.
# The marks: "@try NAME", "@own ..." before and after, "@end STATUS".
cd /sys/fs/cgroup || exit 1
export LC_ALL=C TERM=xterm

# memory.current, page cache, usage_usec, seconds, load average, age
own() {
	local line file used memory load age stat
	read -r memory <memory.current
	mapfile -t stat <memory.stat
	for line in "${stat[@]:0:4}"; do
		[[ $line != "file "* ]] || file=${line#file }
	done
	mapfile -t stat <cpu.stat
	used=${stat[0]#usage_usec }
	read -r load _ </proc/loadavg
	read -r age _ </proc/uptime
	echo "@own $memory $file $used $EPOCHREALTIME $load $age"
}

try() { # NAME CMD...
	echo "@try $1"
	shift
	own
	timeout 120 "$@" 2>&1
	echo "@end $?"
	own
}

# The screen of htop after a few intervals.
htop_screen() {
	tmux -L ctlfs new-session -d -x 100 -y 30 'htop -d 10'
	sleep 5
	tmux -L ctlfs capture-pane -p
	tmux -L ctlfs kill-server
}

# As the container would be without a view of uptime.
without_uptime() {
	unshare -m sh -c 'umount /proc/uptime; ps -C bash -o pcpu=,args='
}

export -f htop_screen without_uptime

# A disk that is used: reading it is accounted to the container.
[ ! -b /dev/zram0 ] || dd if=/dev/zram0 of=/dev/null bs=4k count=8 iflag=direct status=none

try lscpu lscpu
try lscpu-p lscpu -p=CPU,CORE,SOCKET,NODE
try getconf getconf _NPROCESSORS_ONLN
try getconf-conf getconf _NPROCESSORS_CONF
try nproc nproc
try numactl numactl --hardware
try python /usr/bin/python3 -c '
import json, os, psutil
memory = psutil.virtual_memory()
print(json.dumps([os.cpu_count(), psutil.cpu_count(), memory.total, memory.free,
                  psutil.swap_memory().total]))'
try node node -e '
const os = require("os");
console.log(JSON.stringify([os.cpus().length, os.totalmem(), os.uptime()]))'
try java java -Xint -Xmx32m -XshowSettings:system -Xlog:gc+init -version
try busybox-free busybox free -k
try busybox-nproc busybox nproc
try phys-pages getconf _PHYS_PAGES

/usr/bin/python3 -c '
import time
area = bytearray(64 << 20)
print("@holds", flush=True)
time.sleep(1000)' &
holder=$!
sleep 2
try vmstat-d bash -c 'cat io.stat; vmstat -d'
try iostat-d iostat -dk -p ALL
try free free -kw
try vmstat-s vmstat -s
bash -c 'while :; do :; done; : spin' &
bash -c 'while :; do :; done; : spin' &
sleep 1
try top top -b -1 -n 2 -d 2 -w 150
try vmstat vmstat 2 2
try mpstat mpstat -P ALL 2 1
try iostat iostat -c 2 2
try sar sar -u -r -q -P ALL 2 1
try pidstat pidstat 2 1
try htop bash -c htop_screen
try uptime uptime
try w w
try ps bash -c without_uptime
kill "$holder" %2 %3
wait 2>/dev/null
