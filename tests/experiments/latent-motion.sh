#!/usr/bin/env bash
# Motion learnt from latents: seen clips -> latents -> a motion model -> its figures on unseen clips.
#
#   tests/experiments/latent-motion.sh SEEN UNSEEN WORK [GENERATOR]
#
# Ctrl-C and the same line again go on. Without GENERATOR the bundled one is taken.
set -euo pipefail
seen=$(realpath "$1")
unseen=$(realpath "$2")
work=$3
generator=()
[ $# -lt 4 ] || generator=(--generator "$(realpath "$4")")
mkdir -p "$work"

latents=$work/trajectories.npz
[ -e "$latents" ] || moco invert "$seen" -o "$latents" "${generator[@]}" \
  --num-frames 36 --num-axes 64 --refresh-every 4

resume=()
[ ! -e "$work/motion/config.json" ] || resume=(--resume)
moco train-motion --latents "$latents" -o "$work/motion" "${generator[@]}" "${resume[@]}" \
  --num-steps 1600 --set pull=0.03 --save-every 400

moco eval motion "$unseen" "$work/motion/motion.safetensors" "${generator[@]}" --baselines \
  --trajectories "$latents" --max-frames 128
