// The history: kept only where the user asks for it, on this device, without pictures or names.

// Apps in several folders of one server share its storage.
const KEY = `freezenet-history ${new URL("./", location.href).pathname}`, MOST = 200;

export class History {
  /** complain(sentence): where the browser keeps nothing. */
  constructor(keep, list, forget, complain) {
    Object.assign(this, { keep, list, forget, complain });
    keep.addEventListener("change", () => (keep.checked ? this.write([]) : this.clear()));
    forget.addEventListener("click", () => {
      this.clear();
      keep.checked = false;
      keep.focus();
    });
    addEventListener("storage", () => this.draw()); // another window of the app wrote
    this.draw();
  }

  read() {
    try {
      const kept = JSON.parse(localStorage.getItem(KEY));
      return Array.isArray(kept) ? kept : null;
    } catch {
      return null;
    }
  }

  write(entries) {
    try {
      localStorage.setItem(KEY, JSON.stringify(entries));
    } catch {
      this.keep.checked = false;
      this.complain("This browser keeps nothing here: there is no room left, or the window is a private one. The answer is not in the history.");
    }
    this.draw();
  }

  clear() {
    try {
      localStorage.removeItem(KEY);
    } catch {
      // there was none
    }
    this.draw();
  }

  add(entry) {
    const entries = this.read();
    if (entries !== null) this.write([{ time: new Date().toISOString(), ...entry }, ...entries].slice(0, MOST));
  }

  draw() {
    const kept = this.read(), entries = kept ?? [];
    this.keep.checked = kept !== null;
    this.forget.hidden = entries.length === 0;
    this.list.hidden = entries.length === 0;
    this.list.replaceChildren(...entries.map((entry) => {
      const row = document.createElement("li"), time = document.createElement("time");
      time.dateTime = entry.time;
      time.textContent = new Date(entry.time).toLocaleString();
      row.append(time, ` ${entry.answer}`);
      return row;
    }));
  }
}
