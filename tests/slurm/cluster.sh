#!/usr/bin/env bash
# A real Slurm cluster on this machine alone, for tests: two nodes, each claiming 4 CPUs and two
# GPUs that lead to /dev/null. Loopback only. Runs as root, with Debian's packages munge, slurmctld,
# slurmd and slurm-client; for accounting slurmdbd and mariadb-server, too.
#
#   cluster.sh start FOLDER [accounting]  start the daemons; all that they write lies in FOLDER
#   cluster.sh stop FOLDER        stop exactly what was started there
#   cluster.sh node-down FOLDER NODE    crash a node with all its processes
#   cluster.sh node-up FOLDER NODE      and boot it again
#   cluster.sh controller-down FOLDER   kill slurmctld
#   cluster.sh controller-up FOLDER     and start it again
#   eval "$(cluster.sh env FOLDER)"     sbatch, squeue ... of this cluster
set -euo pipefail
NODES="n1 n2"

free() { # four ports from this one on: slurmctld's, the nodes' and slurmdbd's
  local p
  for p in 0 1 2 3; do ! (: <"/dev/tcp/$(hostname -s)/$(($1 + p))") 2>/dev/null || return 1; done
}
configure() {
  PORT=26810
  until free $PORT; do PORT=$((PORT + 10)); done # another cluster runs, or was left by a killed test
  mkdir -p "$F"/{run,log,state,spool/n1,spool/n2,bin}
  chmod 755 "$F" "$F"/{run,log,state,spool,bin}
  mkdir -m 700 "$F/munge"
  (umask 077 && mungekey -c -k "$F/munge/key")
  ln -s /dev/null "$F/gpu0"
  ln -s /dev/null "$F/gpu1"
  # Bound to what the host name resolves to, which must be loopback.
  case $(getent ahostsv4 "$(hostname -s)" | awk 'NR==1 {print $1}') in 127.*) ;; *)
    echo "the host name must resolve to 127.x (/etc/hosts): the cluster listens there only" >&2
    exit 1 ;;
  esac
  cat >"$F/slurm.conf" <<CONF
ClusterName=tests
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmctldPort=$PORT
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$F/run/munge.socket
StateSaveLocation=$F/state
SlurmdSpoolDir=$F/spool/%n
SlurmctldPidFile=$F/run/slurmctld.pid
SlurmdPidFile=$F/run/%n.pid
SlurmctldLogFile=$F/log/slurmctld.log
SlurmdLogFile=$F/log/%n.log
# No control groups, no MPI; nodes claim more than there is.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
GresTypes=gpu
AccountingStorageType=accounting_storage/$([ "$ACCOUNTING" ] && echo slurmdbd || echo none)
AccountingStorageHost=127.0.0.1
AccountingStoragePort=$((PORT + 3))
AccountingStoragePass=$F/run/munge.socket
# A step that takes more memory than it asked for is killed.
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill,UsePss
# Quick: a dead node is noticed after seconds; ended jobs are remembered (the plugin's need).
SchedulerParameters=batch_sched_delay=0,sched_interval=2,sched_min_interval=0,bf_interval=2
SlurmdTimeout=10
KillWait=10
CompleteWait=0
MinJobAge=300
ReturnToService=2
NodeName=n1 NodeHostname=$(hostname -s) NodeAddr=127.0.0.1 Port=$((PORT + 1)) CPUs=4 RealMemory=16000 Gres=gpu:2
NodeName=n2 NodeHostname=$(hostname -s) NodeAddr=127.0.0.1 Port=$((PORT + 2)) CPUs=4 RealMemory=16000 Gres=gpu:2
PartitionName=gpu Nodes=n1,n2 Default=YES MaxTime=INFINITE DefaultTime=60 State=UP
CONF
  printf 'AutoDetect=off\nNodeName=n[1-2] Name=gpu File=%s/gpu[0-1]\n' "$F" >"$F/gres.conf"
  printf 'CgroupPlugin=cgroup/v1\nCgroupAutomount=no\n' >"$F/cgroup.conf"
  # Snakemake's plugin wipes SLURM_CONF in its jobs, PATH stays: hence a wrapper for each command.
  for name in sbatch srun squeue scancel sinfo scontrol ${ACCOUNTING:+sacct sacctmgr}; do
    printf '#!/bin/sh\nSLURM_CONF=%s exec /usr/bin/%s "$@"\n' "$F/slurm.conf" $name >"$F/bin/$name"
    chmod 755 "$F/bin/$name"
  done
}

# A pid counts only while its process carries our mark: pids are used again.
ours() { tr '\0' '\n' <"/proc/$1/environ" | grep -qxF "CLUSTER=$F"; } 2>/dev/null
pids() { # of the named daemons, as far as they run
  local name p
  for name in "$@"; do p=$(cat "$F/run/$name.pid" 2>/dev/null) && ours "$p" && echo "$p"; done
  true
}
steps() { # slurmstepd processes of the given jobs
  local job p
  for job in "$@"; do for p in $(pgrep -f "^slurmstepd: \[$job\."); do ours "$p" && echo "$p"; done; done
  true
}
strays() { # processes of jobs that outlived their slurmstepd
  local p
  for p in $(pgrep -f snakemake); do of_a_job "$p" && echo "$p"; done
  true
}
of_a_job() { # of this cluster
  [ "$(tr '\0' '\n' <"/proc/$1/environ" | grep -cE "^(PATH=.*$F/bin:|SLURM_JOB_ID=)")" = 2 ]
} 2>/dev/null
tree() { local p; for p in "$@"; do echo "$p" && tree $(pgrep -P "$p"); done; }
until_true() { # seconds command ...
  local end=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do [ $SECONDS -lt $end ] && sleep 0.2 || return 1; done
}
must() { until_true 60 "$@" || { echo "gave up on: $*; see $F/log" >&2; exit 1; }; }

usable() { "$F/bin/sinfo" -h -n "$1" -o %T | grep -xE 'idle|mixed|allocated'; }
start_node() {
  rm -f "$F/run/$1.pid"
  SLURM_CONF=$F/slurm.conf slurmd -N "$1" </dev/null >>"$F/log/$1.out" 2>&1
  must usable "$1"
}

start_controller() {
  rm -f "$F/run/slurmctld.pid"
  SLURM_CONF=$F/slurm.conf slurmctld </dev/null >>"$F/log/slurmctld.out" 2>&1
  must "$F/bin/sinfo" -h
}

start_accounting() {
  local socket=$F/run/mariadb.socket
  mariadb-install-db --no-defaults --user=root --datadir="$F/db" --skip-test-db \
    --auth-root-authentication-method=normal >"$F/log/mariadb-install.log"
  setsid mariadbd --no-defaults --user=root --datadir="$F/db" --socket="$socket" --skip-networking \
    --pid-file="$F/run/mariadbd.pid" --innodb-lock-wait-timeout=900 </dev/null >"$F/log/mariadbd.log" 2>&1 &
  must mariadb-admin --no-defaults --socket="$socket" -uroot ping
  (umask 077 && cat >"$F/slurmdbd.conf") <<CONF
AuthType=auth/munge
AuthInfo=socket=$F/run/munge.socket
CommunicationParameters=NoInAddrAny
DbdHost=$(hostname -s)
DbdAddr=127.0.0.1
DbdPort=$((PORT + 3))
SlurmUser=root
PidFile=$F/run/slurmdbd.pid
LogFile=$F/log/slurmdbd.log
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=root
CONF
  MYSQL_UNIX_PORT=$socket SLURM_CONF=$F/slurm.conf slurmdbd </dev/null >>"$F/log/slurmdbd.out" 2>&1
  must "$F/bin/sacctmgr" -n show cluster
  "$F/bin/sacctmgr" -iQ add cluster tests
}

start() {
  configure
  munged --key-file="$F/munge/key" --socket="$F/run/munge.socket" --pid-file="$F/run/munged.pid" \
    --log-file="$F/log/munged.log" --seed-file="$F/munge/seed"
  must munge -n -S "$F/run/munge.socket"
  [ -z "$ACCOUNTING" ] || start_accounting
  start_controller
  for node in $NODES; do start_node "$node"; done
}

no_jobs() { [ -z "$("$F/bin/squeue" -h)" ]; }
stop() {
  local victims p
  if "$F/bin/scancel" --partition=gpu 2>/dev/null; then until_true 20 no_jobs || true; fi
  victims=$(pids slurmctld $NODES slurmdbd mariadbd munged)
  [ -z "$victims" ] || kill -TERM $victims
  for p in $victims; do until_true 20 no_process "$p" || kill -KILL "$p"; done
  for p in $(steps '[0-9]*') $(strays); do kill -KILL $(tree "$p") 2>/dev/null || true; done
}
no_process() { ! ours "$1"; }

node_down() { # as by a power cut: the daemon and all job steps of the node; slurmctld is told
  local victims
  victims=$(tree $(pids "$1") $(steps $("$F/bin/squeue" -h -w "$1" -o %A)))
  kill -KILL $victims 2>/dev/null || true
  "$F/bin/scontrol" update nodename="$1" state=down reason=test
}

F=$(realpath -m "${2:-.}")
export CLUSTER=$F # the mark of our daemons, and of the job steps they start
case ${1:-} in
  start) ACCOUNTING=${3:-} && start ;;
  stop) stop ;;
  node-down) node_down "$3" ;;
  node-up) start_node "$3" ;;
  controller-down) kill -KILL $(pids slurmctld) ;;
  controller-up) start_controller ;;
  env) echo "export PATH='$F/bin':\"\$PATH\"" ;;
  *) sed -n '2,16p' "$0" >&2; exit 2 ;;
esac
