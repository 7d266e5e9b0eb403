// The history: kept only where the user asks for it, on this device, without pictures or names.

const KEY = "freezenet-history", MOST = 200;

export class History {
  constructor(keep, list, forget) {
    Object.assign(this, { keep, list, forget });
    keep.checked = this.read() !== null;
    keep.addEventListener("change", () => (keep.checked ? this.write([]) : this.clear()));
    forget.addEventListener("click", () => {
      this.clear();
      keep.checked = false;
      keep.focus();
    });
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
      this.keep.checked = false; // the browser allows no storage
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
    const entries = this.read() ?? [];
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
