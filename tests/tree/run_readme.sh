#!/usr/bin/env bash
# Runs README.md's commands as they stand: every block fenced as ```sh test, in order, in a scratch folder that looks like
# the repository. `needs=PROGRAM` on the fence's line skips the block, with a message, where the machine lacks the program
# (or the cluster, or the build the backend).
# Stand-ins cut short what takes minutes: ctrain does two steps of small batches.
#
#   run_readme.sh SOURCE_FOLDER CTRAIN SCRATCH_FOLDER
set -euo pipefail
source_folder=$1 ctrain=$2 scratch=$3
images=/usr/share/datasets/fashion-mnist

if [ ! -e $images ]; then
  echo "nothing could be run: $images is missing (Debian's package dataset-fashion-mnist)"
  exit 0
fi

rm -rf "$scratch"
mkdir -p "$scratch/build/release" "$scratch/tools" "$scratch/bin" "$scratch/my_cifar"
cd "$scratch"
for folder in configs tests memory ops parallel runtime; do ln -s "$source_folder/$folder" $folder; done
ln -s $images my_images
ln -s "$source_folder/tools/slurm" tools/slurm
echo "localhost slots=4" >hosts.txt
for file in data_batch_1 test_batch; do head -c $((8 * 3073)) /dev/zero >my_cifar/$file.bin; done

cat >build/release/ctrain <<END
#!/usr/bin/env bash
few=(--set checkpoints.every=2 --set BATCH_SIZE=4)
case " \$* " in
  *" eval "* | *" generate "*) exec "$ctrain" "\${@/step_[0-9]*/step_2}" ;;
  *" --resume "*) exec "$ctrain" "\$@" --steps 4 "\${few[@]}" ;;
  " --config "* | *" -- --config "*) exec "$ctrain" "\$@" --steps 2 "\${few[@]}" ;;
  *) exec "$ctrain" "\$@" ;;
esac
END
# The scripts build the release preset: at once where that is what is being tested, and left out otherwise.
if [ "$ctrain" = "$source_folder/build/release/ctrain" ]; then
  cat >tools/quickstart.sh <<END
#!/usr/bin/env bash
CTRAIN_RUNS="$scratch/runs" exec "$source_folder/tools/quickstart.sh" --no-install --steps 2 --set checkpoints.every=2
END
  cat >bin/cmake <<END
#!/usr/bin/env bash
cd "$source_folder" && exec "$(command -v cmake)" "\$@"
END
else
  for stand_in in tools/quickstart.sh bin/cmake; do echo 'echo "left out: $0 builds the release preset"' >$stand_in; done
fi
echo 'echo "left out: $0 runs this test"' >tools/test.sh
chmod +x build/release/ctrain tools/*.sh bin/cmake
export PATH="$scratch/bin:$PATH"

is_usable() {
  case $1 in
    srun) sinfo >/dev/null 2>&1 ;;  # it may be installed where no cluster is
    gloo) "$ctrain" --version | grep -q '^backends:.* gloo' ;;
    *) command -v "$1" >/dev/null ;;
  esac
}

blocks=$(awk '/^```sh/ {++n; print FILENAME ":" FNR ":" $0 > "block-" n ".fence"; inside = 1; next}
              /^```/ {inside = 0} inside {print > "block-" n ".sh"} END {print n + 0}' "$source_folder/README.md")
ran=0
for ((n = 1; n <= blocks; ++n)); do
  fence=$(cat block-$n.fence)
  if [[ $fence != *'```sh test'* ]]; then
    echo "$fence: a block of commands that no test runs; expected \`\`\`sh test"
    exit 1
  fi
  needs=
  if [[ $fence == *needs=* ]]; then needs=${fence##*needs=}; fi
  if [ -n "$needs" ] && ! is_usable "$needs"; then
    echo "$fence: skipped: $needs is missing"
    continue
  fi
  echo "$fence"
  bash -euxo pipefail block-$n.sh </dev/null
  ran=$((ran + 1))
done
echo "$ran of $blocks blocks ran"
[ $ran -gt 0 ]
