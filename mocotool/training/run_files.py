"""What is called how in a training run's folder; see `run_folder`."""

CONFIG_NAME = "config.json"
STATE_NAME = "state.pt"
PREVIOUS_STATE_NAME = "state-previous.pt"
LOG_NAME = "metrics.jsonl"
