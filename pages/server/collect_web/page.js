// The page: a card for each class, thumbnails, the queue. No text becomes markup.

const POLL_MS = 3000;
const SHOWN_MS = 10000; // that everything was sent
const SLOW_MS = 10000; // while the server does not answer
const PASSCODE = "passcode";
const part = (id) => document.getElementById(id);

const cards = new Map(); // class id -> {root, update}
let state = { collection: null };
let tag = ""; // of the last answer
let passcode = new URLSearchParams(location.search).get(PASSCODE) || "";
if (passcode) history.replaceState(null, "", location.pathname); // the address may be on a projector

const queue = new Queue(drawQueue, refresh);

function show(id, text) {
  part(id).textContent = text;
  part(id).hidden = !text;
}

function complain(sentence) {
  show("problem", sentence);
  if (sentence) part("problem").scrollIntoView({ block: "nearest" });
}

function count(number, noun) {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

// ---- asking the server

async function ask(path, method, values) {
  const answer = await fetch(path, {
    method,
    body: values ? JSON.stringify(values) : undefined,
    headers: values ? { "content-type": "application/json" } : {},
  });
  if (answer.ok) return answer.status === 204 ? {} : answer.json();
  const problem = await answer.json().then((found) => found.problem, () => "The server refused this: reload the page.");
  throw new Unusable(problem);
}

// a change that someone asked for: its problem is shown, and the page drawn again
async function change(path, method, values) {
  complain("");
  try {
    return await ask(`collect/api/${state.collection.id}/${path}`, method, values);
  } catch (error) {
    complain(error instanceof Unusable ? error.message : "The network is gone: try again in a moment.");
    return null;
  } finally {
    refresh();
  }
}

let polling = null;

async function refresh() {
  clearTimeout(polling);
  let wait = POLL_MS;
  try {
    const answer = await fetch("collect/api/state", { headers: tag ? { "if-none-match": tag } : {}, cache: "no-store" });
    if (answer.status === 401 || answer.status === 403) {
      askAtDoor(answer.status === 403);
    } else if (answer.status === 200) {
      tag = answer.headers.get("etag") || "";
      state = await answer.json();
      draw();
    }
    if (answer.status < 400) {
      if (part("notice").dataset.offline) draw();
      if (queue.why && (state.collection?.open || state.presenter)) queue.hurry();
    }
  } catch {
    wait = SLOW_MS;
    part("notice").dataset.offline = "1";
    show("notice", "The network is gone: photos wait here, and are sent when it is back.");
  }
  clearTimeout(polling);
  polling = setTimeout(refresh, document.hidden ? SLOW_MS : wait);
}

// ---- the door

function askAtDoor(forPasscode) {
  if (!part("door").hidden) return;
  part("door").hidden = false;
  part("passcode-line").hidden = !forPasscode || Boolean(passcode);
  part("classes").hidden = part("new-class").hidden = true;
  show("notice", "");
}

part("door").addEventListener("submit", async (event) => {
  event.preventDefault();
  show("door-problem", "");
  try {
    const typed = part("passcode").value || passcode;
    await ask("collect/join", "POST", { nickname: part("nickname").value, passcode: typed });
    part("door").hidden = true;
    part("classes").hidden = false;
    queue.hurry();
    refresh();
  } catch (error) {
    passcode = "";
    part("passcode-line").hidden = false;
    show("door-problem", error instanceof Unusable ? error.message : "The network is gone: try again in a moment.");
  }
});

// ---- classes

function draw() {
  const { collection } = state;
  delete part("notice").dataset.offline;
  part("who").textContent = state.me ? `TuneMyPets · ${state.me}` : "TuneMyPets";
  part("title").textContent = collection ? collection.title : "Collect photos";
  const mayAdd = collection && (collection.open || state.presenter);
  if (!collection) show("notice", "Nothing is collected at the moment: the presenter starts it, and this page follows.");
  else if (!collection.open) show("notice", "The presenter has closed the collection. What waits here is sent when it opens again.");
  else if (!collection.classes.length) show("notice", "Add the first class, then photos of it.");
  else show("notice", "");
  part("new-class").hidden = !mayAdd;
  const classes = collection ? collection.classes : [];
  const known = new Set(classes.map((item) => item.id));
  for (const [id, card] of cards) {
    if (!known.has(id)) {
      card.root.remove();
      cards.delete(id);
    }
  }
  for (const item of classes) {
    if (!cards.has(item.id)) {
      cards.set(item.id, makeCard(item.id));
      part("classes").append(cards.get(item.id).root);
    }
    cards.get(item.id).update(item, mayAdd, classes);
  }
}

part("new-class").addEventListener("submit", async (event) => {
  event.preventDefault();
  const field = part("new-name");
  const name = field.value;
  field.value = ""; // at once: the next name may be typed meanwhile
  const made = await change("classes", "POST", { name });
  if (!made && !field.value) field.value = name;
});

// ---- one picture

let large = "";

function openLarge(name, digest, by, mine) {
  large = digest;
  part("large-photo").src = `${address(digest)}?full`;
  part("large-photo").alt = name;
  part("large-text").textContent = `${name}, by ${by}`;
  part("large-delete").hidden = !mine;
  part("large").showModal();
}

part("large-close").addEventListener("click", () => part("large").close());
part("large-delete").addEventListener("click", () => {
  part("large").close();
  change(`pictures/${large}`, "DELETE");
});

// ---- adding pictures

async function take(input, add) {
  const files = Array.from(input.files); // copied: the next line empties the list
  input.value = "";
  if (files.length) await add(files);
}

function enqueue(className, group, name, blob) {
  return queue.add({ id: newId(), collection: state.collection.id, className, group, name, blob });
}

let readers = 0; // clips and photos that are read at this moment

async function working(place, text, work) {
  if (!readers++) queue.begin();
  place.hidden = false;
  place.textContent = text;
  complain("");
  const problems = [];
  try {
    await work((sentence) => problems.push(sentence), (words) => { place.textContent = words; });
  } finally {
    readers -= 1;
    place.hidden = true;
    drawQueue();
    complain(problems.slice(0, 3).join(" ") + (problems.length > 3 ? ` ${problems.length - 3} more files cannot be used.` : ""));
  }
}

function addPhotos(className, place, files) {
  return working(place, "Reading photos …", async (refuse, say) => {
    for (const [number, file] of files.entries()) {
      say(`Reading photo ${number + 1} of ${files.length} …`);
      try {
        await enqueue(className, "", file.name, await shrinkPhoto(file));
      } catch (error) {
        if (!(error instanceof Unusable)) throw error;
        refuse(error.message);
      }
    }
  });
}

function addClips(className, place, files) {
  return working(place, "Reading the clip …", async (refuse, say) => {
    for (const file of files) {
      try {
        await addFrames(className, cutClip(file), file.name, say);
      } catch (error) {
        if (!(error instanceof Unusable)) throw error;
        refuse(error.message);
      }
    }
  });
}

async function addFrames(className, frames, name, say) {
  const group = newId();
  let number = 0;
  for await (const blob of frames) {
    say(`Frame ${++number} of ${FRAMES} …`);
    await enqueue(className, group, `${name}, frame ${number}`, blob);
  }
}

// ---- the live camera, where the browser gives it to pages: on https and on localhost

let stream = null;
let filmed = "";

function cameraIsGiven() {
  return isSecureContext && Boolean(navigator.mediaDevices?.getUserMedia);
}

async function openCamera(className, name) {
  complain("");
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
  } catch {
    complain("The browser gives this page no camera: add photos instead.");
    return;
  }
  filmed = className;
  part("camera-view").srcObject = stream;
  part("camera-text").textContent = `For ${name}: film it from several sides.`;
  part("camera-start").disabled = false;
  part("camera").showModal();
  await part("camera-view").play();
}

part("camera-start").addEventListener("click", async () => {
  part("camera-start").disabled = true;
  try {
    const say = (words) => { part("camera-text").textContent = words; };
    await addFrames(filmed, watchCamera(part("camera-view")), "camera", say);
    part("camera-text").textContent = `${FRAMES} frames are on their way: film again from another side, or close.`;
  } finally {
    part("camera-start").disabled = false;
  }
});
part("camera-close").addEventListener("click", () => part("camera").close());
part("camera").addEventListener("close", () => {
  if (stream) stream.getTracks().forEach((track) => track.stop());
  stream = null;
});

// ---- the queue

function drawQueue() {
  const { left, sent, refused } = queue;
  part("queue").hidden = !left && !refused.length && !sent;
  const all = left + sent;
  part("queue-bar").max = Math.max(1, all);
  part("queue-bar").value = sent;
  part("queue-bar").hidden = !left;
  if (left) part("queue-text").textContent = `${sent} of ${all} sent${queue.why ? ` · ${queue.why}: ${left} kept here` : ""}`;
  else part("queue-text").textContent = sent ? `All ${sent} sent${queue.known ? `, ${queue.known} were there already` : ""}` : "";
  const byProblem = new Map();
  for (const { item, problem } of refused) byProblem.set(problem, [...(byProblem.get(problem) || []), item]);
  const lines = Array.from(byProblem).slice(0, 4).map(([problem, items]) => makeRefusal(problem, items));
  const others = Array.from(byProblem.values()).slice(4).flat();
  if (others.length) lines.push(makeRefusal("More of them were refused for other reasons.", others));
  part("refused").replaceChildren(...lines);
  clearTimeout(drawQueue.clock);
  if (!left && sent && !readers) {
    drawQueue.clock = setTimeout(() => {
      queue.begin();
      drawQueue();
    }, SHOWN_MS);
  }
}

// photos that the server refused for one reason
function makeRefusal(problem, items) {
  const line = document.createElement("li");
  const text = document.createElement("span");
  text.dir = "auto";
  text.textContent = items.length > 1 ? `${count(items.length, "photo")}: ${problem}` : problem;
  line.append(
    text,
    makeButton("Try again", () => items.forEach((item) => queue.again(item))),
    makeButton("Remove", () => items.forEach((item) => queue.drop(item))),
  );
  return line;
}

function makeButton(label, act) {
  const button = document.createElement("button");
  button.className = "button";
  button.textContent = label;
  button.addEventListener("click", act);
  return button;
}

addEventListener("beforeunload", (event) => {
  if (queue.left && !queue.shelf.database) event.preventDefault(); // only memory has them
});
document.addEventListener("visibilitychange", () => document.hidden || refresh());

queue.open().then(refresh);
