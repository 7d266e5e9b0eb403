// The frame over a picture: four corners that are dragged, or moved with the arrow keys.

const NAMES = ["Upper left corner", "Upper right corner", "Lower right corner", "Lower left corner"];
const WHOLE = [[0, 0], [1, 0], [1, 1], [0, 1]];
const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class Frame {
  /** Put handles onto `stage`, and the frame into the paths `shade` and `edge`. */
  constructor(stage, shade, edge) {
    Object.assign(this, { stage, shade, edge });
    this.handles = NAMES.map((name, number) => {
      const handle = document.createElement("button");
      handle.type = "button";
      handle.className = "handle";
      handle.addEventListener("pointerdown", (event) => {
        handle.setPointerCapture(event.pointerId);
        event.preventDefault();
        handle.focus();
      });
      handle.addEventListener("pointermove", (event) => {
        if (handle.hasPointerCapture(event.pointerId)) this.drag(number, event);
      });
      handle.addEventListener("keydown", (event) => {
        const step = STEPS[event.key];
        if (!step) return;
        event.preventDefault();
        const far = event.shiftKey ? 0.05 : 0.01;
        this.move(number, this.corners[number][0] + far * step[0], this.corners[number][1] + far * step[1]);
      });
      stage.append(handle);
      return handle;
    });
    this.reset();
  }

  /** Whether the frame is the whole picture. */
  get isWhole() {
    return this.corners.every(([x, y], number) => x === WHOLE[number][0] && y === WHOLE[number][1]);
  }

  /** The corners in pixels of a picture. */
  in({ width, height }) {
    return this.corners.map(([x, y]) => [x * width, y * height]);
  }

  reset() {
    this.corners = WHOLE.map((corner) => [...corner]);
    this.draw();
  }

  drag(number, { clientX, clientY }) {
    const box = this.stage.getBoundingClientRect();
    this.move(number, (clientX - box.left) / box.width, (clientY - box.top) / box.height);
  }

  /** Move a corner, but not so far that the frame turns inside out. */
  move(number, x, y) {
    const before = this.corners[number];
    this.corners[number] = [Math.min(1, Math.max(0, x)), Math.min(1, Math.max(0, y))];
    if (!this.isConvex()) this.corners[number] = before;
    this.draw();
  }

  isConvex() {
    return this.corners.every(([x, y], number) => {
      const [u, v] = this.corners[(number + 1) % 4], [s, t] = this.corners[(number + 2) % 4];
      return (u - x) * (t - v) - (v - y) * (s - u) > 0.005;
    });
  }

  draw() {
    const path = `M${this.corners.map(([x, y]) => `${100 * x} ${100 * y}`).join("L")}Z`;
    this.edge.setAttribute("d", path);
    this.shade.setAttribute("d", `M0 0H100V100H0Z${path}`);
    this.corners.forEach(([x, y], number) => {
      const handle = this.handles[number], percent = (part) => Math.round(100 * part);
      handle.style.left = `${100 * x}%`;
      handle.style.top = `${100 * y}%`;
      handle.setAttribute("aria-label", `${NAMES[number]}: ${percent(x)} % from the left, ${percent(y)} % from the top`);
    });
  }
}
