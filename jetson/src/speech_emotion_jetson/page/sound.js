// Microphone, WAV and decoding, with the browser's own functions only.

const BLOCK = 4096; // for browsers without AudioWorklet

/** Why the browser does not allow the microphone, or "" if it may. */
export function noMicrophone() {
  if (!window.isSecureContext) {
    return "Browsers allow the microphone only on secure pages: start the device's page with --tls, or open it on the device itself as localhost.";
  }
  if (!navigator.mediaDevices?.getUserMedia) return "This browser does not support recording.";
  return "";
}

/** A running recording: `onBlock(block)` is called for each block, `onEnd()` if the microphone disconnects. */
export class Recording {
  constructor(onBlock, onEnd) {
    this.blocks = [];
    this.length = 0;
    this.onBlock = onBlock;
    this.onEnd = onEnd;
  }

  async start() {
    // The training speech was not processed as in a phone call.
    const wishes = { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    this.stream = await navigator.mediaDevices.getUserMedia({ audio: wishes });
    try {
      this.context = new (window.AudioContext || window.webkitAudioContext)();
      this.rate = this.context.sampleRate;
      await this.context.resume();
      const source = this.context.createMediaStreamSource(this.stream);
      if (this.context.audioWorklet) {
        await this.context.audioWorklet.addModule("/recorder.js");
        this.node = new AudioWorkletNode(this.context, "recorder", { numberOfOutputs: 1, channelCount: 1, channelCountMode: "explicit" });
        this.node.port.onmessage = (event) => this.take(event.data);
      } else {
        this.node = this.context.createScriptProcessor(BLOCK, 1, 1);
        this.node.onaudioprocess = (event) => this.take(event.inputBuffer.getChannelData(0).slice());
      }
      source.connect(this.node).connect(this.context.destination); // silent, but without it some browsers stop
      for (const track of this.stream.getAudioTracks()) track.addEventListener("ended", () => this.onEnd());
    } catch (error) {
      this.stop();
      throw error;
    }
  }

  take(block) {
    this.blocks.push(block);
    this.length += block.length;
    this.onBlock(block);
  }

  get seconds() {
    return this.length / this.rate;
  }

  /** The last samples, at most `count`. */
  last(count) {
    const taken = [];
    let found = 0;
    for (let place = this.blocks.length - 1; place >= 0 && found < count; place--) {
      taken.unshift(this.blocks[place]);
      found += this.blocks[place].length;
    }
    return joined(taken, found).slice(Math.max(0, found - count));
  }

  stop() {
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.node?.disconnect();
    this.context?.close();
    return this.rate ? wav(joined(this.blocks, this.length), this.rate) : null;
  }
}

function joined(blocks, length) {
  const samples = new Float32Array(length);
  let place = 0;
  for (const block of blocks) {
    samples.set(block, place);
    place += block.length;
  }
  return samples;
}

/** A mono 16-bit WAV file of samples at `rate` Hz. */
export function wav(samples, rate) {
  const view = new DataView(new ArrayBuffer(44 + 2 * samples.length));
  const text = (place, letters) => [...letters].forEach((letter, turn) => view.setUint8(place + turn, letter.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, 36 + 2 * samples.length, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, rate, true);
  view.setUint32(28, 2 * rate, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  text(36, "data");
  view.setUint32(40, 2 * samples.length, true);
  for (let place = 0; place < samples.length; place++) {
    view.setInt16(44 + 2 * place, Math.round(32767 * Math.max(-1, Math.min(1, samples[place]))), true);
  }
  return new Blob([view], { type: "audio/wav" });
}

/** A file in a format that the device cannot read but the browser can, as WAV at the model's rate. */
export async function decoded(file, rate) {
  const context = new OfflineAudioContext(1, 1, rate);
  const buffer = await context.decodeAudioData(await file.arrayBuffer());
  const samples = new Float32Array(buffer.length);
  for (let channel = 0; channel < buffer.numberOfChannels; channel++) {
    const own = buffer.getChannelData(channel);
    for (let place = 0; place < own.length; place++) samples[place] += own[place] / buffer.numberOfChannels;
  }
  return wav(samples, buffer.sampleRate);
}
