/* The map of addresses over time with the load below it: one MapView draws one plan. The picture is a canvas; what follows the
 * pointer is a second canvas above it, so that a move draws only that. */

const LEAST_BYTES = 256;

class MapView {
  /* host: an empty element with a tabindex; app: see app.js. */
  constructor(host, app) {
    this.host = host;
    this.app = app;
    this.base = host.appendChild(element('canvas', { 'aria-hidden': 'true' }));
    this.over = host.appendChild(element('canvas', { 'aria-hidden': 'true' }));
    this.past = [];
    this.step = 0;
    this.animation = 0;
    this.pointers = new Map();
    this.listen();
    new ResizeObserver(() => { if (this.plan && (host.clientWidth !== this.width || host.clientHeight !== this.height)) this.draw(); }).observe(host);
  }

  get axis() { return this.app.state.axis === 'ms' && this.plan.timed ? 'ms' : 'ops'; }
  get starts() { return this.plan.starts[this.axis]; }
  get whole() { return { x0: 0, x1: this.starts[this.plan.steps], y0: 0, y1: this.app.topOf(this.plan) }; }
  get isWhole() {
    const whole = this.whole;
    return Object.keys(whole).every(key => Math.abs(this.view[key] - whole[key]) < 1e-9 * (1 + Math.abs(whole[key])));
  }

  /* ---- geometry ---- */

  measure() {
    const host = this.host, narrow = host.clientWidth < 560;
    this.width = host.clientWidth || 900;
    this.height = host.clientHeight || 700;
    const labels = this.height > 420 ? 92 : 64, live = Math.min(118, this.height * 0.2), bottom = this.height - labels;
    this.box = { left: narrow ? 58 : 78, right: this.width - 10, top: 34, mapBottom: bottom - live - 42, liveTop: bottom - live, liveBottom: bottom };
  }
  x(at) { return this.box.left + (at - this.view.x0) / (this.view.x1 - this.view.x0) * (this.box.right - this.box.left); }
  y(bytes) { return this.box.mapBottom - (bytes - this.view.y0) / (this.view.y1 - this.view.y0) * (this.box.mapBottom - this.box.top); }
  yLive(bytes) { return this.box.liveBottom - bytes / this.whole.y1 * (this.box.liveBottom - this.box.liveTop); }
  atX(px) { return this.view.x0 + (px - this.box.left) / (this.box.right - this.box.left) * (this.view.x1 - this.view.x0); }
  atY(py) { return this.view.y0 + (this.box.mapBottom - py) / (this.box.mapBottom - this.box.top) * (this.view.y1 - this.view.y0); }
  opAtX(px) { return Math.min(this.plan.steps - 1, Math.max(0, this.plan.opAt(this.axis, this.atX(px)))); }

  /* ---- drawing ---- */

  static ticks(low, high, wanted, powers) {
    let gap = powers === 2 ? 1 : 10 ** Math.floor(Math.log10((high - low) / wanted || 1));
    const steps = powers === 2 ? [2] : [2, 2.5, 2];
    for (let i = 0; (high - low) / gap > wanted; i++) gap *= steps[i % steps.length];
    const list = [];
    for (let value = Math.ceil(low / gap) * gap; value <= high * (1 + 1e-12); value += gap) list.push(value);
    return list;
  }
  static byteText(bytes) {
    const [unit, value] = UNITS.find(([, v]) => bytes >= v) || ['B', 1];
    return bytes === 0 ? '0' : `${Math.round(bytes / value * 100) / 100} ${unit}`;
  }

  drawAxes(p, colours) {
    const { box, view } = this;
    p.rect(box.left, box.top, box.right - box.left, box.mapBottom - box.top, colours.plot, colours.line);
    p.rect(box.left, box.liveTop, box.right - box.left, box.liveBottom - box.liveTop, colours.plot, colours.line);
    const mark = (bytes, y) => {
      p.line(box.left, y, box.right, y, colours.grid);
      p.text(box.left - 6, y + 4, MapView.byteText(bytes), { fill: colours.soft, size: 11.5, align: 'right' });
    };
    for (const bytes of MapView.ticks(view.y0, view.y1, (box.mapBottom - box.top) / 52, 2)) mark(bytes, this.y(bytes));
    for (const bytes of MapView.ticks(0, this.whole.y1, 3, 2)) mark(bytes, this.yLive(bytes));
    if (this.width >= 560) p.text(13, (box.top + box.mapBottom) / 2, 'address in the arena', { fill: colours.ink, weight: 600, align: 'center', turn: -90 });
    const peak = this.width < 560 ? '' : `peak ${sizeText(this.plan.peak_bytes)}` + (this.plan.lower_bound_bytes === this.plan.peak_bytes ? ', no placement can be smaller' : `, lower bound ${sizeText(this.plan.lower_bound_bytes)}`);
    p.text(box.left, box.liveTop - 8, 'bytes alive, by kind', { fill: colours.ink, weight: 600 });
    p.text(box.right, box.liveTop - 8, peak, { fill: colours.soft, align: 'right' });
  }

  drawPhases(p, colours) {
    const { ops } = this.plan, { box } = this;
    for (let from = 0, to; from < ops.length; from = to) {
      for (to = from + 1; to < ops.length && ops[to].phase === ops[from].phase; to++);
      const low = Math.max(this.x(this.starts[from]), box.left), high = Math.min(this.x(this.starts[to]), box.right);
      if (high <= low) continue;
      p.rect(low, 6, high - low, 22, colours[ops[from].phase] || colours.grid);
      const ms = this.plan.timed ? `, ${timeText(this.plan.starts.ms[to] - this.plan.starts.ms[from])}` : '', name = ops[from].phase || '';
      const text = high - low > 7.4 * (name + ms).length ? name + ms : name;
      if (name && high - low > 8 * text.length) p.text((low + high) / 2, 21.5, text, { fill: colours.ink, size: 12.5, weight: 600, align: 'center' });
    }
  }

  /* Consecutive ops of one layer share a label; labels that would collide are left out. */
  drawLabels(p, colours) {
    const { ops } = this.plan, { box } = this, starts = this.starts;
    const layer = op => op.layer || (op.phase ? op.name.split(' ')[0] : op.name);
    let free = box.left - 6;
    for (let from = 0, to; from < ops.length; from = to) {
      for (to = from + 1; to < ops.length && layer(ops[to]) === layer(ops[from]); to++);
      const low = this.x(starts[from]), high = this.x(starts[to]), middle = (Math.max(low, box.left) + Math.min(high, box.right)) / 2;
      if (high <= box.left || low >= box.right || middle < free) continue;
      p.text(middle + 4, box.liveBottom + 11, layer(ops[from]).slice(0, 16), { fill: colours.soft, size: 11, align: 'right', turn: -52 });
      free = middle + 13;
    }
    const unit = this.axis === 'ms' ? `time (${this.plan.times ? this.plan.times.from : ''})` : 'one column per op';
    p.text(box.right, this.height - 5, unit + ' →', { fill: colours.soft, size: 11, align: 'right' });
  }

  drawLoad(p, colours) {
    const { plan } = this, first = plan.opAt(this.axis, this.view.x0), end = Math.min(plan.steps, plan.opAt(this.axis, this.view.x1) + 1);
    const base = new Float64Array(end);
    for (const kind of KIND_LIST) {
      const sum = plan.load[kind];
      if (!sum) continue;
      const up = [], down = [];
      for (let i = first; i < end; i++) {
        const left = this.x(this.starts[i]), right = this.x(this.starts[i + 1]), top = this.yLive(base[i] + sum[i]), bottom = this.yLive(base[i]);
        up.push([left, top], [right, top]);
        down.push([left, bottom], [right, bottom]);
        base[i] += sum[i];
      }
      p.polygon(up.concat(down.reverse()), colours[kind]);
    }
  }

  /* shapes: [{buffer, low, high (bytes), pieces [{a, b, kind}] (axis), alpha, gone}] */
  drawShapes(p, shapes, colours) {
    const { box, view } = this, app = this.app;
    const named = [];
    for (const { buffer, low, high, pieces, alpha = 1, mark } of shapes) {
      if (high < view.y0 || low > view.y1) continue;
      const top = this.y(high), height = Math.max(this.y(low) - top, 0.5), dim = app.isDim(buffer);
      let begin = Infinity, end = -Infinity;
      for (const { a, b, kind } of pieces) {
        if (b < view.x0 || a > view.x1) continue;
        const left = this.x(a), width = Math.max(this.x(b) - left, 0.8);
        p.rect(left, top, width, height, colours[kind], height > 3 && width > 2 && !dim ? colours.plot : '', 1, alpha * (dim ? 0.12 : 1));
        begin = Math.min(begin, left);
        end = Math.max(end, left + width);
      }
      if (mark && end > begin) p.rect(begin, top, end - begin, height, '', colours.cursor, 2, alpha);
      if (height >= 13 && end - begin > 34 && !dim && alpha > 0.6) named.push([buffer, Math.max(begin, box.left), Math.min(end, box.right), top, top + height, pieces]);
    }
    for (const [buffer, begin, end, top, bottom, pieces] of named) {
      const room = Math.floor((end - begin - 8) / 6.4), name = buffer.name;
      if (room < 3) continue;
      const first = pieces.find(piece => this.x(piece.b) > begin + 8) || pieces[0];
      p.text(begin + 4, (Math.max(top, box.top) + Math.min(bottom, box.mapBottom)) / 2 + 4, name.length > room ? name.slice(0, room - 1) + '…' : name,
        { fill: colours.on[first.kind], size: 11.5 });
    }
  }
  shapesOf(plan) {
    const starts = plan.starts[this.axis];
    return plan.buffers.map(buffer => ({ buffer, low: buffer.offset_bytes, high: buffer.top,
      pieces: buffer.segments.map(({ begin, end, kind }) => ({ a: starts[begin], b: starts[end], kind })) }));
  }

  paint(p, colours, shapes) {
    const { box } = this;
    this.drawAxes(p, colours);
    this.drawPhases(p, colours);
    p.clipped(box.left, box.top, box.right - box.left, box.mapBottom - box.top, () => {
      this.drawShapes(p, shapes, colours);
      const peak = this.y(this.plan.peak_bytes), bound = this.y(this.plan.lower_bound_bytes);
      p.line(box.left, peak, box.right, peak, colours.ink, 1.5);
      if (this.plan.lower_bound_bytes < this.plan.peak_bytes) p.line(box.left, bound, box.right, bound, colours.bound, 1.5, [6, 4]);
    });
    p.clipped(box.left, box.liveTop, box.right - box.left, box.liveBottom - box.liveTop, () => this.drawLoad(p, colours));
    for (let i = 1; i < this.plan.steps; i++) {
      const at = this.x(this.starts[i]);
      if (this.plan.ops[i].phase !== this.plan.ops[i - 1].phase && at > box.left && at < box.right) p.line(at, box.top, at, box.liveBottom, colours.soft, 1, [2, 3]);
    }
    this.drawLabels(p, colours);
  }

  prepare(canvas) {
    const scale = Math.min(window.devicePixelRatio || 1, 3), context = canvas.getContext('2d');
    if (canvas.width !== Math.round(this.width * scale) || canvas.height !== Math.round(this.height * scale)) {
      canvas.width = Math.round(this.width * scale);
      canvas.height = Math.round(this.height * scale);
      canvas.style.width = this.width + 'px';
      canvas.style.height = this.height + 'px';
    }
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, this.width, this.height);
    return context;
  }

  draw(shapes) {
    this.measure();
    this.paint(new CanvasPainter(this.prepare(this.base)), this.app.colours, shapes || this.shapesOf(this.plan));
    this.host.dataset.whole = String(this.isWhole);
    this.drawOver();
  }

  outline(p, buffer, colour, width) {
    const here = buffer && (buffer.plan === this.plan ? buffer : this.plan.byName.get(buffer.name));
    if (!here) return;
    const left = this.x(this.starts[here.begin]), right = this.x(this.starts[here.end]), top = this.y(here.top), bottom = this.y(here.offset_bytes);
    p.rect(left, top, Math.max(right - left, 2), Math.max(bottom - top, 2), '', colour, width);
  }

  /* For paper: the picture as SVG, which prints sharp. */
  print(printing) {
    if (this.printed) this.printed.remove();
    this.printed = null;
    if (!printing) return;
    this.printed = this.host.appendChild(element('div', { class: 'printed', 'aria-hidden': 'true' }));
    this.printed.innerHTML = this.svg();
  }

  drawOver() {
    const p = new CanvasPainter(this.prepare(this.over)), colours = this.app.colours;
    this.drawMarks(p);
    if (this.mark) p.rect(this.mark.x, this.mark.y, this.mark.width, this.mark.height, colours.accent, colours.accent, 1, 0.3);
  }

  /* The cursor, and outlines of what is chosen and what the pointer is at. */
  drawMarks(p) {
    const { box, plan, step, app } = this, colours = app.colours;
    p.clipped(box.left, box.top, box.right - box.left, box.mapBottom - box.top, () => {
      this.outline(p, app.state.near, colours.ink, 2);
      this.outline(p, app.state.chosen, colours.plot, 5);
      this.outline(p, app.state.chosen, colours.cursor, 3);
    });
    const left = Math.max(this.x(this.starts[step]), box.left), right = Math.min(Math.max(this.x(this.starts[step + 1]), this.x(this.starts[step]) + 1), box.right);
    if (right > left) {
      p.rect(left, box.top, right - left, box.liveBottom - box.top, colours.cursor, '', 1, 0.16);
      p.line(left, box.top, left, box.liveBottom, colours.cursor, 1.5);
      p.line(right, box.top, right, box.liveBottom, colours.cursor, 1.5);
      const room = Math.floor((box.right - box.left) / 6.9);
      const text = `${step}: ${plan.ops[step].name}, ${sizeText(plan.ops[step].live_bytes)} alive`.slice(0, room), half = text.length * 3.5 + 4;
      const middle = Math.min(Math.max((left + right) / 2, box.left + half), box.right - half);
      p.rect(middle - half, box.mapBottom + 2, 2 * half, 17, colours.card, '', 1, 0.94);
      p.text(middle, box.mapBottom + 15, text, { fill: colours.cursor, weight: 600, align: 'center' });
    }
  }

  svg() {
    const p = new SvgPainter(this.width, this.height);
    this.paint(p, this.app.colours, this.shapesOf(this.plan));
    this.drawMarks(p);
    return p.document(this.app.colours.card);
  }

  /* ---- from one plan to another ---- */

  show(plan, animate) {
    const from = this.plan;
    cancelAnimationFrame(this.animation);
    this.host.dataset.moving = 'false';
    this.plan = plan;
    this.past = [];
    const top = from ? this.app.topOf(from) : 0;
    this.view = this.whole;
    this.measure();
    if (from && from !== plan && animate && !matchMedia('(prefers-reduced-motion: reduce)').matches) this.morph(from, top);
    else this.draw();
  }

  /* Buffers of one name move to their new place; what the new plan lacks is outlined and fades first, what is new comes last. */
  morph(from, fromTop) {
    const { plan, axis } = this, begun = performance.now(), toTop = this.app.topOf(plan), DURATION = 1500;
    const span = plan.starts[axis][plan.steps], a = from.starts[axis], b = plan.starts[axis];
    const old = at => a[at] / (a[from.steps] || 1) * span;
    const gone = from.buffers.filter(buffer => !plan.byName.has(buffer.name)), come = plan.buffers.filter(buffer => !from.byName.has(buffer.name));
    const both = plan.buffers.filter(buffer => from.byName.has(buffer.name)).map(buffer => [from.byName.get(buffer.name), buffer]);
    const ease = t => (t <= 0 ? 0 : t >= 1 ? 1 : t * t * (3 - 2 * t));
    const mix = (u, v, t) => u + (v - u) * t;
    const frame = now => {
      const t = Math.min(1, (now - begun) / DURATION), move = ease((t - 0.3) / 0.45), fade = 1 - ease((t - 0.1) / 0.35), rise = ease((t - 0.7) / 0.3);
      const shapes = [];
      for (const [one, other] of both)
        shapes.push({ buffer: other, low: mix(one.offset_bytes, other.offset_bytes, move), high: mix(one.top, other.top, move),
          pieces: other.segments.map((piece, i) => {
            const was = one.segments[Math.min(i, one.segments.length - 1)], single = other.segments.length !== one.segments.length;
            return { a: mix(old(i && single ? was.end : was.begin), b[piece.begin], move), b: mix(old(was.end), b[piece.end], move), kind: move < 0.5 ? was.kind : piece.kind };
          }) });
      for (const buffer of come)
        if (rise > 0) shapes.push({ buffer, low: buffer.offset_bytes, high: buffer.top, alpha: rise, pieces: buffer.segments.map(({ begin, end, kind }) => ({ a: b[begin], b: b[end], kind })) });
      for (const buffer of gone)
        if (fade > 0) shapes.push({ buffer, low: buffer.offset_bytes, high: buffer.top, alpha: fade, mark: true, pieces: buffer.segments.map(({ begin, end, kind }) => ({ a: old(begin), b: old(end), kind })) });
      this.view = { ...this.whole, y1: mix(fromTop, toTop, ease((t - 0.65) / 0.35)) };
      this.draw(t < 1 ? shapes : undefined);
      this.host.dataset.moving = String(t < 1);
      if (t < 1) this.animation = requestAnimationFrame(frame);
      else this.app.settled();
    };
    this.host.dataset.moving = 'true';
    this.animation = requestAnimationFrame(frame);
  }

  /* ---- moving the view ---- */

  clamp(view) {
    const whole = this.whole, least = (whole.x1 - whole.x0) * Math.min(1, 3 / this.plan.steps), v = { ...view };
    const fit = (low, high, from, to, min) => {
      let span = Math.min(Math.max(high - low, min), to - from), start = (low + high - span) / 2;
      start = Math.min(Math.max(start, from), to - span);
      return [start, start + span];
    };
    [v.x0, v.x1] = fit(v.x0, v.x1, whole.x0, whole.x1, this.axis === 'ms' ? least / 50 : least);
    [v.y0, v.y1] = fit(v.y0, v.y1, whole.y0, whole.y1, LEAST_BYTES);
    return v;
  }
  /* remember: the view as it is can be come back to with undo. */
  look(view, remember = true) {
    if (remember) this.past.push({ ...this.view });
    if (this.past.length > 200) this.past.shift();
    this.view = this.clamp(view);
    this.draw();
    this.app.viewChanged(this);
  }
  zoom(factor, px = (this.box.left + this.box.right) / 2, py = (this.box.top + this.box.mapBottom) / 2, remember = true, sideways = false) {
    const v = this.view, cx = this.atX(px), cy = this.atY(Math.min(py, this.box.mapBottom)), k = 1 / factor, ky = sideways ? 1 : k;
    this.look({ x0: cx - (cx - v.x0) * k, x1: cx + (v.x1 - cx) * k, y0: cy - (cy - v.y0) * ky, y1: cy + (v.y1 - cy) * ky }, remember);
  }
  pan(dx, dy, remember = false) {
    const v = this.view, perX = (v.x1 - v.x0) / (this.box.right - this.box.left), perY = (v.y1 - v.y0) / (this.box.mapBottom - this.box.top);
    this.look({ x0: v.x0 - dx * perX, x1: v.x1 - dx * perX, y0: v.y0 + dy * perY, y1: v.y1 + dy * perY }, remember);
  }
  zoomTo(buffer) {
    const a = this.starts[buffer.begin], b = this.starts[buffer.end], sideways = 0.3 * (b - a), upwards = Math.max(64, 0.6 * buffer.size_bytes);
    this.look({ x0: a - sideways, x1: b + sideways, y0: buffer.offset_bytes - upwards, y1: buffer.top + upwards });
  }
  showAll() {
    this.look(this.whole);
  }
  back() {
    const view = this.past.pop();
    if (view) this.look(view, false);
  }
  /* The cursor's op, and what is chosen, come into view. */
  follow() {
    const v = this.view, a = this.starts[this.step], b = this.starts[this.step + 1];
    if (a >= v.x0 && b <= v.x1) return this.drawOver();
    const middle = (a + b) / 2, half = (v.x1 - v.x0) / 2;
    this.look({ ...v, x0: middle - half, x1: middle + half }, false);
  }

  bufferAt(px, py) {
    const { box, plan } = this;
    if (px < box.left || px > box.right || py < box.top || py > box.mapBottom) return null;
    const step = this.opAtX(px), bytes = this.atY(py);
    let best = null, distance = 3 / (box.mapBottom - box.top) * (this.view.y1 - this.view.y0);
    for (const buffer of plan.buffers) {
      if (buffer.begin > step || step >= buffer.end) continue;
      const off = Math.max(0, buffer.offset_bytes - bytes, bytes - buffer.top);
      if ((off > 0 && off >= distance) || this.app.isDim(buffer)) continue;
      if (off === 0) return buffer;
      [best, distance] = [buffer, off];
    }
    return best;
  }
}
