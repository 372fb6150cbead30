"""The page in real Chromium, with a microphone that plays a file."""

import base64
import json
import os
import shutil
import wave

import numpy as np
import pytest
import soundfile
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from made_up_export import LABELS, RATE
from speech_emotion_jetson import gate, reading

SECONDS = 60  # limit for the page on a busy machine
INSECURE = "jetson.lab"  # a name for this machine that is not a secure context
CONTRAST = """
const channel = (value) => (value /= 255) <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
const parse = (text) => text.match(/[\\d.]+/g).map(Number);
const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
const ground = (element) => {
  for (let one = element; one; one = one.parentElement) {
    const found = parse(getComputedStyle(one).backgroundColor);
    if (found.length < 4 || found[3] > 0) return found;
  }
  return [255, 255, 255];
};
return [...document.querySelectorAll("body *")]
  .filter((one) => one.checkVisibility() && [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim()))
  .filter((one) => !one.closest(".skip, .visually-hidden, noscript"))
  .map((one) => {
    const [a, b] = [light(parse(getComputedStyle(one).color)), light(ground(one))];
    return [one.textContent.trim().slice(0, 40), (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)];
  })
  .filter(([, ratio]) => ratio < 4.5);
"""
DROP = """
const bytes = Uint8Array.from(atob(arguments[0]), (letter) => letter.charCodeAt(0));
const transfer = new DataTransfer();
transfer.items.add(new File([bytes], arguments[1]));
document.body.dispatchEvent(new DragEvent("drop", { bubbles: true, cancelable: true, dataTransfer: transfer }));
"""
KEEP_STREAM = """
const own = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = async (wishes) => (window.microphone = await own(wishes));
"""


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    """A browser; skips if there is none."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    driver = shutil.which("chromedriver")
    if not (browser and driver):
        pytest.skip("needs Chromium: apt-get install chromium chromium-driver")
    sound = tmp_path_factory.mktemp("microphone") / "voice.wav"
    with wave.open(str(sound), "wb") as file:
        file.setparams((1, 2, 48000, 0, "NONE", ""))
        time = np.arange(4 * 48000) / 48000
        file.writeframes((8000 * np.sin(2 * np.pi * 220 * time)).astype("<i2").tobytes())
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    arguments = [
        "--headless=new",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--autoplay-policy=no-user-gesture-required",
    ]
    arguments += ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    arguments += [f"--use-file-for-fake-audio-capture={sound}", f"--host-resolver-rules=MAP {INSECURE} 127.0.0.1"]
    if os.geteuid() == 0:
        arguments.append("--no-sandbox")
    for argument in arguments:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    started = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield started
    started.quit()


class Page:
    """A user's view of the page."""

    def __init__(self, driver):
        self.driver = driver

    def open(self, address):
        self.driver.get_log("browser")  # drop messages of the previous page
        self.driver.get(address)
        self.wait(lambda: self.driver.find_elements(By.CSS_SELECTOR, "#samples button"))

    def wait(self, condition):
        return WebDriverWait(self.driver, SECONDS, 0.1).until(lambda _: condition())

    def find(self, id):
        return self.driver.find_element(By.ID, id)

    def text(self, id):
        return self.find(id).text

    def sample(self, place):
        self.driver.find_elements(By.CSS_SELECTOR, "#samples button")[place].click()

    def named(self, words):
        """Waits for the whole answer about a recording of this name, and returns the emotion."""
        self.wait(lambda: words in self.text("named") and "Then, where" in self.text("times"))
        return self.text("emotion")

    def complaint(self):
        return self.wait(lambda: self.text("error"))

    def probabilities(self):
        items = self.driver.find_elements(By.CSS_SELECTOR, "#probabilities li")
        return {item.text.split("\n")[0]: item.text.split("\n")[1] for item in items}

    def painted(self, id):
        """How many colours a canvas shows."""
        script = (
            f"const canvas = document.getElementById('{id}');"
            "const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;"
            "return new Set(new Uint32Array(data.buffer)).size;"
        )
        return self.driver.execute_script(script)

    def said(self):
        """Errors that the browser logged: of scripts, and violations of the content security policy."""
        return [line["message"] for line in self.driver.get_log("browser") if line["level"] == "SEVERE"]


@pytest.fixture
def page(chromium, serve):
    with serve() as (port, _):
        page = Page(chromium)
        page.open(f"http://localhost:{port}/")
        yield page


def test_a_sample_gets_all_charts(page, recogniser, made):
    page.sample(0)
    assert page.named("anger, ") == recogniser.predict_file(made / "samples/anger.wav").emotion
    assert set(page.probabilities()) == set(LABELS)
    for canvas in ("wave", "focus", "spectrum", "emotions", "ribbon"):
        assert page.painted(canvas) > 1, canvas
    assert page.painted("spectrum") > 50
    assert "ms" in page.text("times") and "in the model" in page.text("times")
    assert not page.find("empty").is_displayed()
    assert page.said() == []


def test_the_table_holds_what_the_charts_show(page):
    page.sample(3)
    page.named("anger then neutral then sadness, ")
    page.driver.find_element(By.CSS_SELECTOR, "details summary").click()
    rows = page.driver.find_elements(By.CSS_SELECTOR, "#table tr")
    assert rows and all(row.text.split()[4] in LABELS for row in rows)
    assert page.find("ribbon").get_attribute("aria-label").startswith(rows[0].text.split()[4])


def test_a_broken_file_is_named_and_the_next_one_is_answered(page, tmp_path, waveform):
    soundfile.write(tmp_path / "mine.wav", waveform, RATE)
    (tmp_path / "broken.wav").write_text("no sound")
    page.find("file").send_keys(str(tmp_path / "broken.wav"))
    assert page.complaint() == "Named .wav, but begins like no audio that is known."
    page.find("file").send_keys(str(tmp_path / "mine.wav"))
    page.named("mine.wav, 1.06 s")
    assert page.text("error") == ""


def test_a_dropped_file_is_answered(page, tmp_path, waveform):
    soundfile.write(tmp_path / "a.wav", waveform, RATE)
    content = base64.b64encode((tmp_path / "a.wav").read_bytes()).decode()
    page.driver.execute_script(DROP, content, "dropped.wav")
    page.named("dropped.wav, ")


def test_the_browser_decodes_what_the_device_cannot(chromium, serve, tmp_path, waveform, monkeypatch, recogniser):
    soundfile.write(tmp_path / "a.flac", waveform, RATE)
    expected = recogniser.predict_file(tmp_path / "a.flac").emotion
    (tmp_path / "b.flac").write_text("no sound")
    monkeypatch.setattr(reading, "soundfile", lambda: None)
    with serve() as (port, _):
        page = Page(chromium)
        page.open(f"http://localhost:{port}/")
        page.find("file").send_keys(str(tmp_path / "a.flac"))
        assert page.named("a.flac, 1.06 s") == expected
        page.find("file").send_keys(str(tmp_path / "b.flac"))
        assert page.complaint() == "Neither this device nor the browser can read b.flac. Try a WAV file."


def test_a_recording_gets_answers_while_it_runs_and_at_its_end(page):
    page.find("record").click()
    page.wait(lambda: page.text("live-said").split(" ")[0] in LABELS)
    assert page.find("record").get_attribute("aria-pressed") == "true"
    page.find("record").click()
    page.named("your recording, ")
    assert page.find("record").get_attribute("aria-pressed") == "false"
    assert not page.find("live").is_displayed()
    length = page.driver.execute_script("return document.getElementById('player').duration")
    assert page.text("named") == f"your recording, {length:.2f} s"
    highest = page.driver.execute_script("return document.getElementById('wave').getAttribute('aria-label')")
    assert highest.startswith("Waveform of ")
    assert page.said() == []


def test_a_forbidden_microphone_is_reported(page):
    page.driver.execute_script(
        "navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', 'NotAllowedError'))"
    )
    page.find("record").click()
    assert page.complaint() == "The browser was not allowed to use the microphone."
    page.sample(0)
    page.named("anger, ")


def test_a_recording_is_kept_when_the_microphone_disconnects(page):
    page.driver.execute_script(KEEP_STREAM)
    page.find("record").click()
    page.wait(lambda: page.text("live-said").split(" ")[0] in LABELS)
    page.driver.execute_script("window.microphone.getAudioTracks()[0].dispatchEvent(new Event('ended'))")
    page.named("your recording, ")
    assert page.complaint() == "The microphone was disconnected: the recording until then was kept."


def test_on_an_insecure_page_the_cure_is_named(chromium, serve):
    with serve("--name", INSECURE) as (port, _):
        page = Page(chromium)
        page.open(f"http://{INSECURE}:{port}/")
        assert not page.find("record").is_enabled()
        assert "start the device's page with --tls" in page.text("record-hint")
        page.sample(0)
        page.named("anger, ")


def test_requests_to_a_busy_model_are_repeated(page, monkeypatch):
    place, attempts = gate.Gate.place, []

    def busy(self):
        attempts.append(1)
        if len(attempts) < 3:
            raise gate.Busy
        return place(self)

    monkeypatch.setattr(gate.Gate, "place", busy)
    page.sample(0)
    page.named("anger, ")
    assert len(attempts) == 3


def test_an_unreachable_device_is_reported(chromium, serve):
    page = Page(chromium)
    with serve() as (port, _):
        page.open(f"http://localhost:{port}/")
    page.sample(0)
    assert page.complaint() == "The device does not answer: is its page still running?"


def test_sound_out_of_distribution_gets_a_warning(page, tmp_path):
    soundfile.write(tmp_path / "silence.wav", np.zeros(RATE), RATE)
    page.find("file").send_keys(str(tmp_path / "silence.wav"))
    page.named("silence.wav, ")
    assert page.text("out-of-distribution") == "This recording is silent: do not rely on the answer."


def test_the_keyboard_reaches_everything(page):
    reached = []
    for _ in range(8):
        ActionChains(page.driver).send_keys(Keys.TAB).perform()
        active = page.driver.switch_to.active_element
        reached.append(active.get_attribute("id") or active.text)
    assert [name for name in reached if name in ("record", "file", "anger", "neutral")] == [
        "record",
        "file",
        "anger",
        "neutral",
    ]
    for name in ("anger", "neutral"):
        button = next(one for one in page.driver.find_elements(By.CSS_SELECTOR, "#samples button") if one.text == name)
        button.send_keys(Keys.ENTER)
        page.named(f"{name}, ")


def test_every_control_has_an_accessible_name(page):
    page.sample(0)
    page.named("anger, ")
    for element in page.driver.find_elements(By.CSS_SELECTOR, "button, input, canvas, summary, [role]"):
        shown = element.is_displayed() and element.get_attribute("role") not in ("status", "alert")
        assert not shown or element.accessible_name, element.get_attribute("outerHTML")[:100]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_text_has_contrast_and_nothing_is_wider_than_the_screen(page, scheme, width):
    feature = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", feature)
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600}
    page.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        page.sample(3)
        page.named("anger then neutral then sadness, ")
        assert page.driver.execute_script(CONTRAST) == []
        assert page.driver.execute_script("return document.documentElement.scrollWidth - window.innerWidth") <= 0
        heights = "return [...document.querySelectorAll('button')].map((one) => one.getBoundingClientRect().height)"
        assert min(page.driver.execute_script(heights)) >= 44
    finally:
        page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
        page.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_the_page_loads_nothing_from_elsewhere(page):
    page.sample(0)
    page.named("anger, ")
    names = page.driver.execute_script("return performance.getEntriesByType('resource').map((one) => one.name)")
    own = page.driver.current_url
    assert names and all(name.startswith((own, f"blob:{own}")) for name in names), json.dumps(names)
