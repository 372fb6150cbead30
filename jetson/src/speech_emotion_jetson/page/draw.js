// Charts of an answer. Every canvas spans the whole recording, so that one cursor fits all.

const KNOWN = {
  // [light, dark], with a contrast of at least 3:1 to its card
  anger: ["#c2253a", "#ff7b88"],
  boredom: ["#6b6e78", "#b3b8c6"],
  calm: ["#0f7f78", "#4fd1c5"],
  disgust: ["#4d7c0f", "#a3d15a"],
  excitement: ["#c2410c", "#ff9a62"],
  fear: ["#7140b5", "#c7a3ff"],
  frustration: ["#92400e", "#e0a070"],
  happiness: ["#a16207", "#ffd24a"],
  neutral: ["#1d6fb8", "#7cc0ff"],
  sadness: ["#254a9e", "#8fa8ff"],
  surprise: ["#b0368f", "#ff92dd"],
};

export const isDark = () => matchMedia("(prefers-color-scheme: dark)").matches;

/** The colour of a label; unknown labels get one by their index. */
export function colour(label, labels) {
  const known = KNOWN[label];
  if (known) return known[isDark() ? 1 : 0];
  return `hsl(${Math.round((360 * labels.indexOf(label)) / labels.length)} 65% ${isDark() ? 70 : 38}%)`;
}

const tone = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** A cleared canvas's context, in units of CSS pixels, and its size. */
function sheet(canvas) {
  const ratio = window.devicePixelRatio || 1;
  const { width, height } = canvas.getBoundingClientRect();
  canvas.width = Math.max(1, Math.round(width * ratio));
  canvas.height = Math.max(1, Math.round(height * ratio));
  const pen = canvas.getContext("2d");
  pen.scale(ratio, ratio);
  return { pen, width, height };
}

export function drawWave(canvas, picture) {
  const { pen, width, height } = sheet(canvas);
  const { columns, seconds_each: each, seconds } = picture;
  const top = Math.max(0.02, ...picture.high, ...picture.low.map(Math.abs));
  const scale = (0.92 * height) / 2 / top;
  pen.fillStyle = tone("--line");
  pen.fillRect(0, height / 2, width, 1);
  pen.fillStyle = tone("--wave");
  for (let column = 0; column < columns; column++) {
    const left = (column * each * width) / seconds;
    const right = Math.min(width, ((column + 1) * each * width) / seconds);
    const high = height / 2 - picture.high[column] * scale;
    const low = height / 2 - picture.low[column] * scale;
    pen.fillRect(left, high, Math.max(0.6, right - left), Math.max(1, low - high));
  }
}

export function drawFocus(canvas, cells) {
  const { pen, width, height } = sheet(canvas);
  const most = Math.max(0.02, ...cells.map((value) => Math.abs(value ?? 0)));
  const edge = (cell) => Math.round((cell * width) / cells.length); // whole pixels: no seams
  cells.forEach((value, cell) => {
    if (value === null) return;
    pen.globalAlpha = Math.min(1, Math.abs(value) / most);
    pen.fillStyle = tone(value >= 0 ? "--for" : "--against");
    pen.fillRect(edge(cell), 0, edge(cell + 1) - edge(cell), height);
  });
  pen.globalAlpha = 1;
}

// From dark to light in even steps of lightness (after matplotlib's magma).
const HEAT = [[0, 0, 4], [28, 16, 68], [79, 18, 123], [129, 37, 129], [181, 54, 122], [229, 80, 100], [251, 135, 97], [254, 194, 135], [252, 253, 191]];

function heat(value) {
  const exact = (value / 255) * (HEAT.length - 1);
  const low = Math.min(HEAT.length - 2, Math.floor(exact));
  return HEAT[low].map((part, turn) => part + (exact - low) * (HEAT[low + 1][turn] - part));
}

export function drawSpectrum(canvas, picture) {
  const { pen, width, height } = sheet(canvas);
  const { columns, bands, seconds, seconds_each: each } = picture;
  const bytes = Uint8Array.from(atob(picture.image), (letter) => letter.charCodeAt(0));
  const image = new ImageData(columns, bands);
  const table = Array.from({ length: 256 }, (_, value) => heat(value));
  bytes.forEach((value, place) => image.data.set([...table[value], 255], 4 * place));
  const small = document.createElement("canvas");
  small.width = columns;
  small.height = bands;
  small.getContext("2d").putImageData(image, 0, 0);
  pen.imageSmoothingEnabled = true;
  pen.drawImage(small, 0, 0, (columns * each * width) / seconds, height);
}

/** Draws the smoothed probabilities of all emotions, each window at its centre. */
export function drawEmotions(canvas, answer, labels) {
  const { pen, width, height } = sheet(canvas);
  const { windows, seconds } = answer;
  pen.strokeStyle = tone("--line");
  pen.fillStyle = tone("--quiet");
  pen.font = "11px system-ui, sans-serif";
  for (const share of [0.25, 0.5, 0.75]) {
    const at = Math.round(height * (1 - share)) + 0.5;
    pen.beginPath();
    pen.moveTo(0, at);
    pen.lineTo(width, at);
    pen.stroke();
    pen.fillText(`${100 * share} %`, 4, at - 3);
  }
  const strongest = labels.map((label, place) => [Math.max(...windows.map((one) => one.smoothed[place])), label, place]);
  strongest.sort((a, b) => a[0] - b[0]); // the strongest is drawn last, above the others
  for (const [most, label, place] of strongest) {
    pen.strokeStyle = colour(label, labels);
    pen.lineWidth = most > 0.25 ? 2.5 : 1.25;
    pen.lineJoin = "round";
    pen.beginPath();
    const at = (one) => height - 2 - one.smoothed[place] * (height - 4);
    pen.moveTo(0, at(windows[0]));
    for (const one of windows) pen.lineTo((((one.start + one.end) / 2) * width) / seconds, at(one));
    pen.lineTo(width, at(windows[windows.length - 1]));
    pen.stroke();
  }
}

/** Draws segments of one emotion, with its name if there is room. */
export function drawRibbon(canvas, answer, labels) {
  const { pen, width, height } = sheet(canvas);
  pen.font = "600 12px system-ui, sans-serif";
  pen.textBaseline = "middle";
  for (const one of answer.timeline) {
    const left = (one.start * width) / answer.seconds;
    const right = (one.end * width) / answer.seconds;
    pen.fillStyle = colour(one.emotion, labels);
    pen.fillRect(left, 0, Math.max(1, right - left - 1), height);
    if (pen.measureText(one.emotion).width + 14 < right - left) {
      pen.fillStyle = isDark() ? "#11131a" : "#ffffff";
      pen.fillText(one.emotion, left + 7, height / 2 + 1);
    }
  }
}

/** Round times for the axis, at most `most`: [seconds, text]. */
export function ticks(seconds, most) {
  const step = [0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600].find((one) => seconds / one <= most) ?? 3600;
  const found = [];
  for (let at = 0; at <= seconds + 1e-6; at += step) {
    const minutes = Math.floor(at / 60);
    found.push([at, seconds < 60 ? `${Number(at.toFixed(1))} s` : `${minutes}:${String(Math.round(at - 60 * minutes)).padStart(2, "0")}`]);
  }
  return found;
}
