/* Tables of ops, layers and buffers: sorted by a press on a column's head. Filled when they are opened. */

const TABLE_ROWS = 200;

class Tables {
  constructor(app) {
    this.app = app;
    this.kind = 'ops';
    this.sort = { ops: [0, 1], layers: [2, -1], buffers: [2, -1] };
    this.more = false;
    for (const kind of ['ops', 'layers', 'buffers']) by('table-' + kind).addEventListener('click', () => { this.kind = kind; this.more = false; this.draw(); });
    by('tables').addEventListener('toggle', () => this.draw());
  }

  /* columns: [title, is a number, how it is written]; rows: {cells, go} */
  content() {
    const { app } = this, plan = app.plan, ms = [plan.timed ? 'ms' : 'ms (unknown)', true, value => (plan.timed ? value.toFixed(value < 10 ? 2 : 1) : '–')];
    const bytes = title => [title, true, exact], text = title => [title, false, String], count = title => [title, true, exact];
    if (this.kind === 'ops')
      return { columns: [count('op'), text('name'), text('layer'), text('kind'), text('phase'), ms, bytes('bytes alive')],
        rows: plan.ops.map((op, i) => ({ cells: [i, op.name, op.layer || '', op.kind || '', op.phase || '', op.ms || 0, op.live_bytes], go: () => app.goTo(app.main, i, true) })) };
    if (this.kind === 'layers') return { columns: [text('layer'), text('type'), ms, count('ops'), bytes('most alive during an op'), bytes('largest buffer made')], rows: this.layers() };
    return { columns: [text('buffer'), text('kind'), bytes('bytes'), count('first op'), count('last op'), count('longest wait, ops'), count('values in turn')],
      rows: plan.buffers.map(buffer => {
        const wait = longestWait(buffer);
        return { cells: [buffer.name, KINDS[buffer.kind][0], buffer.size_bytes, buffer.begin, buffer.end - 1, wait ? wait[1] - wait[0] - 1 : 0, changes(buffer).length], go: () => app.choose(buffer, true) };
      }) };
  }
  layers() {
    const { app } = this, plan = app.plan, sums = new Map(), made = new Map();
    for (const buffer of plan.buffers) if (buffer.writers && buffer.writers.length) made.set(buffer.writers[0], Math.max(made.get(buffer.writers[0]) || 0, buffer.size_bytes));
    plan.ops.forEach((op, i) => {
      const name = op.layer || '(update)', row = sums.get(name) || { ms: 0, ops: 0, alive: 0, at: i, largest: 0 };
      row.ms += op.ms || 0;
      row.ops++;
      row.largest = Math.max(row.largest, made.get(i) || 0);
      if (op.live_bytes > row.alive) [row.alive, row.at] = [op.live_bytes, i];
      sums.set(name, row);
    });
    return [...sums].map(([name, row]) => ({ cells: [name, (app.net.layers.get(name) || { type: '' }).type, row.ms, row.ops, row.alive, row.largest], go: () => app.goTo(app.main, row.at, true) }));
  }

  draw() {
    if (!by('tables').open) return;
    const { columns, rows } = this.content(), [by_, direction] = this.sort[this.kind], numeric = columns[by_][1];
    for (const kind of ['ops', 'layers', 'buffers']) by('table-' + kind).setAttribute('aria-pressed', String(kind === this.kind));
    rows.sort((a, b) => direction * (numeric ? a.cells[by_] - b.cells[by_] : a.cells[by_].localeCompare(b.cells[by_], 'en', { numeric: true })));
    const head = element('tr', {}, ...columns.map(([title, isNumber], i) => element('th', { scope: 'col', class: isNumber ? 'number' : undefined, 'aria-sort': i === by_ ? (direction > 0 ? 'ascending' : 'descending') : undefined },
      button(title, () => { this.sort[this.kind] = [i, i === by_ ? -direction : isNumber && title !== 'op' ? -1 : 1]; this.draw(); }, { class: 'sort' }))));
    const shown = this.more ? rows : rows.slice(0, TABLE_ROWS), first = this.kind === 'ops' ? 1 : 0;
    const body = shown.map(({ cells, go }) => element('tr', {}, ...cells.map((cell, i) => element('td', { class: columns[i][1] ? 'number' : undefined }, i === first ? button(columns[i][2](cell), go, { class: 'link' }) : columns[i][2](cell)))));
    by('table').replaceChildren(element('caption', { class: 'unseen' }, `The ${this.kind} of ${this.app.net.name} under ${this.app.plan.strategy}`), element('thead', {}, head), element('tbody', {}, ...body));
    by('table-more').replaceChildren(rows.length > shown.length ? button(`Show all ${rows.length} rows`, () => { this.more = true; this.draw(); }) : '');
  }
}
