// The page: takes pictures, shows answers, and asks its test pictures again when it opens. No text becomes markup.

const FACTS = JSON.parse(document.getElementById("page-facts").textContent);
const SHOWN = 5; // classes with a bar
const NEAR = 0.02; // of a probability: browsers decode a JPEG with small differences
const part = (id) => document.getElementById(id);
const inputs = [part("camera"), part("gallery")];
const STRANGE = "This looks unlike anything it was trained on.";
const known = FACTS.known && new KnownPictures(FACTS.known);
let engine;

function make(tag, text = "", className = "") {
  const element = document.createElement(tag);
  if (text) element.textContent = text;
  if (className) element.className = className;
  if (text) element.dir = "auto";
  return element;
}

function percent(probability) {
  if (probability < 0.01) return "<1 %";
  return probability > 0.99 ? ">99 %" : `${(100 * probability).toFixed(0)} %`;
}

const pause = () => new Promise((done) => setTimeout(done)); // let the browser draw

function bestOf(probabilities) {
  return probabilities.indexOf(Math.max(...probabilities));
}

// drawable -> {pixels, probabilities, features, milliseconds}
function ask(drawable) {
  const pixels = readPixels(drawable, FACTS.preprocessing);
  const began = performance.now();
  const found = engine.run(pixels);
  return { pixels, ...found, milliseconds: performance.now() - began };
}

// The answer in words: a class, several where several are possible, or that the picture is strange.
function sayAnswer(probabilities, features) {
  const best = FACTS.classes[bestOf(probabilities)];
  const strange = known !== null && known.isStrange(features);
  const names = known && !strange ? known.possible(probabilities).map((label) => FACTS.classes[label]) : [best];
  part("result").classList.toggle("strange", strange);
  part("answer").textContent = strange ? STRANGE : names.length > 1 ? `Not sure: ${joinClasses(names)}` : names[0];
  part("doubt").textContent = strange
    ? `At most 1 in ${Math.round(1 / known.promise)} known pictures looks so strange. If it had to choose: ${best}.`
    : "";
  part("doubt").hidden = !strange;
}

function show({ pixels, probabilities, features, milliseconds }) {
  const size = FACTS.preprocessing.crop_px;
  const canvas = part("seen");
  canvas.width = canvas.height = size;
  const image = canvas.getContext("2d").createImageData(size, size);
  for (let i = 0; i < size * size; i++) {
    image.data.set(pixels.subarray(3 * i, 3 * i + 3), 4 * i);
    image.data[4 * i + 3] = 255;
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
  const order = orderOf(probabilities);
  sayAnswer(probabilities, features);
  part("bars").replaceChildren(
    ...order.slice(0, SHOWN).map((place) => {
      const line = make("li");
      const track = make("span", "", "track");
      track.append(make("span"));
      track.firstChild.style.width = `${100 * probabilities[place]}%`;
      track.setAttribute("aria-hidden", "true");
      line.append(make("span", FACTS.classes[place]), make("span", percent(probabilities[place]), "share"), track);
      return line;
    }),
  );
  const rest = order.slice(SHOWN).reduce((sum, place) => sum + probabilities[place], 0);
  const more = order.length > SHOWN ? `${order.length - SHOWN} more classes share ${percent(rest)}. ` : "";
  part("time").textContent = `${more}Answered in ${(milliseconds / 1000).toFixed(2)} s on this device.`;
  part("result").hidden = false;
}

function complain(sentence) {
  part("problem").textContent = sentence;
  part("problem").hidden = !sentence;
  if (sentence) part("result").hidden = true;
}

async function whyUnreadable(file) {
  const start = new Uint8Array(await file.slice(0, 12).arrayBuffer().catch(() => new ArrayBuffer(0)));
  const kind = String.fromCharCode(...start.slice(4, 12));
  if (/^ftyp(hei|hev|mif1|msf1)/.test(kind)) {
    return `${file.name} is a HEIC photo, which this browser cannot read: save it as JPEG first.`;
  }
  return `${file.name} cannot be read as a picture here: choose a JPEG, PNG or WebP.`;
}

async function classify(file) {
  stopLive();
  complain("");
  let drawable;
  try {
    drawable = await openPicture(file);
  } catch {
    complain(await whyUnreadable(file));
    return;
  }
  await pause();
  try {
    show(ask(drawable));
    part("result").scrollIntoView({ block: "nearest" });
  } catch {
    complain(`${file.name} needs more memory than this device has free: scale it down.`);
  } finally {
    drawable.close();
  }
}

// The camera, where the browser gives it to pages: on https, localhost, and from files in some.
let stream = null;

async function startLive() {
  complain("");
  part("live").disabled = true; // a second tap would ask for a second stream
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
  } catch {
    complain("The browser gives this page no camera: take a photo instead.");
    return;
  } finally {
    part("live").disabled = false;
  }
  const video = document.createElement("video");
  video.muted = video.playsInline = true;
  video.srcObject = stream;
  await video.play();
  part("live").textContent = "Stop the camera";
  while (stream) {
    const frame = await createImageBitmap(video);
    show(ask(frame));
    frame.close();
    await pause();
  }
}

function stopLive() {
  if (stream) stream.getTracks().forEach((track) => track.stop());
  stream = null;
  part("live").textContent = "Live camera";
}

function toBlob(test) {
  return new Blob([fromBase64(test.jpeg)], { type: "image/jpeg" });
}

function drawTests() {
  part("tests").replaceChildren(
    ...FACTS.tests.map((test) => {
      const [button, image, line] = [make("button"), make("img"), make("li")];
      button.type = "button";
      button.disabled = true;
      image.src = `data:image/jpeg;base64,${test.jpeg}`;
      image.alt = "Test picture of the class";
      button.append(image, make("span", FACTS.classes[test.label]));
      button.addEventListener("click", () => {
        const name = FACTS.classes[test.label];
        classify(new File([toBlob(test)], name)).then(() => part("result").scrollIntoView({ block: "center" }));
      });
      line.append(button);
      return line;
    }),
  );
}

// The test pictures answered again: as on the server the same class, about the same probabilities, and as strange.
async function checkAnswers() {
  let same = 0;
  let milliseconds = 0;
  const count = FACTS.tests.length;
  for (const [place, test] of FACTS.tests.entries()) {
    part("check").textContent = `Checking this browser: ${place + 1} of ${count} …`;
    await pause();
    const drawable = await openPicture(toBlob(test));
    const found = ask(drawable);
    drawable.close();
    milliseconds += found.milliseconds;
    const far = found.probabilities.some((probability, label) => !(Math.abs(probability - test.answers[label]) <= NEAR));
    const strange = known === null || known.agrees(found.features, test.p_value);
    if (!far && strange && bestOf(found.probabilities) === bestOf(test.answers)) same += 1;
  }
  const whole = same === count;
  part("check").className = whole ? "notice good" : "notice bad";
  part("check").textContent = whole
    ? `${same} of ${count} as on the server${known ? ', "not sure" included' : ""}: this browser answers as the network it was made from. ` +
      `${(milliseconds / count / 1000).toFixed(2)} s a picture.`
    : `Only ${same} of ${count} as on the server: this browser reads or computes pictures otherwise. Try another browser.`;
}

function drawFacts() {
  part("title").textContent = FACTS.title;
  part("question").textContent = FACTS.question;
  part("limits").textContent = FACTS.limits;
  for (const [name, text] of FACTS.facts) part("facts").append(make("dt", name), make("dd", text));
  if (location.protocol.startsWith("http")) {
    part("save").href = `${location.pathname}?save`;
    part("keep").hidden = false;
  }
}

async function open() {
  drawFacts();
  drawTests();
  if (typeof DecompressionStream === "undefined" || typeof createImageBitmap === "undefined") {
    part("check").className = "notice bad";
    part("check").textContent = "This browser is too old for the page: update it, or use another one.";
    return;
  }
  try {
    const { weights, biases } = await readNumbers(part("numbers").textContent, FACTS.network.layers);
    part("numbers").remove(); // its text takes memory
    engine = new Engine(FACTS.network, weights, biases);
    await checkAnswers();
  } catch {
    part("check").className = "notice bad";
    part("check").textContent = "The page is damaged or this device has too little memory: copy the file again.";
    return;
  }
  for (const input of inputs) {
    input.disabled = false;
    input.addEventListener("change", () => {
      const [file] = input.files;
      if (file) classify(file).then(() => { input.value = ""; });
    });
  }
  for (const button of document.querySelectorAll("#tests button")) button.disabled = false;
  if (navigator.mediaDevices?.getUserMedia) {
    part("live").hidden = part("live").disabled = false;
    part("live").addEventListener("click", () => (stream ? stopLive() : startLive()));
  }
}

open();
