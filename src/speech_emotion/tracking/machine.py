"""What the machine does while something is computed: CPU, memory, GPU, under the names that MLflow gives them."""

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

    CPU shares are means since the sample before; the first sample's since the object was made.
    """

    def __init__(self):
        self._process = psutil.Process()
        self._gpus = shutil.which("nvidia-smi")
        psutil.cpu_percent()
        self._process.cpu_percent()

    def sample(self) -> dict[str, float]:
        """Name -> value: percentages 0 to 100 (a process: 100 a core), megabytes of 10^6 bytes, watts."""
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
            self._gpus = None  # a driver that does not answer is not asked again
            return {}
        return gpu_figures(done.stdout)


def gpu_figures(text: str) -> dict[str, float]:
    """Reads nvidia-smi's lines, one a GPU, columns of GPU_QUERY; what a GPU does not tell is left out."""
    found = {}
    for number, line in enumerate(text.strip().splitlines()):
        for value, (name, factor) in zip(line.split(","), GPU_QUERY.values(), strict=False):
            try:
                found[f"gpu_{number}_{name}"] = factor * float(value)
            except ValueError:
                continue  # [N/A]
    return found
