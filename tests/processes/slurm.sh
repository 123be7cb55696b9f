#!/usr/bin/env bash
# Ranks that Slurm starts, with PMIx and without, and by tools/slurm/train.sbatch: a cluster of this one host, with
# daemons, key and ports of its own, in a scratch folder. They must train what two ranks in one process train.
#
#   slurm.sh SOURCE_FOLDER CTRAIN
set -euo pipefail
source_folder=$1 ctrain=$2
host=$(hostname -s)

skip() {
  echo "skipped: $*"
  exit 0
}
for program in munged slurmctld slurmd srun sbatch sinfo; do
  command -v $program >/dev/null || skip "$program is not installed (Debian: slurm-wlm)"
done
getent hosts "$host" >/dev/null || skip "the name of this host, $host, leads to no address"

scratch=$(mktemp -d "${TMPDIR:-/tmp}/ctrain-slurm-XXXXXX")
cd "$scratch"
end() {
  for daemon in slurmd slurmctld munged; do
    if [ ! -s $daemon.pid ]; then continue; fi
    kill "$(cat $daemon.pid)" || continue
    for _ in $(seq 50); do
      if [ ! -e $daemon.pid ]; then break; fi  # it removes the file at its end
      sleep 0.1
    done
  done
  rm -rf "$scratch"
}
trap end EXIT

head -c 1024 /dev/urandom >munge.key
chmod 400 munge.key
chmod 755 .
port=$((20000 + RANDOM % 12000))
export SLURM_CONF=$scratch/slurm.conf
cat >slurm.conf <<END
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$port
SlurmdPort=$((port + 1))
AuthType=auth/munge
AuthInfo=socket=$scratch/munge.socket
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
StateSaveLocation=$scratch/state
SlurmdSpoolDir=$scratch/spool
SlurmctldPidFile=$scratch/slurmctld.pid
SlurmdPidFile=$scratch/slurmd.pid
SlurmctldLogFile=$scratch/slurmctld.log
SlurmdLogFile=$scratch/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
MpiDefault=none
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc) State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES State=UP
END
mkdir state spool

start_cluster() {
  munged --force --key-file="$scratch/munge.key" --socket="$scratch/munge.socket" --pid-file="$scratch/munged.pid" \
    --log-file="$scratch/munged.log" --seed-file="$scratch/munged.seed" &&
    slurmctld && slurmd || return 1
  for _ in $(seq 100); do
    if [ "$(sinfo --noheader --format=%T 2>/dev/null)" = idle ]; then return 0; fi
    sleep 0.1
  done
  return 1
}
if ! start_cluster >start.log 2>&1; then
  skip "Slurm cannot be started here: $(tail -n 2 start.log slurmctld.log slurmd.log 2>/dev/null | tr '\n' ' ')"
fi

cat >job.yaml <<'END'
parallel: {tensor: {size: 2, mode: 1d}}
BATCH_SIZE: 4
model: {type: mlp, dims: [8, 16, 4]}
train_data:
  dataset: {type: SyntheticDataset, shape: [8], num_classes: 4, size: 8}
loss: CrossEntropyLoss
optimizer: {type: SGD, lr: 0.1}
checkpoints: {every: 2}
END

check() {  # the run is equal to the one in one process
  cmp {runs/local,"$1"}/checkpoints/step_2/model.safetensors
  echo "$1: the same as in one process"
}
"$ctrain" --config job.yaml --output runs/local --quiet
if "$ctrain" --version | grep -q '^backends:.* gloo'; then
  srun --ntasks=2 --overcommit "$ctrain" --config job.yaml --output runs/without_pmix --quiet
  check runs/without_pmix
fi
if srun --mpi=list 2>&1 | grep -qw pmix; then
  srun --mpi=pmix --ntasks=2 --overcommit "$ctrain" --config job.yaml --output runs/pmix --quiet
  check runs/pmix
fi

submit() {  # options of ctrain; sets $job
  job=$(CTRAIN=$ctrain sbatch --parsable --ntasks=2 --overcommit --output=batch.out \
    "$source_folder/tools/slurm/train.sbatch" --config job.yaml --quiet "$@")
}
until_true() {
  for _ in $(seq 300); do
    if eval "$1" >/dev/null 2>&1; then return 0; fi
    sleep 0.1
  done
  echo "never: $1"
  cat batch.out
  return 1
}
submit --output runs/batch
until_true '[ -z "$(squeue --noheader --jobs=$job)" ]'
check runs/batch

submit --output runs/long --set NUM_EPOCHS=1000000
until_true '[ -s runs/long/metrics.jsonl ]'
scancel --signal=USR1 "$job"  # as Slurm does before the time is up
until_true '[ "$(squeue --noheader --format=%T --jobs=$job)" = PENDING ]'
ls runs/long/checkpoints/step_*/manifest.json >/dev/null
scancel "$job"
echo "runs/long: stopped with a checkpoint and queued again"
