"""The commands of `speech-emotion`, one module for each subject; heavy imports are delayed until they are needed."""
