"""What systems are trained with: utterances and batches, the training loop and its options, devices, scores."""
