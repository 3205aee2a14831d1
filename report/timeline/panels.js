/* The cards beside the map: the op at the cursor with what is alive there, the chosen buffer, search, the legend, the tip. */

const by = id => document.getElementById(id);

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (typeof value === 'function') made.addEventListener(name, value);
    else made.setAttribute(name, value === true ? '' : value);
  }
  made.append(...children.filter(child => child !== null && child !== undefined));
  return made;
}
const button = (text, click, attributes = {}) => element('button', { type: 'button', click, ...attributes }, text);
const chip = kind => element('span', { class: 'chip fill-' + kind, 'aria-hidden': 'true' });

const LIST_MOST = 40;

class Panels {
  constructor(app) {
    this.app = app;
    this.rows = [];
    this.all = false;
    this.bar = {};
    for (const kind of KIND_LIST) by('step-bar').append(this.bar[kind] = element('i', { class: 'fill-' + kind }));
    for (const [id, all] of [['list-alive', false], ['list-all', true]]) by(id).addEventListener('click', () => this.listAll(all));
    by('search').addEventListener('input', event => app.search(event.target.value));
    by('search').addEventListener('keydown', event => {
      const first = by('hits').querySelector('button');
      if (event.key === 'Enter' && first) first.click();
      if (event.key === 'Escape') { event.target.value = ''; app.search(''); }
    });
  }

  listAll(all) {
    this.all = all;
    by('list-alive').setAttribute('aria-pressed', String(!all));
    by('list-all').setAttribute('aria-pressed', String(all));
    this.drawStep();
  }

  /* ---- what can be hidden ---- */

  drawLegend() {
    const { app } = this, kinds = new Set(app.views.flatMap(view => view.plan.buffers.flatMap(buffer => buffer.segments.map(piece => piece.kind))));
    by('legend').replaceChildren(...KIND_LIST.filter(kind => kinds.has(kind)).map(kind => {
      const made = button('', () => {
        if (!app.state.hidden.delete(kind)) app.state.hidden.add(kind);
        made.setAttribute('aria-pressed', String(!app.state.hidden.has(kind)));
        app.redraw();
      }, { 'aria-pressed': String(!app.state.hidden.has(kind)), title: KINDS[kind][1] + '; press to hide or show' });
      made.append(chip(kind), KINDS[kind][0]);
      return made;
    }));
  }

  drawHits() {
    const { app } = this, query = app.state.query, hits = by('hits');
    hits.replaceChildren();
    hits.hidden = !query;
    if (!query) return;
    const plan = app.plan, buffers = plan.buffers.filter(buffer => app.matches(buffer)).sort((a, b) => b.size_bytes - a.size_bytes);
    const ops = plan.ops.map((op, i) => [op, i]).filter(([op]) => (op.name + ' ' + (op.kind || '')).toLowerCase().includes(query));
    for (const buffer of buffers.slice(0, 5))
      hits.append(element('li', {}, button(`buffer ${buffer.name}, ${sizeText(buffer.size_bytes)}`, () => { app.choose(buffer, true); app.main.zoomTo(buffer); })));
    for (const [op, i] of ops.slice(0, 5)) hits.append(element('li', {}, button(`op ${i}, ${op.name}`, () => app.goTo(app.main, i, true))));
    hits.append(element('li', { class: 'soft' }, `${buffers.length} buffers, ${ops.length} ops`));
  }

  /* ---- the op ---- */

  drawStep() {
    const { app } = this, view = app.active, plan = view.plan, step = view.step, op = plan.ops[step];
    const alive = plan.alive(step);
    by('step').max = plan.steps - 1;
    by('step').value = step;
    by('step').setAttribute('aria-valuetext', plan.opText(step));
    by('step-title').textContent = `Op ${step}: ${op.name}`;
    const facts = [`${sizeText(op.live_bytes)} alive in ${alive.length} buffers, ${percent(op.live_bytes / plan.peak_bytes)} of the arena`];
    if (op.phase) facts.push(op.phase + (op.kind ? `, ${op.kind.replaceAll('_', ' ')}` : ''));
    if (plan.timed) facts.push(timeText(op.ms));
    by('step-text').textContent = facts.join('; ') + (step === plan.peak.step ? '. This is the peak: most is alive here.' : '.');
    for (const kind of KIND_LIST) this.bar[kind].style.width = (plan.load[kind] ? 100 * plan.load[kind][step] / plan.peak_bytes : 0) + '%';
    const from = this.all ? this.bySize(plan) : alive, shown = app.filtered ? from.filter(buffer => !app.isDim(buffer)) : from;
    by('list-count').textContent = shown.length > LIST_MOST ? `largest ${LIST_MOST} of ${shown.length}` : `${shown.length} shown`;
    const count = Math.min(LIST_MOST, shown.length);
    for (let i = 0; i < Math.max(count, this.rows.length); i++) this.row(i, i < count ? shown[i] : null, step);
  }
  bySize(plan) {
    if (!plan.largest) plan.largest = plan.buffers.slice().sort((a, b) => b.size_bytes - a.size_bytes || a.id - b.id);
    return plan.largest;
  }
  /* Rows are made once and filled anew at each move. */
  row(i, buffer, step) {
    if (!this.rows[i]) {
      const row = { chip: chip('activation'), name: element('span', { class: 'name' }), size: element('span', { class: 'size' }) };
      row.button = button('', () => this.app.choose(row.buffer === this.app.state.chosen ? null : row.buffer, true));
      row.button.append(row.chip, row.name, row.size);
      row.item = element('li', {}, row.button);
      by('list').append(row.item);
      this.rows[i] = row;
    }
    const row = this.rows[i];
    if (row.item.hidden !== !buffer) row.item.hidden = !buffer;
    if (!buffer) return;
    const kind = buffer.plan.kindAt(buffer, step), current = String(buffer === this.app.state.chosen);
    if (row.buffer !== buffer) {
      row.buffer = buffer;
      row.name.textContent = buffer.name;
      row.size.textContent = sizeText(buffer.size_bytes);
    }
    if (row.kind !== kind) row.chip.className = 'chip fill-' + (row.kind = kind);
    if (row.current !== current) row.button.setAttribute('aria-current', row.current = current);
  }

  /* ---- the chosen buffer ---- */

  /* The card is made once for a buffer; what depends on the cursor is filled in at each move. */
  drawChosen() {
    const { app } = this, buffer = app.state.chosen, card = by('selected-card');
    if (card.hidden !== !buffer) card.hidden = !buffer;
    if (!buffer) return;
    const view = app.views.find(v => v.plan === buffer.plan) || app.main, step = view.step;
    if (this.carded !== buffer) this.makeCard(buffer, view, card);
    if (this.cardedAt === step) return;
    this.cardedAt = step;
    const kind = 'chip fill-' + buffer.plan.kindAt(buffer, step), { chips, why, when, holds } = this.live;
    for (const each of chips) if (each.className !== kind) each.className = kind;
    why.textContent = whyAlive(buffer, step);
    when.textContent = `Holds at op ${step}`;
    holds.textContent = ' ' + holdsText(buffer, step);
  }
  makeCard(buffer, view, card) {
    const { app } = this, plan = buffer.plan;
    this.carded = buffer;
    this.cardedAt = null;
    this.live = { chips: [chip(buffer.kind), chip(buffer.kind)], why: element('span'), when: element('span'), holds: element('span') };
    const facts = element('dl');
    const fact = (name, ...content) => facts.append(element('dt', {}, name), element('dd', {}, ...content));
    const opLink = op => button(plan.ops[op].name, () => app.goTo(view, op, true), { class: 'link', title: `go to op ${op}` });
    fact('Size', `${sizeText(buffer.size_bytes)} (${exact(buffer.size_bytes)} bytes), ${percent(buffer.size_bytes / plan.peak_bytes)} of the arena`);
    if (buffer.writers) {
      fact(this.live.when, this.live.chips[1], this.live.holds);
      this.usersFacts(buffer, fact, opLink);
    }
    fact('Alive', buffer.begin === 0 && buffer.end === plan.steps ? 'the whole step' : `ops ${buffer.begin} to ${buffer.end - 1}` + (plan.timed ? `, ${timeText(plan.starts.ms[buffer.end] - plan.starts.ms[buffer.begin])}` : ''));
    const shares = this.sharers(buffer);
    fact('Shares with', ...(shares.length ? shares.slice(0, 5).flatMap((other, i) => [i ? ', ' : '', button(other.name, () => app.choose(other, true), { class: 'link' })]) : ['nobody: no other buffer uses these bytes']),
      shares.length > 5 ? ` and ${shares.length - 5} more, at other times` : shares.length ? ', at other times' : '');
    fact('Address', `${exact(buffer.offset_bytes)} to ${exact(buffer.top)}`);
    card.replaceChildren(element('h2', {}, this.live.chips[0], element('span', {}, buffer.name)),
      buffer.writers ? element('p', { class: 'why' }, element('strong', {}, 'Why is it alive? '), this.live.why) : '', this.removal(buffer), facts,
      element('div', { class: 'buttons' }, button('Zoom to it', () => view.zoomTo(buffer)), button('Close', () => app.choose(null))));
  }
  usersFacts(buffer, fact, opLink) {
    const list = changes(buffer), { writers, readers } = buffer;
    if (list.length > 1) fact('In turn', ...list.slice(0, 5).flatMap((change, i) => [i ? element('br') : null, `from op ${change.from}: `, chip(change.kind), ' ' + change.text]), list.length > 5 ? element('br') : null, list.length > 5 ? `and ${list.length - 5} more` : null);
    if (writers.length) fact('Written by', opLink(writers[0]), writers.length > 1 ? ` first, ${writers.length > 2 ? writers.length - 1 + ' times more until' : 'again by'} ` : '', writers.length > 1 ? opLink(writers[writers.length - 1]) : null);
    if (readers.length) fact('Read last by', opLink(readers[readers.length - 1]), readers.length > 1 ? `, the last of ${readers.length}` : ', its only reader');
    else fact('Read last by', 'nobody: its op alone works in it');
  }
  sharers(buffer) {
    if (!buffer.shares)
      buffer.shares = buffer.plan.buffers.filter(other => other !== buffer && other.offset_bytes < buffer.top && buffer.offset_bytes < other.top)
        .sort((a, b) => b.size_bytes - a.size_bytes);
    return buffer.shares;
  }
  removal(buffer) {
    const { app } = this, plan = buffer.plan, found = plan.owner.ladder.length > 1 ? removedBy(buffer) : null;
    if (!plan.owner.ladder.length || plan.owner.rungOf(plan) < 0) return '';
    if (!found) return element('p', { class: 'rung' }, element('strong', {}, 'Which rung removes it? '), 'None above this one: it is there, at the peak, to the top of the ladder.');
    const before = plan.owner.ladder[Math.max(plan.owner.rungOf(plan), 0)].plan, after = found.rung.plan;
    const bytes = after.peak_bytes - before.peak_bytes, ms = after.stepMs - before.stepMs;
    return element('p', { class: 'rung' }, element('strong', {}, 'Which rung removes it? '), button(found.rung.name, () => app.pick(after, true), { class: 'link' }),
      ` (${found.rung.help || 'the next strategy'})${found.gone ? '' : found.smaller ? ', which keeps a smaller part of it' : ', under which it is not alive at the peak'}. `,
      element('strong', {}, 'What does that cost? '), `${signed(sizeText(bytes), bytes)} (${signed(percent(bytes / before.peak_bytes), bytes)})` +
        (Number.isFinite(ms) ? `, ${signed(timeText(ms), ms)} a step (${signed(percent(ms / before.stepMs), ms)}).` : '.'));
  }

  /* ---- the tip ---- */

  tip(buffer, view, event) {
    const tip = by('tip');
    tip.hidden = !buffer || !event || event.pointerType === 'touch';
    if (tip.hidden) return;
    if (tip.dataset.key !== `${buffer.plan.number},${buffer.id},${view.step}`) {
      tip.dataset.key = `${buffer.plan.number},${buffer.id},${view.step}`;
      tip.replaceChildren(element('b', {}, buffer.name), element('br'), `${KINDS[buffer.plan.kindAt(buffer, view.step)][0]}, ${sizeText(buffer.size_bytes)}, ops ${buffer.begin} to ${buffer.end - 1}`,
        buffer.writers ? element('br') : '', buffer.writers ? 'holds ' + holdsText(buffer, view.step) : '');
      this.tipSize = [tip.offsetWidth, tip.offsetHeight];
    }
    const [width, height] = this.tipSize;
    tip.style.left = Math.max(4, Math.min(event.clientX + 16, window.innerWidth - width - 8)) + 'px';
    tip.style.top = (event.clientY + 18 + height > window.innerHeight ? event.clientY - height - 12 : event.clientY + 18) + 'px';
  }
}
