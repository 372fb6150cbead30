"""Run by MLflow where it loads the model: names the object that answers."""

from mlflow.models import set_model

from speech_emotion.tracking.serving import RecogniserModel

set_model(RecogniserModel())
