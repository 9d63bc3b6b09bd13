"use strict";
// Answers a picture with the layers of a trained network. core/export/phone/layers.py says what each layer means.
// Arrays are (height, width, channels): channel c at (y, x) is values[(y * width + x) * channels + c].

const PATCH_NUMBERS = 1 << 15; // of neighbourhoods that are laid out side by side at a time: they fit the cache

class Engine {
  // listed: {size, head, layers}; weights, biases: Float32Array
  constructor(listed, weights, biases) {
    this.listed = listed;
    this.weights = weights;
    this.biases = biases;
    this.lastUse = new Map(); // of each result, so that its memory can go
    listed.layers.forEach((layer, place) => layer.inputs.forEach((input) => this.lastUse.set(input, place + 1)));
  }

  // pixels: size * size * 3 bytes, RGB -> probabilities of the classes
  answer(pixels) {
    return this.run(pixels).probabilities;
  }

  // the same -> {probabilities, features}; the last layer reads the features
  run(pixels) {
    const { size, head, layers, mean, std } = this.listed;
    const picture = new Float32Array(pixels.length);
    for (let i = 0; i < pixels.length; i++) picture[i] = (pixels[i] / 255 - mean[i % 3]) / std[i % 3];
    const results = [{ values: picture, shape: [size, size, 3] }];
    let features;
    layers.forEach((layer, index) => {
      const place = index + 1;
      const values = this.compute(layer, layer.inputs.map((input) => results[input]));
      if (layer.activation) activate(values, layer.activation);
      results[place] = { values, shape: layer.shape };
      if (place === layers.length) features = results[layer.inputs[0]].values;
      for (const input of layer.inputs) if (this.lastUse.get(input) === place) results[input] = null;
    });
    const logits = Array.from(results[layers.length].values);
    if (head === "sigmoid") {
      const second = 1 / (1 + Math.exp(-logits[0]));
      return { probabilities: [1 / (1 + Math.exp(logits[0])), second], features };
    }
    const best = Math.max(...logits);
    const powers = logits.map((logit) => Math.exp(logit - best));
    const sum = powers.reduce((one, other) => one + other, 0);
    return { probabilities: powers.map((power) => power / sum), features };
  }

  compute(layer, inputs) {
    const [height, width, channels] = layer.shape;
    const out = new Float32Array(height * width * channels);
    const first = inputs[0].values;
    if (layer.op === "conv") {
      const depthwise = layer.groups === channels && inputs[0].shape[2] === channels;
      if (depthwise) filterChannels(layer, inputs[0], this.weights, this.biases, out);
      else convolve(layer, inputs[0], this.weights, this.biases, out);
    } else if (layer.op === "max" || layer.op === "average") {
      pool(layer, inputs[0], out);
    } else if (layer.op === "mean") {
      for (let i = 0; i < first.length; i++) out[i % channels] += first[i];
      for (let c = 0; c < channels; c++) out[c] /= first.length / channels;
    } else if (layer.op === "add") {
      const second = inputs[1].values;
      for (let i = 0; i < out.length; i++) out[i] = first[i] + second[i];
    } else if (layer.op === "multiply") {
      const second = inputs[1].values; // of the same shape, or a number for each channel
      for (let i = 0; i < out.length; i++) out[i] = first[i] * second[i % second.length];
    } else if (layer.op === "concat") {
      let at = 0;
      for (const input of inputs) {
        const depth = input.shape[2];
        for (let i = 0; i < height * width; i++) {
          for (let c = 0; c < depth; c++) out[i * channels + at + c] = input.values[i * depth + c];
        }
        at += depth;
      }
    } else if (layer.op === "scale") {
      for (let i = 0; i < out.length; i++) out[i] = first[i] * layer.factor;
    } else {
      out.set(first); // "activation": done by the caller
    }
    return out;
  }
}

// A convolution as a product of matrices: the neighbourhood of every pixel is a row, every filter a column.
function convolve(layer, input, weights, biases, out) {
  const [inHeight, inWidth, inChannels] = input.shape;
  const [height, width, channels] = layer.shape;
  const [down, across] = layer.kernel;
  const depth = inChannels / layer.groups;
  const filters = channels / layer.groups;
  const length = down * across * depth;
  const plain = length === inChannels && layer.stride[0] === 1 && layer.stride[1] === 1 && layer.groups === 1;
  if (plain && height === inHeight && width === inWidth) {
    multiply(input.values, height * width, length, weights, layer.weights, filters, biases, layer.biases, out, 0, channels);
    return;
  }
  const rows = Math.max(4, Math.floor(PATCH_NUMBERS / length) & ~3);
  const patches = new Float32Array(rows * length);
  for (let group = 0; group < layer.groups; group++) {
    for (let start = 0; start < height * width; start += rows) {
      const count = Math.min(rows, height * width - start);
      for (let row = 0; row < count; row++) {
        const top = Math.floor((start + row) / width) * layer.stride[0] - layer.padding[0];
        const left = ((start + row) % width) * layer.stride[1] - layer.padding[1];
        let to = row * length;
        for (let y = top; y < top + down; y++) {
          for (let x = left; x < left + across; x++, to += depth) {
            if (y < 0 || y >= inHeight || x < 0 || x >= inWidth) {
              for (let c = 0; c < depth; c++) patches[to + c] = 0;
            } else {
              const from = (y * inWidth + x) * inChannels + group * depth;
              for (let c = 0; c < depth; c++) patches[to + c] = input.values[from + c];
            }
          }
        }
      }
      multiply(
        patches, count, length, weights, layer.weights + group * filters * length, filters,
        biases, layer.biases + group * filters, out, start * channels + group * filters, channels,
      );
    }
  }
}

// out[row][column] = biases[column] + sum over k of a[row][k] * w[column][k], four rows and four columns at a time: a number
// that was read is used four times. Sums are in 64 bits: V8 takes twice as long for 32 (Math.fround).
function multiply(a, rows, length, w, wAt, columns, biases, biasAt, out, outAt, step) {
  for (let column = 0; column < columns; column += 4) {
    // at the edge some of the four are the same filter, computed more than once
    const last = columns - 1;
    const c1 = Math.min(column + 1, last), c2 = Math.min(column + 2, last), c3 = Math.min(column + 3, last);
    const w0 = wAt + column * length, w1 = wAt + c1 * length, w2 = wAt + c2 * length, w3 = wAt + c3 * length;
    const b0 = biases[biasAt + column], b1 = biases[biasAt + c1], b2 = biases[biasAt + c2], b3 = biases[biasAt + c3];
    for (let row = 0; row < rows; row += 4) {
      const end = rows - 1;
      const r1 = Math.min(row + 1, end), r2 = Math.min(row + 2, end), r3 = Math.min(row + 3, end);
      const a0 = row * length, a1 = r1 * length, a2 = r2 * length, a3 = r3 * length;
      let s00 = b0, s01 = b1, s02 = b2, s03 = b3, s10 = b0, s11 = b1, s12 = b2, s13 = b3;
      let s20 = b0, s21 = b1, s22 = b2, s23 = b3, s30 = b0, s31 = b1, s32 = b2, s33 = b3;
      for (let k = 0; k < length; k++) {
        const x0 = a[a0 + k], x1 = a[a1 + k], x2 = a[a2 + k], x3 = a[a3 + k];
        const y0 = w[w0 + k], y1 = w[w1 + k], y2 = w[w2 + k], y3 = w[w3 + k];
        s00 += x0 * y0; s01 += x0 * y1; s02 += x0 * y2; s03 += x0 * y3;
        s10 += x1 * y0; s11 += x1 * y1; s12 += x1 * y2; s13 += x1 * y3;
        s20 += x2 * y0; s21 += x2 * y1; s22 += x2 * y2; s23 += x2 * y3;
        s30 += x3 * y0; s31 += x3 * y1; s32 += x3 * y2; s33 += x3 * y3;
      }
      const o0 = outAt + row * step, o1 = outAt + r1 * step, o2 = outAt + r2 * step, o3 = outAt + r3 * step;
      out[o0 + column] = s00; out[o0 + c1] = s01; out[o0 + c2] = s02; out[o0 + c3] = s03;
      out[o1 + column] = s10; out[o1 + c1] = s11; out[o1 + c2] = s12; out[o1 + c3] = s13;
      out[o2 + column] = s20; out[o2 + c1] = s21; out[o2 + c2] = s22; out[o2 + c3] = s23;
      out[o3 + column] = s30; out[o3 + c1] = s31; out[o3 + c2] = s32; out[o3 + c3] = s33;
    }
  }
}

// A convolution of each channel by itself (depthwise).
function filterChannels(layer, input, weights, biases, out) {
  const [inHeight, inWidth, channels] = input.shape;
  const [height, width] = layer.shape;
  const [down, across] = layer.kernel;
  const values = input.values;
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const to = (row * width + column) * channels;
      for (let c = 0; c < channels; c++) out[to + c] = biases[layer.biases + c];
      for (let ky = 0; ky < down; ky++) {
        const y = row * layer.stride[0] - layer.padding[0] + ky;
        if (y < 0 || y >= inHeight) continue;
        for (let kx = 0; kx < across; kx++) {
          const x = column * layer.stride[1] - layer.padding[1] + kx;
          if (x < 0 || x >= inWidth) continue;
          const from = (y * inWidth + x) * channels;
          const at = layer.weights + (ky * across + kx) * channels;
          for (let c = 0; c < channels; c++) out[to + c] += values[from + c] * weights[at + c];
        }
      }
    }
  }
}

// The largest or the mean value of each window; what lies outside the map does not count.
function pool(layer, input, out) {
  const [inHeight, inWidth, channels] = input.shape;
  const [height, width] = layer.shape;
  const values = input.values;
  const largest = layer.op === "max";
  if (largest) out.fill(-Infinity);
  for (let row = 0; row < height; row++) {
    const top = Math.max(0, row * layer.stride[0] - layer.padding[0]);
    const bottom = Math.min(inHeight, row * layer.stride[0] - layer.padding[0] + layer.kernel[0]);
    for (let column = 0; column < width; column++) {
      const left = Math.max(0, column * layer.stride[1] - layer.padding[1]);
      const right = Math.min(inWidth, column * layer.stride[1] - layer.padding[1] + layer.kernel[1]);
      const to = (row * width + column) * channels;
      for (let y = top; y < bottom; y++) {
        for (let x = left; x < right; x++) {
          const from = (y * inWidth + x) * channels;
          if (largest) {
            for (let c = 0; c < channels; c++) if (values[from + c] > out[to + c]) out[to + c] = values[from + c];
          } else {
            for (let c = 0; c < channels; c++) out[to + c] += values[from + c];
          }
        }
      }
      if (!largest) {
        const count = (bottom - top) * (right - left);
        for (let c = 0; c < channels; c++) out[to + c] /= count;
      }
    }
  }
}

const sigmoid = (x) => 1 / (1 + Math.exp(-x));

const ACTIVATIONS = {
  relu: (x) => (x > 0 ? x : 0),
  relu6: (x) => (x > 0 ? (x < 6 ? x : 6) : 0),
  silu: (x) => x * sigmoid(x),
  gelu: (x) => 0.5 * x * (1 + errorFunction(x * Math.SQRT1_2)),
  mish: (x) => {
    if (x > 20) return x;
    const square = (1 + Math.exp(x)) ** 2; // x * tanh(log(1 + e^x))
    return (x * (square - 1)) / (square + 1);
  },
  hardswish: (x) => (x <= -3 ? 0 : x >= 3 ? x : (x * (x + 3)) / 6),
  hardsigmoid: (x) => (x <= -3 ? 0 : x >= 3 ? 1 : x / 6 + 0.5),
  sigmoid,
};

function activate(values, name) {
  if (name === "relu") { // the two most frequent ones, without a call for each number
    for (let i = 0; i < values.length; i++) if (values[i] < 0) values[i] = 0;
  } else if (name === "relu6") {
    for (let i = 0; i < values.length; i++) values[i] = values[i] < 0 ? 0 : values[i] > 6 ? 6 : values[i];
  } else {
    const step = ACTIVATIONS[name];
    for (let i = 0; i < values.length; i++) values[i] = step(values[i]);
  }
}

// Within 1.2e-7. ExportedRun: Press et al., Numerical Recipes (1992), section 6.2, erfcc.
function errorFunction(x) {
  const size = Math.abs(x);
  const t = 1 / (1 + 0.5 * size);
  const factors = [
    -1.26551223, 1.00002368, 0.37409196, 0.09678418, -0.18628806, 0.27886807, -1.13520398, 1.48851587, -0.82215223,
    0.17087277,
  ];
  let sum = 0;
  for (let i = factors.length - 1; i >= 0; i--) sum = sum * t + factors[i];
  const rest = t * Math.exp(-size * size + sum);
  return x >= 0 ? 1 - rest : rest - 1;
}

// Weights and biases from text: core/export/phone/packed_weights.py says how they lie.
async function readNumbers(text, layers) {
  const stream = new Blob([fromBase64(text)]).stream().pipeThrough(new DecompressionStream("deflate"));
  const raw = new Uint8Array(await new Response(stream).arrayBuffer());
  const total = (values) => values.reduce((one, other) => one + other, 0);
  const whole = total(layers.map((layer) => (layer.exact ? 0 : layer.numbers)));
  const floats = new Float32Array(raw.slice(2 * whole).buffer);
  const weights = new Float32Array(total(layers.map((layer) => layer.numbers)));
  const biases = new Float32Array(total(layers.map((layer) => (layer.numbers ? layer.shape[2] : 0))));
  let [wholeAt, floatAt] = [0, 0];
  for (const layer of layers) {
    if (!layer.numbers) continue;
    const filters = layer.shape[2];
    if (layer.exact) {
      weights.set(floats.subarray(floatAt, floatAt + layer.numbers), layer.weights);
      floatAt += layer.numbers;
    } else {
      const length = layer.numbers / filters;
      for (let i = 0; i < layer.numbers; i++, wholeAt++) {
        const number = ((raw[whole + wholeAt] << 24) >> 16) | raw[wholeAt]; // with its sign
        weights[layer.weights + i] = number * floats[floatAt + Math.floor(i / length)];
      }
      floatAt += filters;
    }
    biases.set(floats.subarray(floatAt, floatAt + filters), layer.biases);
    floatAt += filters;
  }
  return { weights, biases };
}

function fromBase64(text) {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}
