#!/usr/bin/env bash
# From a folder of clips to the files in mocotool/bundled/: generator, motion model, clips.
#
#   tests/experiments/make-bundled.sh CLIPS WORK
#
# Every third clip by name stays unseen, for judging. Ctrl-C and the same line again go on.
set -euo pipefail
export LC_ALL=C
clips=$(realpath "$1")
work=$2
bundled=$(realpath "$(dirname "$0")/../../mocotool/bundled")

mkdir -p "$work/seen" "$work/unseen" "$bundled/clips"
number=0
for clip in "$clips"/*.mp4; do
  number=$((number + 1))
  if [ $((number % 3)) -eq 0 ]; then part=unseen; else part=seen; fi
  ln -sf "$clip" "$work/$part/"
done

resume() { [ ! -e "$1/config.json" ] || echo --resume; }

moco train-image --videos "$work/seen" -o "$work/people" --num-images 849216 \
  --resolution 64 --batch-size 32 --channel-base 2048 --channel-max 128 \
  --z-dim 128 --w-dim 128 --num-mapping-layers 4 --r1-gamma 0.3 --style-mixing 0.5 \
  --save-every 250 --preview-every 500 $(resume "$work/people")
moco convert "$work/people/generator.safetensors" --dtype float16 \
  -o "$bundled/people.safetensors" --force

moco pca --num-samples 1000000 -o "$work/pca.npz" --force
# --cross-domain for its D_I: it holds motion to the first frame's person (docs/decisions.md).
moco train-motion --videos "$work/seen" --pca "$work/pca.npz" -o "$work/motion" \
  --cross-domain --feature-weight 10 --num-steps 66 --frame-size 32 --batch-size 8 \
  --hidden-dim 128 --noise-dim 64 --num-components 128 --video-width 32 --image-width 16 \
  --bank-size 512 --num-g-steps 2 --step-size 0.5 --learning-rate 1e-3 \
  --save-every 11 --preview-every 50 $(resume "$work/motion")
cp "$work/motion/motion.safetensors" "$bundled/motion.safetensors"
chmod 644 "$bundled/motion.safetensors"

ls "$work/seen" | awk 'NR % 27 == 1' | while read -r clip; do
  cp -L "$work/seen/$clip" "$bundled/clips/"
done
