// Pictures in the browser: photos scaled down, clips cut into frames. Works on plain http. All become JPEGs without
// anything but pixels: no place, no time, no name of the camera.

const PHOTO_PX = 1024; // the longer side of a photo
const FRAME_PX = 256; // the shorter side of a frame
const FRAMES = 30; // of a clip
const CLIP_SECONDS = 3;
const LONGEST_SECONDS = 10; // of a clip that someone films longer: later frames are not looked at
const MAX_PHOTO_BYTES = 64 * 2 ** 20;
const MAX_CLIP_BYTES = 200 * 10 ** 6;
const PATIENCE_MS = 10000; // for a video that never answers

class Unusable extends Error {} // its message is one sentence for people

function toJpeg(source, width, height, scale, quality) {
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  canvas.getContext("2d").drawImage(source, 0, 0, canvas.width, canvas.height);
  return new Promise((done, fail) => {
    canvas.toBlob((blob) => (blob ? done(blob) : fail(new Error("empty canvas"))), "image/jpeg", quality);
  });
}

async function shrinkPhoto(file) {
  if (file.size > MAX_PHOTO_BYTES) {
    throw new Unusable(`${file.name} is larger than ${MAX_PHOTO_BYTES / 2 ** 20} MB: choose a smaller photo.`);
  }
  let picture;
  try {
    picture = await createImageBitmap(file, { imageOrientation: "from-image" });
  } catch {
    throw new Unusable(await whyNoPhoto(file));
  }
  try {
    const scale = Math.min(1, PHOTO_PX / Math.max(picture.width, picture.height));
    return await toJpeg(picture, picture.width, picture.height, scale, 0.9);
  } catch {
    throw new Unusable(`${file.name} needs more memory than this phone has free: scale it down.`);
  } finally {
    picture.close();
  }
}

async function whyNoPhoto(file) {
  const start = new Uint8Array(await file.slice(0, 12).arrayBuffer().catch(() => new ArrayBuffer(0)));
  const kind = String.fromCharCode(...start.slice(4, 12));
  if (/^ftyp(hei|hev|mif1|msf1)/.test(kind)) {
    return `${file.name} is a HEIC photo, which this browser cannot read: save it as JPEG first.`;
  }
  return `${file.name} cannot be read as a picture here: choose a JPEG, PNG or WebP.`;
}

// one event of a video, or an error; a damaged file may send neither
function hear(video, name) {
  return new Promise((done, fail) => {
    const clock = setTimeout(() => end(fail), PATIENCE_MS);
    const heard = () => end(done);
    const failed = () => end(fail);
    function end(how) {
      clearTimeout(clock);
      video.removeEventListener(name, heard);
      video.removeEventListener("error", failed);
      how(new Error(name));
    }
    video.addEventListener(name, heard);
    video.addEventListener("error", failed);
  });
}

async function seek(video, seconds) {
  const there = hear(video, "seeked");
  video.currentTime = seconds;
  await there;
}

// a clip as frames, one after the other: frames(file) yields JPEG blobs
async function* cutClip(file) {
  if (file.size > MAX_CLIP_BYTES) {
    throw new Unusable(`${file.name} is larger than ${MAX_CLIP_BYTES / 10 ** 6} MB: film ${CLIP_SECONDS} seconds only.`);
  }
  const video = document.createElement("video");
  video.muted = video.playsInline = true;
  video.preload = "auto";
  const address = URL.createObjectURL(file);
  try {
    const ready = hear(video, "loadeddata");
    video.src = address;
    video.load();
    await video.play().then(() => video.pause(), () => {}); // iOS reads nothing before
    if (video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA) await ready;
    else ready.catch(() => {});
    if (!Number.isFinite(video.duration)) await seek(video, 1e6); // a recording of a browser has no length in its head
    const seconds = Math.min(video.duration, LONGEST_SECONDS);
    if (!(seconds > 0) || !video.videoWidth) throw new Error("no pictures");
    const scale = Math.min(1, FRAME_PX / Math.min(video.videoWidth, video.videoHeight));
    for (let i = 0; i < FRAMES; i++) {
      await seek(video, (seconds * (i + 0.5)) / FRAMES);
      yield await toJpeg(video, video.videoWidth, video.videoHeight, scale, 0.85);
    }
  } catch {
    throw new Unusable(`${file.name} cannot be read as a video here: film again, or add photos.`);
  } finally {
    video.removeAttribute("src");
    URL.revokeObjectURL(address);
  }
}

// frames of the live camera, for as long as a clip
async function* watchCamera(video) {
  const began = performance.now();
  const scale = Math.min(1, FRAME_PX / Math.min(video.videoWidth, video.videoHeight));
  for (let i = 0; i < FRAMES; i++) {
    const wait = began + (1000 * CLIP_SECONDS * i) / FRAMES - performance.now();
    if (wait > 0) await new Promise((done) => setTimeout(done, wait));
    yield await toJpeg(video, video.videoWidth, video.videoHeight, scale, 0.85);
  }
}
