// Pictures on their way to the server. Each is kept in this browser's own store until the server has answered, so that
// neither a lost network nor a closed page loses one; each has an id of its own, so that sending it twice adds it once.

const AT_ONCE = 2;
const ANSWER_MS = 30000;
const WAITS_MS = [1000, 2000, 4000, 5000];
const STORE = "pictures";

function newId() {
  const numbers = crypto.getRandomValues(new Uint8Array(10)); // randomUUID is for https only
  return Array.from(numbers, (number) => number.toString(16).padStart(2, "0")).join("");
}

// The browser's store; where it gives none (private windows), memory alone keeps the pictures.
class Shelf {
  async open() {
    try {
      this.database = await new Promise((done, fail) => {
        const request = indexedDB.open("tunemypets-collect", 1);
        request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: "id" });
        request.onsuccess = () => done(request.result);
        request.onerror = () => fail(request.error);
      });
    } catch {
      this.database = null;
    }
  }

  act(mode, deed) {
    if (!this.database) return Promise.resolve([]);
    return new Promise((done) => {
      const change = this.database.transaction(STORE, mode);
      const request = deed(change.objectStore(STORE));
      change.oncomplete = () => done(request.result);
      change.onabort = change.onerror = () => done([]); // it is full: memory still has the picture
    });
  }

  all() {
    return this.act("readonly", (store) => store.getAll());
  }

  put(item) {
    return this.act("readwrite", (store) => store.put(item));
  }

  remove(id) {
    return this.act("readwrite", (store) => store.delete(id));
  }
}

// item: {id, collection, className, group, name, blob}; changed() is called whenever something moves, emptied() at the end
class Queue {
  constructor(changed, emptied) {
    this.changed = changed;
    this.emptied = emptied;
    this.shelf = new Shelf();
    this.waiting = [];
    this.sending = new Set();
    this.refused = []; // {item, problem}
    this.sent = 0; // since `begin`
    this.known = 0; // of them: the server had this very picture
    this.bytes = 0;
    this.tries = 0; // in a row that failed
    this.why = ""; // nothing is sent now
    this.clock = null;
  }

  async open() {
    await this.shelf.open();
    this.waiting.push(...(await this.shelf.all()));
    addEventListener("online", () => this.hurry());
    document.addEventListener("visibilitychange", () => document.hidden || this.hurry());
    this.next();
  }

  get left() {
    return this.waiting.length + this.sending.size;
  }

  // count again, unless pictures of before are still on their way
  begin() {
    if (!this.left) this.sent = this.known = 0;
  }

  async add(item) {
    this.waiting.push(item);
    this.changed();
    await this.shelf.put(item);
    this.next();
  }

  hurry() {
    this.tries = 0;
    this.wake();
  }

  wake() {
    clearTimeout(this.clock);
    this.clock = null;
    this.next();
  }

  drop(item) {
    this.refused = this.refused.filter((other) => other.item !== item);
    this.shelf.remove(item.id);
    this.changed();
  }

  again(item) {
    this.refused = this.refused.filter((other) => other.item !== item);
    this.waiting.push(item);
    this.changed();
    this.wake();
  }

  next() {
    while (!this.clock && this.waiting.length && this.sending.size < AT_ONCE) {
      const item = this.waiting.shift();
      this.sending.add(item);
      this.send(item).finally(() => {
        this.sending.delete(item);
        this.changed();
        this.next();
        if (!this.left) this.emptied();
      });
    }
    this.changed();
  }

  async send(item) {
    let answer;
    try {
      const query = new URLSearchParams({ class: item.className, group: item.group, name: item.name });
      answer = await fetch(`collect/api/${item.collection}/pictures/${item.id}?${query}`, {
        method: "PUT",
        body: item.blob,
        headers: { "content-type": "image/jpeg" },
        signal: AbortSignal.timeout ? AbortSignal.timeout(ANSWER_MS) : undefined,
      });
    } catch {
      this.keep(item, "The network is gone");
      return;
    }
    const problem = answer.ok ? "" : await answer.json().then((values) => values.problem, () => "");
    if (answer.ok) {
      await this.shelf.remove(item.id);
      this.sent += 1;
      if (answer.status === 200) this.known += 1;
      this.bytes += item.blob.size;
      this.tries = 0;
      this.why = "";
    } else if (answer.status === 401 || (answer.status === 403 && !problem)) {
      this.keep(item, "Join the room first");
    } else if (answer.status === 423 || answer.status >= 500) {
      this.keep(item, answer.status === 423 ? "The collection is closed" : "The server is busy");
    } else {
      this.refused.push({ item, problem: problem || "The server refused this photo: add it again." });
    }
  }

  keep(item, why) {
    this.waiting.unshift(item);
    this.why = why;
    if (!this.clock) {
      this.clock = setTimeout(() => this.wake(), WAITS_MS[Math.min(this.tries++, WAITS_MS.length - 1)]);
    }
  }
}
