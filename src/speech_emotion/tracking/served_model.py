"""MLflow runs this file when it loads the model: it sets the object that answers requests."""

from mlflow.models import set_model

from speech_emotion.tracking.serving import RecogniserModel

set_model(RecogniserModel())
