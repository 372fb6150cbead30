from speech_emotion.tracking.machine import Machine, gpu_figures


def test_a_sample_has_shares_and_megabytes_of_this_machine_and_process():
    found = Machine().sample()
    assert 0 <= found["cpu_utilization_percentage"] <= 100
    assert 0 < found["system_memory_usage_percentage"] <= 100
    assert 10 < found["process_memory_megabytes"] < found["system_memory_usage_megabytes"]


def test_figures_of_each_gpu_are_read():
    text = "37, 1024, 120.5\n0, 512, 60.0\n"
    found = gpu_figures(text)
    assert found["gpu_0_utilization_percentage"] == 37
    assert found["gpu_0_memory_usage_megabytes"] == 1024 * 2**20 / 1e6
    assert found["gpu_1_power_usage_watts"] == 60


def test_missing_values_of_a_gpu_are_left_out():
    found = gpu_figures("12, 100, [N/A]\n")
    assert set(found) == {"gpu_0_utilization_percentage", "gpu_0_memory_usage_megabytes"}
    assert gpu_figures("") == {}
