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
# Then twice the size, and only the details: shapes, colours and latents stay (docs/decisions.md).
moco train-image --videos "$work/seen" -o "$work/people-128" --num-images 25600 \
  --generator "$work/people/generator.safetensors" --resolution 128 --freeze-below 64 \
  --discriminator projected --set head_start=1600 --batch-size 16 --style-mixing 0.5 \
  --save-every 400 --preview-every 200 $(resume "$work/people-128")
# Then sharper, with the blocks from 32 pixels on free to change and reduced pictures held.
moco train-image --videos "$work/seen" -o "$work/people-128-b" --num-images 14400 \
  --generator "$work/people-128/best.safetensors" --resolution 128 --freeze-below 32 \
  --set structure_weight=30 --set head_start=1600 --discriminator projected --batch-size 16 \
  --style-mixing 0.5 --save-every 300 $(resume "$work/people-128-b")
# Then shapes, too, against a discriminator that begins anew; at last with long averages and slowly.
shapes() {
  moco train-image --videos "$work/seen" -o "$work/people-128-c" --num-images "$1" \
    --generator "$work/people-128-b/best.safetensors" --resolution 128 --freeze-below 8 \
    --set structure_weight=30 --set head_start=1600 --discriminator projected --batch-size 16 \
    --style-mixing 0.1 --save-every 150 "${@:2}" $(resume "$work/people-128-c")
}
averages=(--set ema_rampup=0.25 --set ema_images=5000)
shapes 21216
shapes 31088 "${averages[@]}"
shapes 37600 "${averages[@]}" --learning-rate 5e-4
moco convert "$work/people-128-c/best.safetensors" --dtype float16 \
  -o "$bundled/people.safetensors" --force

# Latents are those of 64 pixels still, and the smaller generator renders them three times as fast.
"$(dirname "$0")/latent-motion.sh" "$work/seen" "$work/unseen" "$work/motion" \
  "$work/people/generator.safetensors"
cp "$work/motion/motion/motion.safetensors" "$bundled/motion.safetensors"
chmod 644 "$bundled/motion.safetensors"

# Where moco invert begins: learnt from clips that were just inverted, in half a minute.
moco train-encoder --latents "$work/motion/trajectories.npz" -o "$bundled/encoder.safetensors" --force
chmod 644 "$bundled/encoder.safetensors"

ls "$work/seen" | awk 'NR % 27 == 1' | while read -r clip; do
  cp -L "$work/seen/$clip" "$bundled/clips/"
done
