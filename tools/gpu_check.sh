#!/usr/bin/env bash
# Runs every CUDA test and benchmark on a machine with at least one GPU, in under 9 minutes, and prints a table of them
# with figures. Works in a build tree and in an unpacked bundle (tools/bundle.sh).
#
#   tools/gpu_check.sh [--peer PEER_TORCH.PY] [--logs DIR]
#
# --peer: a script that times the same model in PyTorch and prints a JSON line with samples_per_second; without it that
# comparison is left out. So is that of single kernels without python3 and torch. Logs go to DIR (default: gpu_check).
# Exit code: 0 all passed, 1 something failed, 2 there is no GPU that this build can use (nothing was run).
set -uo pipefail
root=$(cd "$(dirname "$(readlink -f "$0")")/.." && pwd)
peer= logs=gpu_check
while [ $# -gt 0 ]; do
  case $1 in
    --peer) peer=${2:?--peer: expected the path of a script}; shift 2 ;;
    --logs) logs=${2:?--logs: expected a folder}; shift 2 ;;
    *) echo "gpu_check.sh: '$1': unknown option; expected --peer or --logs" >&2; exit 2 ;;
  esac
done
if [ -x "$root/bin/ctrain" ]; then
  programs=$root/bin tests=$root/bin
else
  programs=$root/build/release tests=$root/build/release/tests
fi
for program in "$programs"/{ctrain,bench_step,bench_operations} "$tests"/{test_ops,test_equality}; do
  if [ ! -x "$program" ]; then
    echo "gpu_check.sh: $program is missing: build first (cmake --build --preset release)" >&2
    exit 2
  fi
done
if ! "$programs/ctrain" check -i | grep -E '^ *device [0-9]+ +ok ' >/dev/null; then
  "$programs/ctrain" check -i | sed -n '/^ *GPU/,/^ *backends/p' | sed '$d' >&2
  echo "gpu_check.sh: there is no GPU that this build can use: nothing was run" >&2
  exit 2
fi
mkdir -p "$logs"
logs=$(cd "$logs" && pwd)

seconds_in_all=530
rows=() failed=0

row() {  # result, seconds, name, figure
  local line
  printf -v line '%-7s %5s  %-58s %s' "$1" "$2" "$3" "$4"
  rows+=("$line")
  echo "$line"
  [ "$1" != FAIL ] || failed=1
}

# check NAME LOG SECONDS COMMAND...: passes where the command does; its lines "figure: ..." are shown.
check() {
  local name=$1 log=$logs/$2.log limit=$3 left=$((seconds_in_all - SECONDS)) begin=$SECONDS status=0 figures
  shift 3
  if [ $left -lt 5 ]; then row FAIL 0 "$name" "no time was left"; return 1; fi
  timeout $((limit < left ? limit : left)) "$@" >"$log" 2>&1 || status=$?
  figures=$(sed -n 's/^figure: //p' "$log" | paste -sd '|' | sed 's/|/; /g')
  if [ $status = 0 ] && grep -q "skipped: " "$log"; then figures=$(grep -h "skipped: " "$log" | head -1) status=skipped; fi
  case $status in
    skipped) row FAIL $((SECONDS - begin)) "$name" "$figures"; return 1 ;;
    0) row pass $((SECONDS - begin)) "$name" "$figures" ;;
    124) row FAIL $((SECONDS - begin)) "$name" "took too long; $log" ;;
    *) row FAIL $((SECONDS - begin)) "$name" "${figures:+$figures; }exit code $status; $log" ;;
  esac
  return $status
}

is_so() { awk "BEGIN {exit !($1)}"; }  # a comparison of numbers

# judge NAME FIGURE CONDITION
judge() { if is_so "$3"; then row pass - "$1" "$2"; else row FAIL - "$1" "$2"; fi; }

losses() { sed -n 's/.*"kind":"step".*"loss":\([^,}]*\).*/\1/p' "$logs/$1/metrics.jsonl"; }

# The largest relative distance of the losses of two runs, or nothing where their numbers of steps differ.
loss_error() {
  paste <(losses "$1") <(losses "$2") | awk '
    NF != 2 {broken = 1}
    {d = ($1 > $2 ? $1 - $2 : $2 - $1) / $2; if (d > most) most = d}
    END {if (NR > 0 && !broken) print most + 0}'
}

# compare NAME RUN RUN TOLERANCE (0: the same digits)
compare() {
  local error
  error=$(loss_error "$2" "$3")
  if [ -z "$error" ]; then row FAIL - "$1" "the runs have no losses to compare"; return; fi
  judge "$1" "largest relative distance of 20 losses: $error of at most $4" "$error <= $4"
}

small=(--config "$root/tools/bench/vit_tiny.yaml" --steps 20 --overwrite --quiet
  --set model.hidden_size=128 --set model.num_heads=4 --set model.depth=2 --set GLOBAL_BATCH_SIZE=16 --set optimizer.lr=1e-3)
train() {  # RUN, options of ctrain
  local run=$1
  shift
  check "ctrain: $run" "train_$run" 60 "${launcher[@]}" "$programs/ctrain" "${small[@]}" --output "$logs/$run" "$@"
}
launcher=()

echo "ctrain $("$programs/ctrain" --version | sed -n 's/commit: //p') on:"
"$programs/ctrain" check -i | grep -E '^ *(GPU|CUDA|cuDNN|NCCL|driver|device) ?'
echo

check "1. op tables: fp32 1e-5, TF32 1e-3, bf16 and fp16 1e-2" ops 120 "$tests/test_ops"
check "2. ViT and MLP: the CPU's losses to 1e-4; twice the same bits" fp32 60 "$tests/test_equality" "[gpu][fp32]"
check "2. bf16: as near to fp64 as the CPU's; twice the same bits" bf16 60 "$tests/test_equality" "[gpu][bf16]"
check "3. 2, 4 and 8 ranks that share a GPU train as one" meshes 150 "$tests/test_equality" "[gpu][meshes]"
check "3. pipelines of 2 and 4 ranks that share a GPU train as one" pipelines 90 "$tests/test_equality" "[gpu][pipelines]"
check "3. NCCL, a rank on each GPU" nccl 60 "$tests/test_equality" "[gpu][nccl]"
check "4. recorded; nothing allocated after step 1" allocations 30 "$tests/test_equality" "[gpu][allocations]"
check "5. replay and step by step: the same bits" replay 60 "$tests/test_equality" "[gpu][replay]"

train cpu --device cpu
train gpu --device cuda --profile-steps 3:4
[ -s "$logs/gpu/trace_rank_0.json" ] || row FAIL - "a trace of steps 3 and 4" "$logs/gpu/trace_rank_0.json is missing"
train again --device cuda
train eager --device cuda --set cuda_graph=false
train staged --device cuda --backend local --set "parallel.tensor={size: 4, mode: 2d}"
train pipeline --device cuda --backend local --set parallel.pipeline=2 --set NUM_MICRO_BATCHES=4
compare "2. the command's losses: GPU and CPU" gpu cpu 1e-4
compare "2. the command's losses: two runs" again gpu 0
compare "5. the command's losses: replayed and not" eager again 0
compare "3. the command's losses: 2d on 4 ranks of one GPU, and one" staged gpu 1e-4
compare "3. the command's losses: a pipeline of 2 ranks of one GPU, and one" pipeline gpu 1e-4
mpirun=$(command -v "$programs/mpirun" || command -v mpirun)
if [ -n "$mpirun" ]; then
  export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
  launcher=("$mpirun" -np 2 --oversubscribe --bind-to none)
  train mpi --device cuda --backend mpi --set parallel.data=2
  launcher=()
  compare "3. the command's losses: 2 processes on one GPU, and one" mpi gpu 1e-4
else
  row skipped - "3. the command's losses: 2 processes on one GPU" "mpirun is missing"
fi

share= rate= peak= copy=
if check "speed: ViT-B/16 at 224, batch 128, bf16" bench 150 "$programs/bench_step" "$root/tools/bench/vit_base.yaml" cuda 30; then
  log=$logs/bench.log
  rate=$(sed -n 's/.* \([0-9.]*\) samples\/s.*/\1/p' "$log")
  read -r peak copy share < <(sed -n 's/^matmul \([0-9.]*\) TFLOP\/s, copy \([0-9.]*\) GB\/s; the step reaches \([0-9.]*\) .*/\1 \2 \3/p' "$log")
  read -r memory allocations < <(sed -n 's/^memory: .* \([-+0-9.]*\) %; allocations after step 1: \([0-9]*\)$/\1 \2/p' "$log")
  judge "speed: share of the measured matmul peak, at least 45 %" "$rate samples/s, $share % of $peak TFLOP/s; copy $copy GB/s" "$share >= 45"
  judge "4. measured device memory within 3 % of the plan's" "$memory %" "$memory <= 3 && $memory >= -3"
  judge "4. no allocation after step 1" "$allocations" "$allocations == 0"
fi
has_torch=
python3 -c 'import torch; assert torch.cuda.is_available()' 2>/dev/null && has_torch=1
if [ -n "$peer" ] && [ -n "$has_torch" ]; then
  if check "speed: the same in PyTorch with torch.compile" peer 150 python3 "$peer" vit --device cuda --dtype bf16 --compile \
    --image 224 --patch 16 --hidden 768 --depth 12 --heads 12 --classes 1000 --batch 128; then
    theirs=$(sed -n 's/.*"samples_per_second": *\([0-9.]*\).*/\1/p' "$logs/peer.log")
    judge "speed: at least 1.0x of PyTorch" "$rate and $theirs samples/s" "${rate:-0} >= ${theirs:-1e30}"
  fi
else
  row skipped - "speed: at least 1.0x of PyTorch" "no --peer script, or no python3 with torch"
fi
kernel_table=(python3 "$root/tools/bench/kernel_table.py" "$logs/operations.log")
if check "speed: its operations, each alone" operations 60 "$programs/bench_operations" "$root/tools/bench/vit_base.yaml" cuda; then
  if [ -n "$has_torch" ]; then
    check "speed: each kernel within 10 % of PyTorch's" kernels 90 "${kernel_table[@]}"
  else
    row skipped - "speed: each kernel within 10 % of PyTorch's" "no python3 with torch"
    "${kernel_table[@]}" >"$logs/kernels.log" 2>&1
  fi
fi

sanitizer=$(command -v compute-sanitizer || ls /usr/local/cuda/bin/compute-sanitizer 2>/dev/null)
if [ -n "$sanitizer" ]; then
  table="every kernel agrees with the fp64 reference and allocates nothing,fused kernels agree*,the fused cross-entropy*"
  table+=",CUDA's gradients of a layer norm of more rows*,CUDA's kernels give each tensor of a list*,a device copies along strides*"
  for tool in memcheck racecheck; do
    check "1. compute-sanitizer $tool on ops, fused ops and lists" $tool 100 "$sanitizer" --tool $tool --error-exitcode 9 --target-processes all \
      --report-api-errors no "$tests/test_ops" "$table"
  done
else
  row skipped - "1. compute-sanitizer on ops, fused ops and lists" "compute-sanitizer is missing"
fi

echo
echo "in all, after $SECONDS s:"
printf '%s\n' "${rows[@]}"
for table in bench kernels; do
  [ ! -s "$logs/$table.log" ] || { echo; sed -n '/^operation/,$p' "$logs/$table.log"; }
done
exit $failed
