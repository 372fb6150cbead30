"""`python -m speech_emotion_jetson BUNDLE COMMAND ...`"""

import sys

from speech_emotion_jetson.cli import main

if __name__ == "__main__":
    sys.exit(main())
