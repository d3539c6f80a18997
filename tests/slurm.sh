#!/usr/bin/env bash
# slurm.sh: a sweep as a job array of a real Slurm on this machine: munged, slurmctld and slurmd of
# its own, with files and ports of their own, ended with it. Eight workers share the sweep's journal;
# one is cancelled and one requeued in the middle, and a second array does what is left. Every trial
# is told of once. Status 77 and why when Slurm is not installed.
#   tests/slurm.sh
# Environment: SOTTO (the program; without: build/sotto), KEEP=1 (leave the folder, say where).
set -u
cd "$(dirname "$0")/.." || exit 1
export SOTTO=${SOTTO:-$PWD/build/sotto}
for program in munged slurmctld slurmd sbatch scontrol squeue jq; do
    PATH=$PATH:/usr/sbin command -v $program >/dev/null && continue
    echo "slurm.sh: $program is not installed (apt-get install slurm-wlm munge)" >&2
    exit 77
done
PATH=$PATH:/usr/sbin
tmp=$(mktemp -d /tmp/slurm.XXXXXX)
chmod 755 "$tmp"
pids=()
leave() {
    for p in "${pids[@]}"; do kill "$p" 2>/dev/null; done
    wait
    [ -n "${KEEP:-}" ] && echo "slurm.sh: all is in $tmp" >&2 || rm -rf "$tmp"
}
trap leave EXIT
trap 'exit 130' INT TERM

die() {
    echo "slurm.sh: $1" >&2
    tail -n 5 "$tmp"/*.log "$tmp"/s/slurm-*.log >&2
    exit 1
}

# wait_for SECONDS COMMAND...: until it holds
wait_for() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ $SECONDS -lt $end ] || die "still not so: $*"
        sleep 0.3
    done
}

# ---- Slurm ----

host=$(hostname -s)
user=$(id -un)
port=$((20000 + RANDOM % 10000))
head -c 1024 /dev/urandom >"$tmp/munge.key"
chmod 600 "$tmp/munge.key"
mkdir "$tmp/state" "$tmp/spool"
cat >"$tmp/slurm.conf" <<END
ClusterName=sweep
SlurmctldHost=$host(127.0.0.1)
SlurmUser=$user
SlurmdUser=$user
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket=$tmp/munge.socket
SlurmctldPort=$port
SlurmdPort=$((port + 1))
StateSaveLocation=$tmp/state
SlurmdSpoolDir=$tmp/spool
SlurmctldPidFile=$tmp/slurmctld.pid
SlurmdPidFile=$tmp/slurmd.pid
ProctrackType=proctrack/pgid
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=5
NodeName=$host NodeAddr=127.0.0.1 CPUs=8 State=UNKNOWN
PartitionName=all Nodes=$host Default=YES State=UP
END
export SLURM_CONF=$tmp/slurm.conf

munged --foreground --force --key-file="$tmp/munge.key" --socket="$tmp/munge.socket" \
    --pid-file="$tmp/munged.pid" --seed-file="$tmp/munged.seed" --log-file="$tmp/munged.log" \
    >"$tmp/munged.out" 2>&1 &
pids+=($!)
wait_for 20 test -S "$tmp/munge.socket"
slurmctld -D -i >"$tmp/slurmctld.log" 2>&1 &
pids+=($!)
slurmd -D -N "$host" >"$tmp/slurmd.log" 2>&1 &
pids+=($!)
idle() { [ "$(sinfo -h -o %T 2>/dev/null)" = idle ]; }
wait_for 40 idle

# ---- the sweep ----

tests/tones.pl "$tmp/tones"
"$SOTTO" data import -q "$tmp/tones" -o "$tmp/tones.h5" >/dev/null || die "no pack"
cd "$tmp" || exit 1
"$SOTTO" sweep new ds_cnn data.pack=tones.h5 data.keywords=low,high train.batch=20 \
    train.warmup_epochs=0 train.epochs=36 model.width=8 sweep.trials=24 sweep.stopping=asha \
    sweep.min_epochs=4 sweep.train.lr="log 1e-5 1e-2" -o s >/dev/null || die "no sweep"
"$SOTTO" sweep slurm s --workers 8 --format json >job.json || die "no job"
job=$(jq -r .job job.json)
begun() { [ "$(grep -c '"ask"' s/journal.jsonl)" -ge "$1" ]; }
wait_for 60 begun 8
scancel "${job}_2"
scontrol requeue "${job}_3" || die "nothing was requeued"
pending() { [ "$(squeue -h -o %T -j "${job}_3")" = PENDING ]; }
wait_for 30 pending # Slurm would hold it for two minutes
scontrol update JobId="${job}_3" StartTime=now || die "the requeued task does not start"
over() { [ -z "$(squeue -h)" ]; }
wait_for 200 over
cancelled=$(scontrol show job "${job}_2" | grep -c CANCELLED)
"$SOTTO" sweep slurm s --workers 2 --format json >job.json || die "no job"
wait_for 100 over

"$SOTTO" sweep ls s --format json >ls.json || die "no list"
workers=$(jq -r 'select(.worker) | .worker' s/journal.jsonl | sort -u | wc -l)
twice=$(jq -r 'select(.event == "tell" or .event == "report") | "\(.id) \(.epochs)"' s/journal.jsonl |
    sort | uniq -d)
counts=$(jq -c '[.told + .paused, .failed, .asked]' ls.json)
jq -r '"trials \(.told + .paused)\nto the end \(.told)\nepochs \(.epochs) of \(.epochs_unstopped)"' ls.json
echo "workers $workers"
echo "taken up $(grep -c '"take"' s/journal.jsonl)"
[ "$counts" = '[24,0,0]' ] || die "told, failed and asked are $counts, not [24,0,0]"
[ -z "$twice" ] || die "told of twice: $twice"
[ "$workers" -ge 7 ] || die "only $workers workers wrote to the journal"
[ "$cancelled" -eq 1 ] || die "task 2 was not cancelled"
for t in $(seq 24); do
    [ "$(wc -l <"s/trials/$t/metrics.jsonl")" -eq "$(jq ".trials[$((t - 1))].epochs" ls.json)" ] ||
        die "trial $t has other epochs than it is told of"
done
