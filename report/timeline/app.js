/* Puts the page together: what is shown, how the parts tell one another, and the link that brings a reader back to the same view. */

class App {
  constructor(data) {
    this.nets = data.nets.map((raw, i) => new Net(raw, i));
    this.state = { chosen: null, near: null, held: false, hidden: new Set(), query: '', axis: 'ops' };
    this.sameScale = true;
    this.colours = readColours();
    this.main = new MapView(by('map'), this);
    this.beside = null;
    this.active = this.main;
    this.panels = new Panels(this);
    this.story = new Story(this);
    this.tables = new Tables(this);
    this.wire();
    this.start();
  }

  get plan() { return this.main.plan; }
  get net() { return this.main.plan.owner; }
  get views() { return this.beside ? [this.main, this.beside] : [this.main]; }
  get filtered() { return this.state.query !== '' || this.state.hidden.size > 0; }

  topOf(plan) {
    const plans = this.beside && this.sameScale ? this.views.map(view => view.plan || plan) : [plan];
    return Math.max(plan.peak_bytes, ...plans.map(other => other.peak_bytes));
  }
  matches(buffer) {
    const query = this.state.query;
    return !query || buffer.name.toLowerCase().includes(query) || KINDS[buffer.kind][0].includes(query);
  }
  isDim(buffer) {
    if (!this.filtered) return false;
    return !this.matches(buffer) || buffer.segments.every(piece => this.state.hidden.has(piece.kind));
  }

  /* ---- what is shown ---- */

  /* animate: the map moves from the plan before to this one. */
  pick(plan, animate) {
    const before = this.plan, name = this.state.chosen && this.state.chosen.name;
    const otherNet = !before || before.owner !== plan.owner;
    this.main.show(plan, animate && !otherNet);
    this.main.step = plan.peak.step;
    this.active = this.main;
    this.state.near = null;
    this.state.chosen = (name && plan.byName.get(name)) || plan.alive(plan.peak.step)[0] || null;
    if (this.beside) {
      this.beside.view = this.beside.whole;
      this.beside.step = this.beside.plan.matchingOp(plan, this.main.step);
      this.beside.draw();
    }
    this.title();
    if (otherNet) this.story.drawNet();
    this.story.drawReason(before);
    this.story.drawBudget();
    this.panels.drawLegend();
    this.panels.drawHits();
    this.update();
    this.tables.draw();
    if (!animate || otherNet) this.settled();
  }
  title() {
    const { plan, net } = this, many = this.nets.length > 1 || net.plans.length > 1;
    document.title = `Memory of ${net.name}` + (many ? '' : `: ${plan.strategy}`);
    const placed = plan.buffers.length > 0 && plan.buffers[0].kind === 'buffer';
    by('what').textContent = placed ? 'Placement of' : 'Memory of one training step of';
    by('net-name').textContent = net.name;
    by('subtitle').textContent = `${net.names(plan)}: ${sizeText(plan.peak_bytes)}, ${plan.steps} ${placed ? 'stretches of time' : 'ops'}, ${plan.buffers.length} buffers` +
      (plan.conv ? `, convolutions ${plan.conv}` : '') + (net.path ? ` (${net.path})` : '');
    by('bars').replaceChildren(...this.summary(plan, net));
    by('main-title').textContent = `${net.name}: ${net.title(plan)}`;
    by('main-title').hidden = !this.beside;
  }
  summary(plan, net) {
    const gap = plan.peak_bytes - plan.lower_bound_bytes;
    const rows = [['Caffe', 'what Caffe itself allocates on a GPU without cuDNN', net.caffeBytes], ['Without sharing', 'these buffers, each at addresses of its own', plan.unshared_bytes],
      ['This arena', gap === 0 ? 'alive together at the peak: no placement can be smaller' : `${sizeText(gap)} above the lower bound`, plan.peak_bytes]].filter(row => row[2] > 0);
    const most = Math.max(...rows.map(row => row[2]));
    return rows.map(([name, meaning, bytes]) => element('div', { class: name === 'This arena' ? 'bar here' : 'bar' }, element('div', {}, element('b', {}, name), element('small', {}, meaning)),
      element('div', { class: 'track' }, element('i', { style: `width: calc((100% - 6em) * ${bytes / most})` }), sizeText(bytes))));
  }
  setBeside(plan) {
    if (!plan && this.beside) {
      by('beside-map').replaceChildren();
      this.beside = null;
      this.active = this.main;
      if (this.state.chosen && this.state.chosen.plan !== this.plan) this.state.chosen = null;
    } else if (plan) {
      if (!this.beside) {
        by('beside-figure').hidden = false;
        this.beside = new MapView(by('beside-map').appendChild(element('div', { class: 'map', id: 'second-map', tabindex: '0', role: 'application', 'aria-label': 'The map beside; it moves as the first one does.' })), this);
      }
      this.beside.show(plan, false);
      this.beside.step = plan.matchingOp(this.plan, this.main.step);
      by('beside-title').textContent = `${plan.owner.name}: ${plan.owner.title(plan)}, ${sizeText(plan.peak_bytes)}`;
    }
    by('beside-figure').hidden = !this.beside;
    document.body.classList.toggle('two', Boolean(this.beside));
    this.main.view = this.main.whole;
    this.title();
    this.story.fillBeside();
    this.panels.drawLegend();
    this.redraw();
    this.settled();
  }
  swap() {
    if (!this.beside) return;
    const [one, two] = [this.plan, this.beside.plan];
    this.beside.plan = one;
    this.pick(two, false);
    this.setBeside(one);
  }
  setSameScale(same) {
    this.sameScale = same;
    for (const view of this.views) view.view = view.whole;
    this.redraw();
  }
  setAxis(axis) {
    const chosen = axis === 'ms' && this.plan.timed ? 'ms' : 'ops';
    for (const [id, name] of [['axis-ops', 'ops'], ['axis-ms', 'ms']]) by(id).setAttribute('aria-pressed', String(name === chosen));
    if (this.state.axis !== chosen) {
      this.state.axis = chosen;
      for (const view of this.views) {
        view.past = [];
        view.view = view.whole;
      }
    }
    this.redraw();
    this.settled();
  }

  /* ---- cursor and choice ---- */

  goTo(view, step, hold) {
    if (hold) this.hold(true);
    view.step = Math.min(view.plan.steps - 1, Math.max(0, step));
    this.active = view;
    for (const other of this.views) if (other !== view) other.step = other.plan.matchingOp(view.plan, view.step);
    for (const each of this.views) each.follow();
    this.update();
    if (hold) this.settled();
  }
  hover(view, buffer, step, event) {
    const moves = step !== null && !this.state.held && step !== view.step;
    if (buffer !== this.state.near || moves) {
      this.state.near = buffer;
      if (moves) {
        view.step = step;
        this.active = view;
        for (const other of this.views) if (other !== view) other.step = other.plan.matchingOp(view.plan, step);
        this.update();
      }
      for (const each of this.views) each.drawOver();
    }
    this.panels.tip(buffer, view, event);
  }
  /* visit: the cursor goes there if the buffer is not alive where it is. */
  choose(buffer, visit) {
    this.state.chosen = buffer;
    const view = buffer && this.views.find(each => each.plan === buffer.plan);
    if (visit && view && (view.step < buffer.begin || view.step >= buffer.end)) this.goTo(view, buffer.begin, true);
    for (const each of this.views) each.drawOver();
    this.update();
    this.settled();
  }
  hold(held) {
    this.state.held = held;
    by('hold').setAttribute('aria-pressed', String(held));
  }
  search(text) {
    this.state.query = text.trim().toLowerCase();
    this.panels.drawHits();
    this.redraw();
  }
  viewChanged(view) {
    for (const other of this.views) {
      if (other === view || !this.sameScale) continue;
      const from = view.whole, to = other.whole, part = (at, a, b, c, d) => c + (at - a) / (b - a) * (d - c);
      other.view = { x0: part(view.view.x0, from.x0, from.x1, to.x0, to.x1), x1: part(view.view.x1, from.x0, from.x1, to.x0, to.x1), y0: view.view.y0, y1: view.view.y1 };
      other.draw();
    }
    this.buttons();
    this.settled();
  }
  buttons() {
    by('reset').disabled = this.main.isWhole;
    by('undo').disabled = this.main.past.length === 0;
  }
  update() {
    this.panels.drawStep();
    this.panels.drawChosen();
    this.buttons();
  }
  redraw() {
    for (const view of this.views) view.draw();
    this.update();
  }

  /* ---- the link ---- */

  settled() {
    clearTimeout(this.linkTimer);
    this.linkTimer = setTimeout(() => this.writeLink(), 150);
  }
  writeLink() {
    const p = new URLSearchParams(), v = this.main.view, round = value => Number(value.toPrecision(6));
    if (this.nets.length > 1) p.set('net', this.net.name);
    if (this.net.plans.length > 1) p.set('strategy', this.net.title(this.plan));
    p.set('op', this.main.step);
    if (this.state.chosen) p.set('buffer', this.state.chosen.name);
    if (this.beside) p.set('beside', `${this.beside.plan.owner.name}:${this.beside.plan.owner.title(this.beside.plan)}`);
    if (this.state.axis === 'ms') p.set('axis', 'ms');
    if (!this.main.isWhole) p.set('view', [v.x0, v.x1, v.y0, v.y1].map(round).join(','));
    try {
      history.replaceState(null, '', '#' + p);
    } catch { /* some places show pages without an address */ }
  }
  planOf(net, name) {
    const rung = net.ladder.find(r => r.name === name);
    return rung ? rung.plan : net.plans.find(plan => plan.strategy === name);
  }
  start() {
    if (window.innerWidth < 600) document.querySelector('.guide').open = false;
    const p = new URLSearchParams(location.hash.slice(1)), net = this.nets.find(n => n.name === p.get('net')) || this.nets[0];
    this.pick(this.planOf(net, p.get('strategy')) || this.planOf(net, 'fastest') || net.plans[0], false);
    by('axis-ms').disabled = !this.plan.timed;
    by('axis-box').hidden = !this.plan.timed;
    const [besideNet, ...rest] = (p.get('beside') || '').split(':'), other = this.nets.find(n => n.name === besideNet);
    if (other && this.planOf(other, rest.join(':'))) this.setBeside(this.planOf(other, rest.join(':')));
    if (p.get('axis') === 'ms') this.setAxis('ms');
    const view = (p.get('view') || '').split(',').map(Number);
    if (view.length === 4 && view.every(Number.isFinite)) this.main.look({ x0: view[0], x1: view[1], y0: view[2], y1: view[3] }, false);
    if (p.has('buffer')) this.state.chosen = this.plan.byName.get(p.get('buffer')) || this.state.chosen;
    if (/^\d+$/.test(p.get('op') || '')) this.goTo(this.main, Number(p.get('op')), true);
    this.redraw();
  }

  /* ---- buttons ---- */

  wire() {
    const click = (id, does) => by(id).addEventListener('click', does);
    click('peak', () => this.goTo(this.main, this.plan.peak.step, true));
    click('hold', () => this.hold(!this.state.held));
    click('reset', () => this.main.showAll());
    click('undo', () => this.main.back());
    click('zoom-in', () => this.main.zoom(1.5));
    click('zoom-out', () => this.main.zoom(1 / 1.5));
    click('axis-ops', () => this.setAxis('ops'));
    click('axis-ms', () => this.setAxis('ms'));
    click('save-svg', () => this.save('svg'));
    click('save-png', () => this.save('png'));
    by('step').addEventListener('input', event => this.goTo(this.active, Number(event.target.value), true));
    const recolour = printing => {
      this.colours = readColours();
      this.redraw();
      for (const view of this.views) view.print(printing === true);
    };
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => recolour());
    matchMedia('print').addEventListener('change', event => recolour(event.matches));
    window.addEventListener('beforeprint', () => recolour(true));
    window.addEventListener('afterprint', () => recolour());
  }

  /* ---- files ---- */

  save(type) {
    const name = `${this.net.name}_${this.net.title(this.plan)}.${type}`.replace(/[^\w.+=-]+/g, '_');
    const give = blob => {
      const url = URL.createObjectURL(blob), link = element('a', { download: name });
      link.href = url;
      link.click();
      setTimeout(() => URL.revokeObjectURL(url), 10000);
    };
    if (type === 'svg') return give(new Blob([this.main.svg()], { type: 'image/svg+xml' }));
    const canvas = element('canvas'), view = this.main;
    canvas.width = view.width * 2;
    canvas.height = view.height * 2;
    const context = canvas.getContext('2d');
    context.fillStyle = this.colours.card;
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.scale(2, 2);
    view.paint(new CanvasPainter(context), this.colours, view.shapesOf(view.plan));
    return canvas.toBlob(give, 'image/png');
  }
}

{
  const root = document.documentElement;
  window.addEventListener('error', event => { root.dataset.state = 'failed: ' + event.message; });
  window.page = new App(JSON.parse(by('plan').textContent));
  root.dataset.buffers = window.page.plan.buffers.length;
  root.dataset.state = root.dataset.state || 'ready';
}
