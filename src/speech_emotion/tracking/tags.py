"""Names of the tags by which runs are distinguished and found again."""

KIND = "kind"  # system, unit, trial, comparison, model
KEY = "key"  # key of the run's entry; a run of a training in progress has none
COMPLETE = "complete"  # the entry's state; written last, so that a run without it was interrupted
LIVE = "live"  # "true" on the runs of a training, until step track makes them results
GROUP = "group"  # the units of one result: journal.group_of() their keys
UNIT = "unit"  # a unit's key
PROCESS = "process"  # which process writes a live run, as JSON
SEEN = "seen"  # when it was last written, in milliseconds since 1970
PROGRESS = "progress"  # progress of a training, in words
SOURCE = "dvc repro"  # origin of the runs, as shown on the pages
COLOUR = "mlflow.runColor"  # colour of a run in MLflow's table and charts
