'use strict';
/* The timeline of an arena: draws the plan that the page carries. No library, no network. */
(() => {
  const page = document.documentElement;
  window.addEventListener('error', event => { page.dataset.state = 'failed: ' + event.message; });

  const plan = JSON.parse(document.getElementById('plan').textContent);
  const KINDS = {
    activation: 'outputs of layers',
    activation_grad: 'gradients of those outputs',
    saved: 'what a layer keeps for its backward pass',
    mask: 'which pixel each pooling window took',
    workspace: 'scratch space of one operation',
    param: 'weights and biases',
    grad: 'gradients of weights and biases',
    history: "the solver's momentum",
    input: 'images and labels',
    scalar: 'losses, accuracies, counters',
  };
  const KIND_NAMES = {
    activation: 'activation', activation_grad: 'activation gradient', saved: 'saved', mask: 'pooling mask', workspace: 'workspace',
    param: 'parameter', grad: 'parameter gradient', history: 'momentum', input: 'input', scalar: 'scalar',
  };
  const buffers = plan.buffers.map((buffer, id) => ({ ...buffer, id, top: buffer.offset_bytes + buffer.size_bytes }));
  const steps = plan.steps;
  const ops = plan.ops.length ? plan.ops : [{ name: 'nothing', phase: 'forward', live_bytes: 0 }];
  const WHOLE = { x0: 0, x1: steps, y0: 0, y1: plan.peak_bytes };
  const state = { step: plan.peak.step, held: false, chosen: null, near: null, hidden: new Set(), query: '', all: false, view: { ...WHOLE } };

  /* ------------------------------------------------------------------ helpers ------------------------------------------- */

  const by = id => document.getElementById(id);
  const UNITS = [['GiB', 2 ** 30], ['MiB', 2 ** 20], ['KiB', 2 ** 10]];
  function size(bytes) {
    for (const [unit, value] of UNITS)
      if (bytes >= value) return (bytes / value).toFixed(bytes >= 100 * value ? 0 : bytes >= 10 * value ? 1 : 2) + ' ' + unit;
    return bytes + ' B';
  }
  const exact = bytes => bytes.toLocaleString('en-US');
  const percent = part => (100 * part).toFixed(1) + ' %';
  const alive = (buffer, step) => buffer.begin <= step && step < buffer.end;
  const matches = buffer => !state.hidden.has(buffer.kind) &&
    (!state.query || buffer.name.toLowerCase().includes(state.query) || KIND_NAMES[buffer.kind].includes(state.query));

  function html(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  }
  function svg(parent, tag, attributes = {}, text) {
    const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    if (text !== undefined) element.textContent = text;
    parent.append(element);
    return element;
  }
  const chip = kind => html('span', { class: 'chip fill-' + kind });

  /* ------------------------------------------------------------------ summary ------------------------------------------- */

  function drawSummary() {
    document.title = 'Memory of a training step: ' + plan.net;
    by('net-name').textContent = plan.net;
    by('subtitle').textContent = `strategy ${plan.strategy}, convolutions ${plan.conv}, ${steps} ops, ${buffers.length} buffers (${plan.path})`;
    const gap = plan.peak_bytes - plan.lower_bound_bytes;
    const rows = [
      ['Caffe', 'what Caffe itself allocates on a GPU without cuDNN', plan.caffe_total_bytes],
      ['Without sharing', 'these buffers, each at an address of its own', plan.unshared_bytes],
      ['This arena', `${percent(plan.peak_bytes / plan.caffe_total_bytes)} of Caffe's; ` +
        (gap === 0 ? 'no placement is smaller' : `${size(gap)} above the lower bound`), plan.peak_bytes],
      ['Lower bound', 'alive together at the worst op', plan.lower_bound_bytes],
    ];
    const most = Math.max(...rows.map(row => row[2]));
    for (const [name, meaning, bytes] of rows) {
      const here = name === 'This arena';
      const track = html('div', { class: 'track' }, html('i', { style: `width: calc((100% - 6em) * ${bytes / most})` }), size(bytes));
      by('bars').append(html('div', { class: here ? 'bar here' : 'bar' }, html('div', {}, html('b', {}, name), html('small', {}, meaning)), track));
    }
  }

  function drawLegend() {
    for (const kind of Object.keys(KINDS)) {
      const count = buffers.filter(buffer => buffer.kind === kind).length;
      if (!count) continue;
      const button = html('button', { type: 'button', 'aria-pressed': 'true', title: `${KINDS[kind]} (${count})` }, chip(kind), KIND_NAMES[kind]);
      button.addEventListener('click', () => {
        if (!state.hidden.delete(kind)) state.hidden.add(kind);
        button.setAttribute('aria-pressed', String(!state.hidden.has(kind)));
        refresh();
      });
      by('legend').append(button);
    }
  }

  /* ------------------------------------------------------------------ the map ------------------------------------------- */

  const chart = by('chart');
  const space = { left: 84, right: 16, strip: 24, labels: 104, live: 120, between: 40 };
  let box, marks, cursor, rectangles = [];

  function measure() {
    const width = chart.clientWidth || 900, height = chart.clientHeight || 720;
    const bottom = height - space.labels;
    box = { width, height, left: space.left, right: width - space.right, top: space.strip + 16,
      mapBottom: bottom - space.live - space.between, liveTop: bottom - space.live, liveBottom: bottom };
  }
  const x = step => box.left + (step - state.view.x0) / (state.view.x1 - state.view.x0) * (box.right - box.left);
  const y = bytes => box.mapBottom - (bytes - state.view.y0) / (state.view.y1 - state.view.y0) * (box.mapBottom - box.top);
  const yLive = bytes => box.liveBottom - bytes / plan.peak_bytes * (box.liveBottom - box.liveTop);
  const stepAt = px => Math.min(steps - 1, Math.max(0, Math.floor(state.view.x0 + (px - box.left) / (box.right - box.left) * (state.view.x1 - state.view.x0))));
  const bytesAt = py => state.view.y0 + (box.mapBottom - py) / (box.mapBottom - box.top) * (state.view.y1 - state.view.y0);

  function ticks(low, high, wanted) {
    let gap = 1;
    while ((high - low) / gap > wanted) gap *= 2;
    const list = [];
    for (let value = Math.ceil(low / gap) * gap; value <= high; value += gap) list.push(value);
    return list;
  }
  const tickText = bytes => {
    const [unit, value] = UNITS.find(([, v]) => bytes >= v) || ['B', 1];
    return bytes === 0 ? '0' : String(Math.round(bytes / value * 100) / 100) + ' ' + unit;
  };

  function drawAxes(back) {
    svg(back, 'rect', { class: 'plot', x: box.left, y: box.top, width: box.right - box.left, height: box.mapBottom - box.top });
    svg(back, 'rect', { class: 'plot', x: box.left, y: box.liveTop, width: box.right - box.left, height: box.liveBottom - box.liveTop });
    for (const bytes of ticks(state.view.y0, state.view.y1, 9)) {
      svg(back, 'line', { class: 'grid', x1: box.left, x2: box.right, y1: y(bytes), y2: y(bytes) });
      svg(back, 'text', { x: box.left - 7, y: y(bytes) + 4, 'text-anchor': 'end' }, tickText(bytes));
    }
    for (const bytes of ticks(0, plan.peak_bytes, 4)) {
      svg(back, 'line', { class: 'grid', x1: box.left, x2: box.right, y1: yLive(bytes), y2: yLive(bytes) });
      svg(back, 'text', { x: box.left - 7, y: yLive(bytes) + 4, 'text-anchor': 'end' }, tickText(bytes));
    }
    svg(back, 'text', { class: 'title', x: box.left, y: box.liveTop - 9 }, 'Bytes alive at each op, by kind');
    const axis = { class: 'title', 'text-anchor': 'middle', transform: `translate(13 ${(box.top + box.mapBottom) / 2}) rotate(-90)` };
    svg(back, 'text', axis, 'address in the arena');
  }

  function drawPhases(back, clipped) {
    for (let from = 0, to; from < ops.length; from = to) {
      for (to = from + 1; to < ops.length && ops[to].phase === ops[from].phase; to++);
      const low = Math.max(x(from), box.left), high = Math.min(x(to), box.right);
      if (high <= low) continue;
      svg(back, 'rect', { class: 'fill-' + ops[from].phase, x: low, y: 4, width: high - low, height: space.strip });
      if (from > 0 && x(from) > box.left)
        svg(clipped, 'line', { class: 'phase-split', x1: x(from), x2: x(from), y1: box.top, y2: box.liveBottom });
      const text = ops[from].phase === 'update' && high - low < 60 ? '' : ops[from].phase;
      if (high - low > 8 * text.length) svg(back, 'text', { class: 'phase', x: (low + high) / 2, y: 21, 'text-anchor': 'middle' }, text);
    }
  }

  /* Consecutive operations of one layer share a label; labels that would collide are left out. */
  function drawLabels(back) {
    const layer = op => op.name.split(' ')[0];
    let free = box.left - 8;
    for (let from = 0, to; from < ops.length; from = to) {
      for (to = from + 1; to < ops.length && layer(ops[to]) === layer(ops[from]); to++);
      const middle = (Math.max(x(from), box.left) + Math.min(x(to), box.right)) / 2;
      if (x(to) <= box.left || x(from) >= box.right || middle < free) continue;
      svg(back, 'text', { 'text-anchor': 'end', transform: `translate(${middle + 4} ${box.liveBottom + 10}) rotate(-55)` }, layer(ops[from]).slice(0, 17));
      free = middle + 14;
    }
  }

  function drawLive(clipped) {
    const base = new Array(steps).fill(0);
    for (const kind of Object.keys(KINDS)) {
      const sum = new Array(steps).fill(0);
      for (const buffer of buffers)
        if (buffer.kind === kind) for (let step = buffer.begin; step < buffer.end; step++) sum[step] += buffer.size_bytes;
      if (!sum.some(value => value > 0)) continue;
      let up = '', down = '';
      for (let step = 0; step < steps; step++) {
        up += `L${x(step)} ${yLive(base[step] + sum[step])}L${x(step + 1)} ${yLive(base[step] + sum[step])}`;
        down = `L${x(step + 1)} ${yLive(base[step])}L${x(step)} ${yLive(base[step])}` + down;
        base[step] += sum[step];
      }
      svg(clipped, 'path', { class: 'fill-' + kind, d: 'M' + up.slice(1) + down + 'Z' });
    }
  }

  function drawBounds(clipped) {
    for (const scale of [y, yLive]) {
      const line = (bytes, name) => svg(clipped, 'line', { class: name, x1: box.left, x2: box.right, y1: scale(bytes), y2: scale(bytes) });
      line(plan.peak_bytes, 'peak-line');
      if (plan.lower_bound_bytes < plan.peak_bytes) line(plan.lower_bound_bytes, 'bound-line');
    }
    const together = plan.lower_bound_bytes === plan.peak_bytes;
    if (box.right - box.left < 620) return; /* no room beside the figure's title */
    const label = svg(clipped, 'text', { class: 'peak-label', x: box.right, y: box.liveTop - 9, 'text-anchor': 'end' },
      `top line: the arena, ${size(plan.peak_bytes)}` + (together ? ' = the lower bound' : ''));
    if (!together) svg(label, 'tspan', { class: 'bound-label' }, `, dashed: the lower bound, ${size(plan.lower_bound_bytes)}`);
  }

  function drawBuffers(clipped) {
    rectangles = buffers.map(buffer => {
      const left = x(buffer.begin), width = Math.max(x(buffer.end) - left, 0.8), top = y(buffer.top);
      const height = Math.max(y(buffer.offset_bytes) - top, 0.4);
      const rectangle = svg(clipped, 'rect', { class: `buffer fill-${buffer.kind}`, x: left, y: top, width, height, 'data-id': buffer.id });
      const from = Math.max(left, box.left), room = Math.floor((Math.min(left + width, box.right) - from - 8) / 6.6);
      const yText = Math.max(top, box.top) / 2 + Math.min(top + height, box.mapBottom) / 2 + 4;
      let name = null;
      if (height >= 13 && room >= 4) {
        const text = buffer.name.length > room ? buffer.name.slice(0, room - 1) + '…' : buffer.name;
        name = svg(clipped, 'text', { class: 'name', x: from + 4, y: yText }, text);
      }
      return { buffer, rectangle, name, looks: `buffer fill-${buffer.kind}${height < 3 ? ' thin' : ''}` };
    });
  }

  function draw() {
    measure();
    chart.replaceChildren();
    chart.setAttribute('viewBox', `0 0 ${box.width} ${box.height}`);
    const clips = svg(chart, 'defs');
    const clip = (id, top, bottom) => svg(svg(clips, 'clipPath', { id }), 'rect', { x: box.left, y: top, width: box.right - box.left, height: bottom - top });
    clip('clip-map', box.top - 1, box.mapBottom + 1);
    clip('clip-both', box.top - 1, box.liveBottom + 1);
    const back = svg(chart, 'g');
    drawAxes(back);
    drawBuffers(svg(chart, 'g', { 'clip-path': 'url(#clip-map)' }));
    const live = svg(chart, 'g', { 'clip-path': 'url(#clip-both)', 'pointer-events': 'none' });
    drawLive(live);
    drawBounds(live);
    drawPhases(back, live);
    drawLabels(back);
    cursor = svg(chart, 'g');
    marks = svg(chart, 'g');
    by('reset').disabled = ['x0', 'x1', 'y0', 'y1'].every(key => state.view[key] === WHOLE[key]);
    refresh();
  }

  function drawCursor() {
    cursor.replaceChildren();
    const left = Math.max(x(state.step), box.left), right = Math.min(x(state.step + 1), box.right);
    if (right <= left) return;
    svg(cursor, 'rect', { class: 'column', x: left, y: box.top, width: right - left, height: box.liveBottom - box.top });
    for (const side of [left, right]) svg(cursor, 'line', { class: 'cursor', x1: side, x2: side, y1: box.top, y2: box.liveBottom });
    const text = `${state.step}: ${ops[state.step].name}, ${size(ops[state.step].live_bytes)}`, half = text.length * 3.6;
    const middle = Math.min(Math.max((left + right) / 2, box.left + half), box.right - half);
    svg(cursor, 'rect', { class: 'cursor-back', x: middle - half - 3, y: box.mapBottom + 3, width: 2 * half + 6, height: 17 });
    svg(cursor, 'text', { class: 'cursor-label', x: middle, y: box.mapBottom + 16, 'text-anchor': 'middle' }, text);
  }

  /* ------------------------------------------------------------------ panels -------------------------------------------- */

  function drawStep() {
    const op = ops[state.step], now = buffers.filter(buffer => alive(buffer, state.step));
    by('step').value = state.step;
    by('step').setAttribute('aria-valuetext', `${state.step}, ${op.name}`);
    by('step-title').textContent = `Op ${state.step}: ${op.name}`;
    by('step-text').textContent = `${size(op.live_bytes)} alive in ${now.length} buffers, ${percent(op.live_bytes / plan.peak_bytes)} of the arena` +
      (state.step === plan.peak.step ? '. This is the peak.' : ` (${op.phase}).`);
    by('step-bar').replaceChildren(...Object.keys(KINDS).map(kind => {
      const bytes = now.filter(buffer => buffer.kind === kind).reduce((sum, buffer) => sum + buffer.size_bytes, 0);
      return html('span', { class: 'fill-' + kind, title: `${KIND_NAMES[kind]}: ${size(bytes)}`, style: `width: ${100 * bytes / plan.peak_bytes}%` });
    }));
    const shown = (state.all ? buffers : now).filter(matches).sort((a, b) => b.size_bytes - a.size_bytes || a.id - b.id);
    by('list-count').textContent = shown.length + ' shown';
    by('list').replaceChildren(...shown.map(buffer => {
      const button = html('button', { type: 'button', 'aria-current': String(state.chosen === buffer), title: buffer.name }, chip(buffer.kind),
        html('span', { class: 'name' }, buffer.name), html('span', { class: 'size' }, size(buffer.size_bytes)));
      button.addEventListener('click', () => choose(state.chosen === buffer ? null : buffer));
      return html('li', {}, button);
    }));
  }

  const life = buffer => `ops ${buffer.begin} to ${buffer.end - 1}: ` +
    (buffer.begin === 0 && buffer.end === steps ? 'the whole step' : `${ops[buffer.begin].name} to ${ops[buffer.end - 1].name}`);

  function drawChosen() {
    const card = by('selected-card'), buffer = state.chosen;
    card.hidden = !buffer;
    if (!buffer) return;
    const shares = buffers.filter(other => other !== buffer && other.offset_bytes < buffer.top && buffer.offset_bytes < other.top)
      .sort((a, b) => b.size_bytes - a.size_bytes);
    const facts = html('dl');
    const fact = (name, text) => facts.append(html('dt', {}, name), html('dd', {}, text));
    fact('Kind', `${KIND_NAMES[buffer.kind]}: ${KINDS[buffer.kind]}`);
    fact('Size', `${size(buffer.size_bytes)} (${exact(buffer.size_bytes)} bytes), ${percent(buffer.size_bytes / plan.peak_bytes)} of the arena`);
    fact('Address', `${exact(buffer.offset_bytes)} to ${exact(buffer.top)}`);
    fact('Alive', life(buffer));
    fact('Shares with', shares.length ? shares.slice(0, 6).map(other => other.name).join(', ') + (shares.length > 6 ? ` and ${shares.length - 6} more` : '') :
      'nobody: no other buffer uses these bytes');
    const zoom = html('button', { type: 'button' }, 'Zoom to it'), close = html('button', { type: 'button' }, 'Close');
    zoom.addEventListener('click', () => zoomTo(buffer));
    close.addEventListener('click', () => choose(null));
    card.replaceChildren(html('h2', {}, chip(buffer.kind), buffer.name), facts, html('div', { class: 'buttons' }, zoom, close));
  }

  function refresh() {
    for (const { buffer, rectangle, name, looks } of rectangles) {
      const dim = !matches(buffer);
      rectangle.setAttribute('class', dim ? looks + ' dim' : looks);
      if (name) name.setAttribute('class', dim ? 'name dim' : 'name');
    }
    marks.replaceChildren();
    for (const [buffer, name] of [[state.near, 'near'], [state.chosen, 'chosen']]) {
      if (!buffer) continue;
      const outline = rectangles[buffer.id].rectangle.cloneNode();
      outline.setAttribute('class', 'buffer ' + name);
      outline.setAttribute('fill', 'none');
      outline.setAttribute('pointer-events', 'none');
      outline.setAttribute('height', Math.max(2, Number(outline.getAttribute('height'))));
      outline.removeAttribute('data-id');
      marks.setAttribute('clip-path', 'url(#clip-map)');
      marks.append(outline);
    }
    drawCursor();
    drawStep();
    drawChosen();
  }

  /* ------------------------------------------------------------------ doing things -------------------------------------- */

  function choose(buffer) {
    state.chosen = buffer;
    if (buffer && !alive(buffer, state.step)) state.step = buffer.begin;
    refresh();
  }
  function goTo(step) {
    state.step = Math.min(steps - 1, Math.max(0, step));
    refresh();
  }
  function view(x0, x1, y0, y1) {
    const least = Math.min(4, steps);
    if (x1 - x0 < least) x1 = x0 + least;
    if (y1 - y0 < 256) y1 = y0 + 256;
    state.view = { x0: Math.max(0, Math.min(x0, steps - least)), x1: Math.min(steps, x1), y0: Math.max(0, y0), y1: Math.min(plan.peak_bytes, y1) };
    draw();
  }
  function zoomTo(buffer) {
    const sideways = Math.max(3, 0.3 * (buffer.end - buffer.begin)), upwards = Math.max(64, 1.2 * buffer.size_bytes);
    view(Math.floor(buffer.begin - sideways), Math.ceil(buffer.end + sideways), buffer.offset_bytes - upwards, buffer.top + upwards);
  }
  function whole() {
    state.view = { ...WHOLE };
    draw();
  }
  function hold(held) {
    state.held = held;
    by('hold').setAttribute('aria-pressed', String(held));
  }

  /* ------------------------------------------------------------------ pointer ------------------------------------------- */

  const tip = by('tip');
  function showTip(event, buffer) {
    tip.hidden = !buffer;
    if (!buffer) return;
    tip.replaceChildren(html('b', {}, buffer.name), html('br'), `${KIND_NAMES[buffer.kind]}, ${size(buffer.size_bytes)} `,
      html('span', {}, `(${exact(buffer.size_bytes)} bytes)`), html('br'), `offset ${exact(buffer.offset_bytes)}`, html('br'), life(buffer));
    const edge = tip.getBoundingClientRect();
    tip.style.left = Math.max(4, Math.min(event.clientX + 16, window.innerWidth - edge.width - 8)) + 'px';
    tip.style.top = (event.clientY + 18 + edge.height > window.innerHeight ? event.clientY - edge.height - 12 : event.clientY + 18) + 'px';
  }

  /* The buffer under the pointer, or the nearest thin one within a few pixels. */
  function bufferAt(px, py) {
    if (px < box.left || px > box.right || py < box.top || py > box.mapBottom) return null;
    const step = stepAt(px), bytes = bytesAt(py), reach = 3 / (box.mapBottom - box.top) * (state.view.y1 - state.view.y0);
    let best = null, distance = reach;
    for (const buffer of buffers) {
      if (!alive(buffer, step) || !matches(buffer)) continue;
      const off = Math.max(0, buffer.offset_bytes - bytes, bytes - buffer.top);
      if (off === 0) return buffer;
      if (off < distance) [best, distance] = [buffer, off];
    }
    return best;
  }
  const place = event => {
    const edge = chart.getBoundingClientRect();
    return [event.clientX - edge.left, event.clientY - edge.top];
  };

  let drag = null;
  function onMove(event) {
    const [px, py] = place(event);
    if (drag && (Math.abs(px - drag.px) > 5 || Math.abs(py - drag.py) > 5)) drag.moved = true;
    if (drag && drag.moved && event.pointerType === 'mouse') {
      drag.shape = drag.shape || svg(chart, 'rect', { class: 'zoom' });
      const entries = { x: Math.min(px, drag.px), y: Math.min(py, drag.py), width: Math.abs(px - drag.px), height: Math.abs(py - drag.py) };
      for (const [name, value] of Object.entries(entries)) drag.shape.setAttribute(name, value);
      tip.hidden = true;
      return;
    }
    const near = bufferAt(px, py), step = px >= box.left && px <= box.right ? stepAt(px) : state.step;
    if (near !== state.near || (!state.held && step !== state.step)) {
      state.near = near;
      if (!state.held) state.step = step;
      refresh();
    }
    showTip(event, near);
  }
  function onUp(event) {
    const [px, py] = place(event), from = drag;
    drag = null;
    if (!from) return;
    if (from.shape) {
      from.shape.remove();
      const exactStep = pixel => state.view.x0 + (pixel - box.left) / (box.right - box.left) * (state.view.x1 - state.view.x0);
      const [x0, x1] = [from.px, px].sort((a, b) => a - b).map(exactStep), [y1, y0] = [from.py, py].sort((a, b) => a - b).map(bytesAt);
      if (Math.min(from.py, py) > box.mapBottom) view(Math.floor(x0), Math.ceil(x1), state.view.y0, state.view.y1);
      else view(Math.floor(x0), Math.ceil(x1), y0, y1);
      return;
    }
    if (from.moved || px < box.left || px > box.right) return;
    const buffer = bufferAt(px, py);
    state.step = stepAt(px);
    choose(buffer === state.chosen ? null : buffer);
  }

  /* Up and down walk through the buffers alive at the cursor, by address. */
  function walk(direction) {
    const here = buffers.filter(buffer => alive(buffer, state.step) && matches(buffer)).sort((a, b) => a.offset_bytes - b.offset_bytes);
    if (!here.length) return;
    const at = here.indexOf(state.chosen);
    choose(at < 0 ? here[direction > 0 ? 0 : here.length - 1] : here[(at + direction + here.length) % here.length]);
  }
  function onKey(event) {
    const keys = {
      ArrowLeft: () => goTo(state.step - 1), ArrowRight: () => goTo(state.step + 1), Home: () => goTo(0), End: () => goTo(steps - 1),
      ArrowUp: () => walk(1), ArrowDown: () => walk(-1), Enter: () => state.chosen && zoomTo(state.chosen),
      Escape: () => { state.chosen = null; whole(); },
    };
    if (!keys[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    keys[event.key]();
  }

  chart.addEventListener('pointerdown', event => { if (event.button === 0) [drag] = [{ px: place(event)[0], py: place(event)[1] }]; });
  chart.addEventListener('pointermove', onMove);
  window.addEventListener('pointerup', onUp);
  chart.addEventListener('pointerleave', () => { tip.hidden = true; state.near = null; refresh(); });
  chart.addEventListener('dblclick', whole);
  chart.addEventListener('keydown', onKey);
  by('step').max = steps - 1;
  by('step').addEventListener('input', event => { hold(true); goTo(Number(event.target.value)); });
  by('peak').addEventListener('click', () => { hold(true); goTo(plan.peak.step); });
  by('hold').addEventListener('click', () => hold(!state.held));
  by('reset').addEventListener('click', whole);
  by('search').addEventListener('input', event => { state.query = event.target.value.trim().toLowerCase(); refresh(); });
  for (const [id, all] of [['list-alive', false], ['list-all', true]])
    by(id).addEventListener('click', () => {
      state.all = all;
      by('list-alive').setAttribute('aria-pressed', String(!all));
      by('list-all').setAttribute('aria-pressed', String(all));
      refresh();
    });

  drawSummary();
  drawLegend();
  draw();
  new ResizeObserver(() => { if (chart.clientWidth !== box.width || chart.clientHeight !== box.height) draw(); }).observe(chart);
  page.dataset.buffers = chart.querySelectorAll('rect.buffer[data-id]').length;
  page.dataset.state = page.dataset.state || 'ready';
})();
