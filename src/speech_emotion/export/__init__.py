"""From a trained system to graphs that a Jetson reads: waveform in, probabilities out."""
