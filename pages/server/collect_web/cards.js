// The card of a class: how many pictures, ways to add some, thumbnails, and changes of the class itself.

function makeCard(id) {
  const root = part("card").content.firstElementChild.cloneNode(true);
  const find = (selector) => root.querySelector(selector);
  const [photos, clip] = root.querySelectorAll('input[type="file"]');
  const path = `classes/${id}`;
  let item = null;
  let drawn = "";
  photos.addEventListener("change", () => take(photos, (files) => addPhotos(id, find(".busy"), files)));
  clip.addEventListener("change", () => take(clip, (files) => addClips(id, find(".busy"), files)));
  find(".live").addEventListener("click", () => openCamera(id, item.name));
  find(".rename").addEventListener("submit", (event) => {
    event.preventDefault();
    change(path, "PATCH", { name: find(".rename input").value });
  });
  find(".merge").addEventListener("submit", (event) => {
    event.preventDefault();
    change(path, "PATCH", { into: find(".merge select").value });
  });
  find(".switch").addEventListener("click", () => change(path, "PATCH", { off: !item.off }));
  find(".delete").addEventListener("click", () => {
    if (confirm(`Delete the class ${item.name} and its ${count(item.count, "picture")}?`)) change(path, "DELETE");
  });

  function update(found, mayAdd, classes) {
    const before = item;
    item = found;
    root.classList.toggle("off", item.off);
    root.setAttribute("aria-label", item.name);
    find("h2").textContent = item.name;
    find(".count").textContent =
      `${count(item.count, "picture")}${item.own ? `, ${item.own} yours` : ""}${item.off ? " · switched off" : ""}`;
    find(".choices").hidden = !mayAdd;
    if (cameraIsGiven()) {
      find(".live").hidden = false;
      clip.closest("label").hidden = true;
    }
    find("details").hidden = !(item.changeable && mayAdd);
    if (before?.name !== item.name) find(".rename input").value = item.name;
    find(".switch").textContent = item.off ? "Switch on" : "Switch off";
    const others = classes.filter((other) => other.id !== id);
    find(".merge").hidden = !others.length;
    const names = JSON.stringify(others.map((other) => [other.id, other.name]));
    if (root.dataset.others !== names) {
      root.dataset.others = names;
      find("select").replaceChildren(...others.map((other) => new Option(other.name, other.id)));
    }
    const pictures = JSON.stringify(item.pictures);
    if (drawn !== pictures) drawStrip(find(".strip"), item);
    drawn = pictures;
  }
  return { root, update };
}

function address(digest) {
  return `collect/api/${state.collection.id}/pictures/${digest}`;
}

// pictures that stay keep their elements, so that nothing flickers
function drawStrip(strip, item) {
  const there = new Map(Array.from(strip.children, (line) => [line.dataset.digest, line]));
  strip.replaceChildren(
    ...item.pictures.map(([digest, by, mine]) => there.get(digest) || makeThumbnail(item, digest, by, mine)),
  );
}

function makeThumbnail(item, digest, by, mine) {
  const line = document.createElement("li");
  const button = document.createElement("button");
  const picture = new Image();
  line.dataset.digest = digest;
  button.type = "button";
  picture.loading = "lazy";
  picture.src = address(digest);
  picture.alt = `${item.name}, by ${by}`;
  picture.addEventListener("error", () => { // the network was gone when it was asked for
    setTimeout(() => { if (line.isConnected) picture.src = address(digest); }, POLL_MS);
  });
  button.append(picture);
  button.addEventListener("click", () => openLarge(item.name, digest, by, mine));
  line.append(button);
  return line;
}
