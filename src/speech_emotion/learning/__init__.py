"""How systems learn: utterances and their batches, the training loop and its options, devices, scores."""
