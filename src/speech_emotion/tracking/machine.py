"""Usage of CPU, memory and GPU during a computation, under MLflow's names."""

import shutil
import subprocess

import psutil

MEGABYTE = 1e6
SECONDS_TO_ANSWER = 10
GPU_QUERY = {  # column of nvidia-smi -> name and factor
    "utilization.gpu": ("utilization_percentage", 1.0),
    "memory.used": ("memory_usage_megabytes", 2**20 / MEGABYTE),
    "power.draw": ("power_usage_watts", 1.0),
}


class Machine:
    """Samples of the machine and of this process.

    CPU usage is the mean since the previous sample; for the first sample, since the object was created.
    """

    def __init__(self):
        self._process = psutil.Process()
        self._gpus = shutil.which("nvidia-smi")
        psutil.cpu_percent()
        self._process.cpu_percent()

    def sample(self) -> dict[str, float]:
        """Name -> value: percentages from 0 to 100 (for the process 100 per core), megabytes of 10^6 bytes, watts."""
        memory = psutil.virtual_memory()
        found = {
            "cpu_utilization_percentage": psutil.cpu_percent(),
            "system_memory_usage_megabytes": memory.used / MEGABYTE,
            "system_memory_usage_percentage": memory.percent,
            "process_cpu_percentage": self._process.cpu_percent(),
            "process_memory_megabytes": self._process.memory_info().rss / MEGABYTE,
        }
        return {name: round(value, 1) for name, value in (found | self._of_gpus()).items()}

    def _of_gpus(self) -> dict[str, float]:
        if self._gpus is None:
            return {}
        command = [self._gpus, f"--query-gpu={','.join(GPU_QUERY)}", "--format=csv,noheader,nounits"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS_TO_ANSWER, check=True)
        except (OSError, subprocess.SubprocessError):
            self._gpus = None  # do not ask a driver again that does not answer
            return {}
        return gpu_figures(done.stdout)


def gpu_figures(text: str) -> dict[str, float]:
    """Parses the output of nvidia-smi: one line for each GPU, columns of GPU_QUERY; leaves out missing values."""
    found = {}
    for number, line in enumerate(text.strip().splitlines()):
        for value, (name, factor) in zip(line.split(","), GPU_QUERY.values(), strict=False):
            try:
                found[f"gpu_{number}_{name}"] = factor * float(value)
            except ValueError:
                continue  # [N/A]
    return found
