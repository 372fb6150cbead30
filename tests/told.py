"""A recorder that remembers what it was told."""

from speech_emotion.recorder import Recorder


class Told(Recorder):
    def __init__(self):
        super().__init__(quiet=True)
        self.notes = []

    def note(self, text):
        self.notes.append(text)
