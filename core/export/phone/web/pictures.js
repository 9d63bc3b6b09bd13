// From a picture to the pixels that the network takes: upright, on white, resized and cut as Pillow does it, but for
// the last bit where Pillow narrows a picture after it has flattened it.
// A canvas would scale without looking at all pixels, and the answers would differ from those of the run.

const STRIP_PIXELS = 1 << 21; // read at a time: a phone has little memory, and canvases have limits
const BITS = 22; // of the fractions in Pillow's sums

// A picture file as something that can be drawn, upright.
async function openPicture(file) {
  try {
    return await createImageBitmap(file, { imageOrientation: "from-image" });
  } catch {
    // browsers that know no such option turn pictures in an <img>
  }
  const address = URL.createObjectURL(file);
  try {
    const image = new Image();
    image.src = address;
    await image.decode();
    if (!image.naturalWidth) throw new Error("no size");
    return await createImageBitmap(image);
  } finally {
    URL.revokeObjectURL(address);
  }
}

// drawable: an ImageBitmap -> Uint8ClampedArray of size * size * 3, RGB
function readPixels(drawable, spec) {
  const { width, height } = drawable;
  const size = spec.crop_px;
  if (spec.fit === "squeeze") return resize(drawable, [size, size], [0, 0], [size, size], spec.interpolation);
  if (spec.fit === "pad") {
    const scale = size / Math.max(width, height);
    const inner = [width, height].map((side) => Math.max(1, roundHalfEven(side * scale)));
    const whole = resize(drawable, inner, [0, 0], inner, spec.interpolation);
    const pixels = new Uint8ClampedArray(size * size * 3); // on the mean colour, which a network sees as nothing
    for (let i = 0; i < pixels.length; i++) pixels[i] = roundHalfEven(255 * spec.mean[i % 3]);
    const [left, top] = inner.map((side) => Math.floor((size - side) / 2));
    for (let y = 0; y < inner[1]; y++) {
      pixels.set(whole.subarray(y * inner[0] * 3, (y + 1) * inner[0] * 3), ((top + y) * size + left) * 3);
    }
    return pixels;
  }
  const short = Math.min(width, height);
  const scaled = [width, height].map((side) => Math.max(spec.resize_px, Math.trunc((spec.resize_px * side) / short)));
  const corner = scaled.map((side) => roundHalfEven((side - size) / 2));
  return resize(drawable, scaled, corner, [size, size], spec.interpolation);
}

// The part at `corner` (left, top) with these `sides` (width, height) of the picture resized to `scaled`.
function resize(drawable, scaled, corner, sides, interpolation) {
  const { width, height } = drawable;
  const across = weighPixels(width, scaled[0], corner[0], sides[0], interpolation);
  const down = weighPixels(height, scaled[1], corner[1], sides[1], interpolation);
  const [first, end] = [down[0].start, Math.max(...down.map((part) => part.start + part.weights.length))];
  const step = sides[0] * 3;
  const rows = new Uint8ClampedArray((end - first) * step); // narrowed, still as high as they were
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = Math.max(1, Math.min(end - first, Math.floor(STRIP_PIXELS / width)));
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingEnabled = false;
  for (let top = first; top < end; top += canvas.height) {
    const count = Math.min(canvas.height, end - top);
    context.fillStyle = "#fff"; // transparent parts lie on white
    context.fillRect(0, 0, width, count);
    context.drawImage(drawable, 0, top, width, count, 0, 0, width, count);
    const strip = context.getImageData(0, 0, width, count).data;
    for (let y = 0; y < count; y++) {
      let to = (top - first + y) * step;
      for (const { start, weights } of across) {
        let from = (y * width + start) * 4;
        let red = 1 << (BITS - 1), green = red, blue = red;
        for (let k = 0; k < weights.length; k++, from += 4) {
          red += strip[from] * weights[k];
          green += strip[from + 1] * weights[k];
          blue += strip[from + 2] * weights[k];
        }
        rows[to++] = red >> BITS;
        rows[to++] = green >> BITS;
        rows[to++] = blue >> BITS;
      }
    }
  }
  const pixels = new Uint8ClampedArray(sides[1] * step);
  down.forEach(({ start, weights }, y) => {
    for (let x = 0; x < step; x++) {
      let sum = 1 << (BITS - 1);
      for (let k = 0; k < weights.length; k++) sum += rows[(start - first + k) * step + x] * weights[k];
      pixels[y * step + x] = sum >> BITS;
    }
  });
  canvas.width = canvas.height = 0; // some phones free a canvas late
  return pixels;
}

// For each new pixel the old ones that it is made of, with whole-numbered weights. ExportedRun: Pillow's Resample.c.
function weighPixels(side, scaled, first, count, interpolation) {
  const [filter, reach] = interpolation === "bicubic" ? [bicubic, 2] : [bilinear, 1];
  const scale = side / scaled;
  const stretch = Math.max(scale, 1);
  return Array.from({ length: count }, (_, place) => {
    const centre = (first + place + 0.5) * scale;
    const start = Math.max(0, Math.trunc(centre - reach * stretch + 0.5));
    const end = Math.min(side, Math.trunc(centre + reach * stretch + 0.5));
    const shares = [];
    for (let x = start; x < end; x++) shares.push(filter((x - centre + 0.5) * (1 / stretch)));
    const sum = shares.reduce((one, other) => one + other, 0);
    const whole = shares.map((share) => {
      const scaledShare = (share / sum) * (1 << BITS);
      return Math.trunc(scaledShare < 0 ? scaledShare - 0.5 : scaledShare + 0.5);
    });
    return { start, weights: Int32Array.from(whole) };
  });
}

function bilinear(x) {
  return Math.max(0, 1 - Math.abs(x));
}

function bicubic(x) {
  const size = Math.abs(x);
  if (size < 1) return (1.5 * size - 2.5) * size * size + 1;
  return size < 2 ? (((size - 5) * size + 8) * size - 4) * -0.5 : 0;
}

function roundHalfEven(x) {
  const below = Math.floor(x);
  return x - below === 0.5 ? below + (below % 2) : Math.round(x);
}
