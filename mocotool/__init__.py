"""Video from a frozen image generator: MoCoGAN-HD (Tian et al., ICLR 2021).

The pipeline, one command and one library call a stage::

    weights --load_generator--> generator
    images, generator --invert--> latents              (moco invert)
    generator --fit_pca_basis--> basis                 (moco pca)
    videos, generator, basis --train_motion--> motion  (moco train-motion)
    motion --sample_trajectory--> trajectory           (moco sample)
    trajectory --interpolate_trajectory--> trajectory  (moco interpolate)
    generator, trajectory --render_frames--> video     (moco render)
"""

import importlib
from typing import Any

__version__ = "0.1.0"

# Public name -> module. Loaded on first use, so that `import mocotool` stays quick. Their types are
# in __init__.pyi, which `python docs/generate.py` makes of this table.
_PUBLIC = {
    "load_generator": "mocotool.generators.loading",
    "save_generator": "mocotool.generators.loading",
    "convert_generator": "mocotool.generators.conversion",
    "export_onnx": "mocotool.onnx_graphs",
    "describe_file": "mocotool.info",
    "TrainImageConfig": "mocotool.configs.train_image",
    "train_image_run": "mocotool.runs.train_image",
    "plan_image_run": "mocotool.runs.train_image",
    "TrainedGenerator": "mocotool.runs.train_image",
    "ImageTrainer": "mocotool.image_training.trainer",
    "train_image": "mocotool.image_training.training",
    "fit_pca_basis": "mocotool.pca",
    "read_basis": "mocotool.basis",
    "write_basis": "mocotool.basis",
    "MotionGenerator": "mocotool.motion.generator",
    "load_motion": "mocotool.motion.checkpoint",
    "save_motion": "mocotool.motion.checkpoint",
    "TrainMotionConfig": "mocotool.configs.train_motion",
    "train_motion_run": "mocotool.runs.train_motion",
    "plan_motion_run": "mocotool.runs.train_motion",
    "TrainedMotion": "mocotool.runs.train_motion",
    "MotionTrainer": "mocotool.motion.trainer",
    "train_motion": "mocotool.motion.training",
    "TrainLatentMotionConfig": "mocotool.configs.train_latent_motion",
    "train_latent_motion_run": "mocotool.runs.train_latent_motion",
    "TrainedLatentMotion": "mocotool.runs.train_latent_motion",
    "LatentMotionTrainer": "mocotool.motion.latent_game",
    "train_latent_motion": "mocotool.motion.latent_training",
    "RunProgress": "mocotool.training.listeners",
    "RunFolder": "mocotool.training.run_folder",
    "invert": "mocotool.inversion.search",
    "invert_clips": "mocotool.inversion.clips",
    "InvertClipsConfig": "mocotool.configs.invert_clips",
    "TrainEncoderConfig": "mocotool.configs.train_encoder",
    "train_encoder": "mocotool.inversion.encoder",
    "save_encoder": "mocotool.inversion.encoder",
    "load_encoder": "mocotool.inversion.encoder",
    "load_vgg16": "mocotool.networks.vgg16",
    "load_squeezenet": "mocotool.networks.squeezenet",
    "Trajectory": "mocotool.latents",
    "read_latents": "mocotool.latents",
    "write_latents": "mocotool.latents",
    "sample_trajectory": "mocotool.trajectory",
    "interpolate_trajectory": "mocotool.interpolation",
    "traverse_basis": "mocotool.trajectory",
    "make_path": "mocotool.steering.keyframes",
    "close_trajectory": "mocotool.steering.loops",
    "edit_trajectory": "mocotool.steering.edits",
    "mix_trajectories": "mocotool.steering.mixing",
    "carry_motion": "mocotool.steering.mixing",
    "cut_trajectory": "mocotool.steering.cutting",
    "join_trajectories": "mocotool.steering.cutting",
    "hear": "mocotool.steering.hearing",
    "react_trajectory": "mocotool.steering.reaction",
    "read_sound": "mocotool.video.sound",
    "agree": "mocotool.steering.agreement",
    "render_frames": "mocotool.frames",
    "export_trajectory": "mocotool.export",
    "draw_line_chart": "mocotool.plots",
    "list_videos": "mocotool.video.listing",
    "CompareConfig": "mocotool.configs.compare",
    "plan_study": "mocotool.preference.study",
    "write_page": "mocotool.preference.page",
    "read_ballot": "mocotool.preference.votes",
    "tally_votes": "mocotool.preference.votes",
    "open_video": "mocotool.video.reading",
    "read_frames": "mocotool.video.reading",
    "load_clips": "mocotool.video.loading",
    "load_images": "mocotool.video.loading",
    "write_video": "mocotool.video.writing",
    "read_image": "mocotool.video.pictures",
    "write_png": "mocotool.video.pictures",
    "compute_fvd": "mocotool.metrics.distances",
    "compute_kvd": "mocotool.metrics.distances",
    "compute_psnr": "mocotool.metrics.pairs",
    "compute_ssim": "mocotool.metrics.pairs",
    "compute_motion": "mocotool.metrics.motion",
    "compute_prediction": "mocotool.metrics.prediction",
    "compute_fid": "mocotool.metrics.frame_distances",
    "compute_kid": "mocotool.metrics.frame_distances",
    "compute_two_sample": "mocotool.metrics.two_sample",
    "TwoSampleProtocol": "mocotool.configs.eval_features",
    "compute_precision_recall": "mocotool.metrics.precision_recall",
    "FeatureProtocol": "mocotool.configs.eval_features",
    "ManifoldProtocol": "mocotool.configs.eval_features",
    "manifold_scores": "mocotool.metrics.precision_recall",
    "compute_lpips": "mocotool.metrics.pairs",
    "load_lpips": "mocotool.networks.lpips",
    "compute_is": "mocotool.metrics.inception_score",
    "compute_acd": "mocotool.metrics.face_distance",
    "compute_diversity": "mocotool.metrics.diversity",
    "compute_all": "mocotool.metrics.overview",
    "frechet_distance": "mocotool.metrics.frechet",
    "kernel_distance": "mocotool.metrics.kernel_distance",
    "nearest_neighbour_accuracy": "mocotool.metrics.two_sample",
    "logistic_accuracy": "mocotool.metrics.two_sample",
    "FeatureStats": "mocotool.metrics.statistics",
    "open_side": "mocotool.metrics.sides",
    "load_video_detector": "mocotool.metrics.detectors",
    "load_frame_detector": "mocotool.metrics.frame_detectors",
    "load_score_detector": "mocotool.metrics.inception_score",
    "load_face_embedder": "mocotool.metrics.faces",
    "motion_features": "mocotool.metrics.motion_features",
    "pixel_features": "mocotool.metrics.pixel_features",
    "find_weights": "mocotool.downloads",
    "ConvertConfig": "mocotool.configs.convert",
    "GeneratorOptions": "mocotool.configs.generator",
    "PCAConfig": "mocotool.configs.pca",
    "InvertConfig": "mocotool.configs.invert",
    "SampleConfig": "mocotool.configs.sample",
    "InterpolateConfig": "mocotool.configs.interpolate",
    "PathConfig": "mocotool.configs.path",
    "LoopConfig": "mocotool.configs.loop",
    "EditConfig": "mocotool.configs.edit",
    "MixConfig": "mocotool.configs.mix",
    "CutConfig": "mocotool.configs.cut",
    "ReactConfig": "mocotool.configs.react",
    "CatConfig": "mocotool.configs.cat",
    "RenderConfig": "mocotool.configs.render",
    "TraverseConfig": "mocotool.configs.traverse",
    "PredictionConfig": "mocotool.configs.prediction",
    "MotionProtocol": "mocotool.configs.eval_motion",
    "VideoProtocol": "mocotool.configs.evaluate",
    "FrameProtocol": "mocotool.configs.evaluate",
    "SampleProtocol": "mocotool.configs.evaluate",
    "ScoreProtocol": "mocotool.configs.evaluate",
    "FaceProtocol": "mocotool.configs.evaluate",
    "DiversityProtocol": "mocotool.configs.evaluate",
    "PairProtocol": "mocotool.configs.evaluate",
    "ExtractionConfig": "mocotool.configs.evaluate",
    "MocoError": "mocotool.errors",
    "ConfigError": "mocotool.errors",
    "FileFormatError": "mocotool.errors",
    "MismatchError": "mocotool.errors",
    "UnavailableError": "mocotool.errors",
    "DivergedError": "mocotool.errors",
    "StoppedError": "mocotool.errors",
    "MocoWarning": "mocotool.errors",
}

__all__ = ["__version__", *_PUBLIC]  # noqa: PLE0604 - the table above holds the names


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'mocotool' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
