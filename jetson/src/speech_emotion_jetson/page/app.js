import { colour, drawEmotions, drawFocus, drawRibbon, drawSpectrum, drawWave, ticks } from "/draw.js";
import { decoded, noMicrophone, Recording, wav } from "/sound.js";

const MOST_SECONDS = 120; // longest recording in the browser
const LIVE_MILLISECONDS = 400; // between two requests while recording
const ATTEMPTS = 4; // while the model is busy

const $ = (id) => document.getElementById(id);
const percent = (value) => `${(100 * value).toFixed(value >= 0.0995 || value < 0.0005 ? 0 : 1)} %`;
const seconds = (value) => `${value.toFixed(value < 10 ? 2 : 1)} s`;

let model = null;
let answer = null; // the answer that is shown
let asking = null; // aborts the current request
let recording = null;
let address = ""; // URL of the audio that is shown

async function start() {
  const reply = await fetch("/api/model");
  if (!reply.ok) throw new Error((await reply.json()).error);
  model = await reply.json();
  $("model").textContent = `${model.title} · ${model.labels.length} emotions · ${model.backend}`;
  $("formats").textContent = `Audio, up to ${Math.round(model.max_bytes / 1e6)} MB and ${Math.round(model.max_seconds / 60)} min`;
  $("file").accept = [...model.formats, "audio/*"].join(",");
  $("about").textContent =
    `${model.source ? `${model.source}. ` : ""}Windows of ${model.window_seconds.toFixed(2)} s, every ${model.hop_seconds.toFixed(2)} s. ` +
    `Licence of the training data: ${model.licences.join(", ")}.` +
    (model.synthetic ? " Trained on synthesised speech: its answers mean nothing for real speakers." : "");
  $("samples-note").textContent = model.samples_note;
  $("samples-note").hidden = !model.samples_note;
  $("samples-title").hidden = !model.samples.length;
  for (const sample of model.samples) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = sample.name;
    button.addEventListener("click", () => takeSample(sample, button));
    const item = document.createElement("li");
    item.append(button);
    $("samples").append(item);
  }
  const hint = noMicrophone();
  $("record").disabled = Boolean(hint);
  $("record-hint").hidden = !hint;
  $("record-hint").textContent = hint;
}

// ---- requests

function ending(name) {
  const found = /\.[a-z0-9]+$/i.exec(name);
  return found ? found[0].toLowerCase() : "";
}

async function post(audio, name, brief, signal) {
  const headers = { "Content-Type": "application/octet-stream", "X-File-Name": `audio${ending(name)}` };
  for (let attempt = 1; ; attempt++) {
    const reply = await fetch(`/api/analyse${brief ? "?brief" : ""}`, { method: "POST", body: audio, headers, signal });
    if (reply.status === 503 && attempt < ATTEMPTS && !brief) {
      tell("The model is busy with other requests: trying again …");
      await new Promise((done) => setTimeout(done, 1000 * Number(reply.headers.get("Retry-After") ?? 2)));
      continue;
    }
    if (!reply.ok) throw new Error(sentence((await reply.json()).error));
    return lines(reply.body.getReader());
  }
}

/** The values of a reply of JSON lines, as they arrive. */
async function* lines(reader) {
  const text = new TextDecoder();
  let left = "";
  for (;;) {
    const { done, value } = await reader.read();
    left += text.decode(value, { stream: !done });
    const whole = left.split("\n");
    left = whole.pop();
    for (const line of whole) yield JSON.parse(line);
    if (done) return;
  }
}

const sentence = (text) => `${text[0].toUpperCase()}${text.slice(1)}.`;

/** Sends audio to the model and shows the answer. */
async function ask(audio, name, title) {
  asking?.abort();
  const mine = (asking = new AbortController());
  fail("");
  tell(`Analysing ${title} …`);
  $("answer").classList.add("waiting");
  try {
    if (!model.formats.includes(ending(name))) {
      try {
        audio = await decoded(audio, model.sample_rate);
      } catch {
        throw new Error(`Neither this device nor the browser can read ${title}. Try a WAV file.`);
      }
      name = "decoded.wav";
    }
    if (audio.size > model.max_bytes) throw new Error(`${title} is larger than ${Math.round(model.max_bytes / 1e6)} MB.`);
    const began = performance.now();
    const parts = await post(audio, name, false, mine.signal);
    const { value: said } = await parts.next();
    if (mine.signal.aborted) return;
    said.milliseconds.round_trip = performance.now() - began;
    show(said, audio, title);
    $("answer").classList.remove("waiting");
    tell("Computing where the model looked …");
    const { value: more } = await parts.next();
    if (mine.signal.aborted) return;
    said.focus = more?.focus ?? null;
    said.milliseconds.focus = more?.milliseconds.focus;
    times(said);
    draw();
  } catch (error) {
    if (mine.signal.aborted) return;
    fail(error instanceof TypeError ? "The device does not answer: is its page still running?" : error.message);
  } finally {
    if (asking === mine) {
      asking = null;
      tell("");
      $("answer").classList.remove("waiting");
    }
  }
}

async function takeSample(sample, button) {
  mark(button);
  try {
    const reply = await fetch(`/api/samples/${sample.id}`);
    const kind = reply.headers.get("Content-Type").split("/")[1];
    await ask(await reply.blob(), `sample.${kind}`, sample.name);
  } catch {
    fail("The device does not answer: is its page still running?");
  }
}

function mark(button) {
  for (const other of $("samples").querySelectorAll("button")) other.removeAttribute("aria-current");
  button?.setAttribute("aria-current", "true");
}

// ---- answers

function tell(text) {
  $("status").hidden = !text;
  $("status").textContent = text;
}

function fail(text) {
  $("error").hidden = !text;
  $("error").textContent = text;
  if (text) $("error").scrollIntoView({ block: "nearest" });
}

function show(said, audio, title) {
  answer = said;
  $("empty").hidden = true;
  $("answer").hidden = false;
  const share = said.probabilities[said.emotion];
  $("named").textContent = `${title}, ${seconds(said.seconds)}`;
  $("emotion").textContent = said.emotion;
  $("emotion").style.setProperty("--own", colour(said.emotion, model.labels));
  $("sure").textContent = `${percent(share)} · ${share >= 0.75 ? "fairly sure" : share >= 0.5 ? "more likely than not" : "unsure: see the other emotions"}`;
  $("out-of-distribution").hidden = !said.out_of_distribution;
  $("out-of-distribution").textContent =
    said.ood_score >= 1000
      ? "This recording is silent: do not rely on the answer."
      : "Out of distribution: this is unlike the speech that the model was trained on (another voice, room, microphone or language, or no speech). Do not rely on the answer.";
  if (address) URL.revokeObjectURL(address);
  address = URL.createObjectURL(audio);
  $("player").src = address;
  bars(said);
  rows(said);
  times(said);
  draw();
  if (window.innerWidth < 900) $("result").scrollIntoView({ behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
}

function bars(said) {
  const sorted = Object.entries(said.probabilities).sort((a, b) => b[1] - a[1]);
  $("probabilities").replaceChildren(
    ...sorted.map(([label, value], place) => {
      const item = document.createElement("li");
      item.className = place ? "" : "first";
      const [name, track, bar, number] = ["span", "span", "span", "span"].map((kind) => document.createElement(kind));
      name.textContent = label;
      track.className = "track";
      bar.className = "bar";
      bar.style.width = `${100 * value}%`;
      bar.style.background = colour(label, model.labels);
      track.append(bar);
      number.className = "value";
      number.textContent = percent(value);
      item.append(name, track, number);
      return item;
    }),
  );
}

function rows(said) {
  $("table").replaceChildren(
    ...said.timeline.map((one) => {
      const row = document.createElement("tr");
      for (const text of [seconds(one.start), seconds(one.end), one.emotion, percent(one.probability)]) {
        const cell = document.createElement("td");
        cell.textContent = text;
        row.append(cell);
      }
      return row;
    }),
  );
}

function times(said) {
  const spent = said.milliseconds;
  const one = spent.model / said.windows_asked;
  const lines = [
    ["Answer, from reading the file to the probabilities", spent.answer],
    [`… in the model: ${said.windows_asked} window${said.windows_asked === 1 ? "" : "s"} of ${one.toFixed(1)} ms`, spent.model],
    ["As measured by this browser", spent.round_trip],
  ];
  if (spent.focus) lines.push(["Then, where the model looked", spent.focus]);
  $("times").replaceChildren(
    ...lines.flatMap(([text, value]) => {
      const [name, number] = [document.createElement("dt"), document.createElement("dd")];
      name.textContent = text;
      number.textContent = `${value.toFixed(value < 100 ? 1 : 0)} ms`;
      return [name, number];
    }),
  );
}

function draw() {
  if (!answer) return;
  const { picture, timeline } = answer;
  const told = timeline.map((one) => `${one.emotion} from ${seconds(one.start)} to ${seconds(one.end)}`).join(", ");
  drawWave($("wave"), picture);
  drawFocus($("focus"), answer.focus ?? []);
  drawSpectrum($("spectrum"), picture);
  drawEmotions($("emotions"), answer, model.labels);
  drawRibbon($("ribbon"), answer, model.labels);
  $("spectrum-range").textContent = `${picture.low_hz} Hz to ${picture.high_hz / 1000} kHz, mel`;
  $("windows-note").textContent = "smoothed";
  $("wave").setAttribute("aria-label", `Waveform of ${seconds(answer.seconds)}`);
  $("focus").setAttribute("aria-label", answer.focus ? `Where the model looked: most at ${seconds(brightest())}` : "Where the model looked: not known yet");
  $("spectrum").setAttribute("aria-label", "Spectrogram");
  $("emotions").setAttribute("aria-label", `Probabilities over time: ${told}`);
  $("ribbon").setAttribute("aria-label", told);
  const marks = ticks(answer.seconds, Math.max(3, $("ticks").clientWidth / 80));
  $("ticks").replaceChildren(
    ...marks.map(([at, text]) => {
      const mark = document.createElement("span");
      mark.textContent = text;
      mark.style.left = `${(100 * at) / answer.seconds}%`;
      if (at / answer.seconds > 0.96) mark.className = "last";
      return mark;
    }),
  );
  follow();
}

function brightest() {
  const values = answer.focus.map((value) => value ?? -1);
  const place = values.indexOf(Math.max(...values));
  return ((place + 0.5) * answer.seconds) / values.length;
}

function follow() {
  const player = $("player");
  $("cursor").hidden = !answer || (player.paused && player.currentTime === 0);
  if (answer) $("cursor").style.left = `${Math.min(100, (100 * player.currentTime) / answer.seconds)}%`;
  if (!player.paused) requestAnimationFrame(follow);
}

// ---- the microphone

async function record() {
  if (recording) {
    finish();
    return;
  }
  fail("");
  mark(null);
  const mine = new Recording(heard, () => finish("The microphone was disconnected: the recording until then was kept."));
  $("record").disabled = true;
  try {
    await mine.start();
  } catch (error) {
    const why = { NotAllowedError: "The browser was not allowed to use the microphone.", NotFoundError: "No microphone was found." };
    fail(why[error.name] ?? `The microphone cannot be used: ${error.message}`);
    return;
  } finally {
    $("record").disabled = false;
  }
  recording = mine;
  $("record").setAttribute("aria-pressed", "true");
  $("record-text").textContent = "Stop";
  $("live").hidden = false;
  $("live-said").textContent = "speak now";
  live(mine);
}

function heard(block) {
  if (!recording) return;
  let energy = 0;
  for (const sample of block) energy += sample * sample;
  const level = Math.max(0, Math.min(100, 100 + (100 / 60) * 10 * Math.log10(energy / block.length + 1e-12)));
  $("level-bar").style.width = `${level}%`;
  $("level").setAttribute("aria-valuenow", Math.round(level));
  $("clock").textContent = `${recording.seconds.toFixed(1)} s`;
  if (recording.seconds >= Math.min(MOST_SECONDS, model.max_seconds)) finish();
}

/** Analyses the latest window repeatedly during a recording. */
async function live(mine) {
  while (recording === mine) {
    await new Promise((done) => setTimeout(done, LIVE_MILLISECONDS));
    const last = mine.last(Math.ceil(model.window_seconds * mine.rate));
    if (recording !== mine || mine.seconds < 0.5) continue;
    try {
      const { value: said } = await (await post(wav(last, mine.rate), "live.wav", true)).next();
      const unsure = said.out_of_distribution ? " (out of distribution: do not rely on it)" : "";
      if (recording === mine) $("live-said").textContent = `${said.emotion} ${percent(said.probabilities[said.emotion])}${unsure}`;
    } catch {
      // the next request may succeed; the whole recording is analysed at the end
    }
  }
}

async function finish(note = "") {
  const mine = recording;
  recording = null;
  $("record").setAttribute("aria-pressed", "false");
  $("record-text").textContent = "Record again";
  $("live").hidden = true;
  const audio = mine?.stop();
  if (!mine || !audio) return;
  if (mine.length === 0) {
    fail("The microphone sent nothing: is it switched on?");
    return;
  }
  await ask(audio, "recording.wav", "your recording");
  if (note) fail(note);
}

// ---- the page

function takeFile(file) {
  if (!file || !model) return;
  mark(null);
  ask(file, file.name, file.name);
}

$("record").addEventListener("click", record);
$("file").addEventListener("change", () => {
  takeFile($("file").files[0]);
  $("file").value = ""; // so that the same file can be chosen again
});
for (const kind of ["dragenter", "dragover"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    $("drop").classList.add("over");
  });
}
for (const kind of ["dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    if (kind === "drop" || !event.relatedTarget) $("drop").classList.remove("over");
  });
}
document.addEventListener("drop", (event) => takeFile(event.dataTransfer.files[0]));
$("charts").addEventListener("click", (event) => {
  if (!answer) return;
  const { left, width } = $("wave").getBoundingClientRect();
  $("player").currentTime = Math.max(0, Math.min(1, (event.clientX - left) / width)) * answer.seconds;
  follow();
});
for (const kind of ["play", "pause", "seeked", "ended"]) $("player").addEventListener(kind, follow);
new ResizeObserver(draw).observe($("charts"));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  if (!answer) return;
  bars(answer);
  draw();
});

start().catch((error) => {
  $("model").textContent = "";
  fail(`The model cannot be reached: ${error.message}`);
});
