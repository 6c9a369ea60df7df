"""Each training command as one call: from files to a run's folder."""
