"""What every training command shares: the run folder, many processes, order and randomness."""
