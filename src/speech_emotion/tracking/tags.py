"""Names of the tags by which runs are told apart and found again."""

KIND = "kind"  # system, unit, trial, comparison, model
KEY = "key"  # the entry that the run shows; a run of a training under way has none
COMPLETE = "complete"  # the entry's state; written last, so that a run without it was interrupted
LIVE = "live"  # "true" on the runs of a training, until step track makes them results
GROUP = "group"  # the units that make up one result: journal.group_of their keys
UNIT = "unit"  # a unit's key
PROCESS = "process"  # which process writes a live run, as JSON
SEEN = "seen"  # when it last did, in milliseconds since 1970
PROGRESS = "progress"  # of a training, in words
SOURCE = "dvc repro"  # what the pages name as the origin of runs
COLOUR = "mlflow.runColor"  # of a run in MLflow's table and charts
