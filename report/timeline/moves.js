/* How a map is moved: mouse, wheel, touch, keyboard. */

MapView.prototype.place = function (event) {
  const edge = this.host.getBoundingClientRect();
  return [event.clientX - edge.left, event.clientY - edge.top];
};

MapView.prototype.listen = function () {
  const host = this.host, on = (type, handler, options) => host.addEventListener(type, event => this.plan && handler(event), options);
  on('pointerdown', event => this.pressed(event));
  on('pointermove', event => this.moved(event));
  on('pointerup', event => this.released(event));
  on('pointercancel', event => this.dropped(event));
  on('pointerleave', event => { if (!this.pointers.has(event.pointerId)) this.app.hover(this, null, null, event); });
  on('wheel', event => this.wheeled(event), { passive: false });
  on('dblclick', () => this.showAll());
  on('keydown', event => this.typed(event));
};

MapView.prototype.pressed = function (event) {
  if (event.button !== 0) return;
  const [px, py] = this.place(event);
  this.pointers.set(event.pointerId, { px, py });
  try {
    this.host.setPointerCapture(event.pointerId);
  } catch { /* a made-up event has no pointer to capture */ }
  if (this.pointers.size === 1) this.drag = { px, py, from: { ...this.view }, moved: false, box: event.pointerType === 'mouse' && (event.shiftKey || this.isWhole) };
  else this.drag = { pinch: true, from: { ...this.view }, moved: true };
};

MapView.prototype.moved = function (event) {
  const [px, py] = this.place(event), last = this.pointers.get(event.pointerId), drag = this.drag;
  if (!last || !drag) return this.app.hover(this, this.bufferAt(px, py), px >= this.box.left && px <= this.box.right ? this.opAtX(px) : null, event);
  if (drag.pinch) return this.pinched(event, px, py);
  if (!drag.moved && Math.hypot(px - drag.px, py - drag.py) > 5) drag.moved = true;
  if (!drag.moved) return undefined;
  if (drag.box) {
    this.mark = { x: Math.min(px, drag.px), y: Math.min(py, drag.py), width: Math.abs(px - drag.px), height: Math.abs(py - drag.py) };
    this.drawOver();
  } else if (!this.isWhole) {
    if (!drag.kept) this.past.push(drag.from);
    drag.kept = true;
    this.pan(px - last.px, py - last.py);
  }
  Object.assign(last, { px, py });
  return undefined;
};

MapView.prototype.pinched = function (event, px, py) {
  const [one, two] = [...this.pointers.keys()].slice(0, 2), far = this.pointers.get(event.pointerId === one ? two : one), near = this.pointers.get(event.pointerId);
  if (!far || !near) return;
  const before = Math.hypot(near.px - far.px, near.py - far.py), after = Math.hypot(px - far.px, py - far.py);
  if (!this.drag.kept) this.past.push(this.drag.from);
  this.drag.kept = true;
  if (before > 8 && after > 8) this.zoom(after / before, far.px, far.py, false);
  Object.assign(near, { px, py });
};

MapView.prototype.dropped = function (event) {
  this.pointers.delete(event.pointerId);
  if (this.pointers.size === 0) this.drag = this.mark = null;
  this.drawOver();
};

MapView.prototype.released = function (event) {
  const [px, py] = this.place(event), drag = this.drag, mark = this.mark;
  if (!drag) return;
  this.dropped(event);
  if (mark) {
    const [x0, x1] = [this.atX(mark.x), this.atX(mark.x + mark.width)], below = mark.y > this.box.mapBottom;
    this.look({ x0, x1, y0: below ? this.view.y0 : this.atY(mark.y + mark.height), y1: below ? this.view.y1 : this.atY(mark.y) });
  } else if (!drag.moved && px >= this.box.left && px <= this.box.right) {
    const buffer = this.bufferAt(px, py);
    this.app.goTo(this, this.opAtX(px), true);
    this.app.choose(buffer === this.app.state.chosen ? null : buffer);
  }
};

/* Zooming out of the whole map is left to the page, which then scrolls. */
MapView.prototype.wheeled = function (event) {
  const [px, py] = this.place(event), unit = event.deltaMode === 1 ? 30 : 1;
  if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
    if (this.isWhole) return;
    event.preventDefault();
    this.pan(-event.deltaX * unit, 0);
    return;
  }
  if (this.isWhole && event.deltaY > 0 && !event.ctrlKey) return;
  event.preventDefault();
  const now = performance.now(), remember = now - (this.wheeledAt || 0) > 500;
  this.wheeledAt = now;
  this.zoom(Math.exp(-event.deltaY * unit * (event.ctrlKey ? 0.01 : 0.002)), px, py, remember, event.shiftKey);
};

/* Up and down walk through the buffers alive at the cursor, by address. */
MapView.prototype.walk = function (direction) {
  const here = this.plan.alive(this.step).filter(buffer => !this.app.isDim(buffer)).sort((a, b) => a.offset_bytes - b.offset_bytes);
  if (!here.length) return;
  const at = here.indexOf(this.app.state.chosen);
  this.app.choose(at < 0 ? here[direction > 0 ? 0 : here.length - 1] : here[(at + direction + here.length) % here.length]);
};

MapView.prototype.typed = function (event) {
  const app = this.app, chosen = app.state.chosen;
  const keys = {
    ArrowLeft: () => app.goTo(this, this.step - 1, true), ArrowRight: () => app.goTo(this, this.step + 1, true),
    Home: () => app.goTo(this, 0, true), End: () => app.goTo(this, this.plan.steps - 1, true),
    ArrowUp: () => this.walk(1), ArrowDown: () => this.walk(-1), p: () => app.goTo(this, this.plan.peak.step, true),
    Enter: () => chosen && chosen.plan === this.plan && this.zoomTo(chosen), '+': () => this.zoom(1.5), '=': () => this.zoom(1.5), '-': () => this.zoom(1 / 1.5),
    '0': () => this.showAll(), u: () => this.back(), Backspace: () => this.back(),
    Escape: () => { app.choose(null); this.showAll(); },
  };
  if (event.shiftKey && event.key.startsWith('Arrow')) {
    const by = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] }[event.key];
    event.preventDefault();
    return this.pan(...by);
  }
  if ((event.ctrlKey || event.metaKey) && event.key === 'z') {
    event.preventDefault();
    return this.back();
  }
  if (!keys[event.key] || event.ctrlKey || event.metaKey || event.altKey) return undefined;
  event.preventDefault();
  return keys[event.key]();
};
