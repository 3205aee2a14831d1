/* The story: the ladder as bars, what changes from one rung to the next, the frontier with its budget, one plan beside another. */

class Story {
  constructor(app) {
    this.app = app;
    by('budget').addEventListener('input', event => this.spend(Number(event.target.value)));
    by('beside').addEventListener('change', event => this.besideChosen(event.target.value));
    by('same-scale').addEventListener('change', event => app.setSameScale(event.target.checked));
    by('swap').addEventListener('click', () => app.swap());
    by('nets-caffe').addEventListener('click', () => this.netsUnderCaffe());
    by('previous-rung').addEventListener('click', () => this.stepRung(-1));
    by('next-rung').addEventListener('click', () => this.stepRung(1));
  }

  /* Everything that depends on the net. */
  drawNet() {
    const { app } = this, net = app.net;
    by('nets').hidden = app.nets.length < 2;
    by('nets').replaceChildren(...app.nets.map(other => button(other.name, () => app.pick(this.counterpart(other), false), { 'aria-pressed': String(other === net) })));
    by('story').hidden = net.ladder.length < 2;
    by('frontier-box').hidden = net.frontier.length < 2;
    if (net.ladder.length > 1) this.drawLadder();
    if (net.frontier.length > 1) this.drawFrontier();
    this.fillBeside();
  }
  /* The plan of another net under the strategy that is shown now. */
  counterpart(net) {
    const name = this.app.net.title(this.app.plan), rung = this.app.net.ladder.find(r => r.plan === this.app.plan);
    const same = net.ladder.find(r => r.name === name) || (rung && net.ladder.find(r => r.name === rung.name));
    return same ? same.plan : net.plans[0];
  }

  drawLadder() {
    const { net } = this.app, most = Math.max(...net.ladder.map(rung => rung.plan.peak_bytes));
    this.bars = net.ladder.map(rung => {
      const { plan } = rung, kinds = plan.kindsAt(plan.peak.step);
      const track = element('span', { class: 'track' });
      for (const kind of KIND_LIST) if (kinds[kind]) track.append(element('i', { class: 'fill-' + kind, style: `width:${100 * kinds[kind] / most}%`, title: `${KINDS[kind][0]}: ${sizeText(kinds[kind])}` }));
      const made = button('', () => this.app.pick(plan, true), { class: 'rung-button' });
      made.append(element('span', { class: 'rung-name' }, rung.name, rung.lossless === false && rung.name !== 'lossy' ? ' (lossy)' : ''), track,
        element('span', { class: 'number' }, sizeText(plan.peak_bytes)), element('span', { class: 'number ms' }, plan.timed ? timeText(plan.stepMs) : ''));
      return { made, plan };
    });
    by('ladder').replaceChildren(...this.bars.map(({ made }) => element('li', {}, made)));
    by('ladder-times').textContent = net.plans[0].times ? `times of a step: ${net.plans[0].times.from}` : '';
  }

  stepRung(by_) {
    const { ladder } = this.app.net, at = this.app.net.rungOf(this.app.plan), next = ladder[Math.min(Math.max(at + by_, 0), ladder.length - 1)];
    if (next && next.plan !== this.app.plan) this.app.pick(next.plan, true);
    else if (next && ladder[at + 2 * by_]) this.app.pick(ladder[at + 2 * by_].plan, true);
  }

  /* What the step from one plan to another did. */
  drawReason(from) {
    const { app } = this, { net, plan } = app, rung = net.ladder.find(r => r.plan === plan);
    for (const { made, plan: other } of this.bars || []) made.setAttribute('aria-pressed', String(other === plan));
    const parts = [element('strong', {}, net.names(plan)), rung && rung.help ? `: ${rung.help}. ` : '. '];
    const added = rung ? (rung.made_of || '').split('+').slice(1).map(text => text.split('=')[0]).filter(name => net.switches[name]) : [];
    if (added.length && added.length < 3) parts.push(added.map(name => net.switches[name]).join('; ') + '. ');
    const before = from && from !== plan ? from : null;
    if (before && before.owner === net) {
      const bytes = plan.peak_bytes - before.peak_bytes, ms = plan.stepMs - before.stepMs;
      parts.push(element('br'), `Against ${net.title(before)}: ${signed(sizeText(bytes), bytes)} (${signed(percent(bytes / before.peak_bytes), bytes)})` +
        (Number.isFinite(ms) ? `, ${signed(timeText(ms), ms)} a step (${signed(percent(ms / before.stepMs), ms)})` : '') + '. ', this.names('Gone: ', before, plan), this.names('New: ', plan, before));
    } else
      parts.push(element('br'), `${sizeText(plan.peak_bytes)} (${exact(plan.peak_bytes)} bytes)` + (plan.timed ? `, ${timeText(plan.stepMs)} a step` : '') +
        (net.caffeBytes ? `, ${percent(plan.peak_bytes / net.caffeBytes)} of what Caffe takes.` : '.'));
    by('reason').replaceChildren(...parts);
  }
  names(label, one, other) {
    const list = one.buffers.filter(buffer => !other.byName.has(buffer.name)).sort((a, b) => b.size_bytes - a.size_bytes);
    if (!list.length) return '';
    return label + list.slice(0, 3).map(buffer => `${buffer.name} (${sizeText(buffer.size_bytes)})`).join(', ') + (list.length > 3 ? ` and ${list.length - 3} more. ` : '. ');
  }

  /* ---- the budget ---- */

  drawFrontier() {
    const { net } = this.app, points = net.frontier, W = 340, H = 150, L = 8, B = 24;
    const bytes = points.map(p => p.total_bytes), ms = points.map(p => p.predicted_ms);
    const [low, high] = [Math.min(...bytes), Math.max(...bytes)], [fast, slow] = [Math.min(...ms), Math.max(...ms)];
    const x = b => L + 10 + (b - low) / (high - low || 1) * (W - L - 30), y = t => H - B - 8 - (t - fast) / (slow - fast || 1) * (H - B - 28);
    const svg = (tag, attributes, text) => {
      const made = document.createElementNS(SVG_SPACE, tag);
      for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
      if (text) made.textContent = text;
      return made;
    };
    const path = points.map((p, i) => (i ? `H${x(p.total_bytes)}V${y(p.predicted_ms)}` : `M${x(p.total_bytes)} ${y(p.predicted_ms)}`)).join('');
    const chart = svg('svg', { viewBox: `0 0 ${W} ${H}`, role: 'img', 'aria-label': `Bytes against time of ${points.length} strategies that no other one beats in both` });
    chart.append(svg('path', { d: path, class: 'frontier-line' }), svg('line', { x1: L, x2: W, y1: H - B, y2: H - B, class: 'axis' }),
      svg('text', { x: L, y: H - 8 }, sizeText(low)), svg('text', { x: W, y: H - 8, 'text-anchor': 'end' }, sizeText(high)), svg('text', { x: W, y: 12, 'text-anchor': 'end' }, `${timeText(fast)} (fastest) to ${timeText(slow)}`));
    this.budgetLine = chart.appendChild(svg('line', { y1: 16, y2: H - B, class: 'budget-line' }));
    this.dots = points.map(point => {
      const dot = chart.appendChild(svg('circle', { cx: x(point.total_bytes), cy: y(point.predicted_ms), r: 4.5, class: 'dot' }));
      dot.addEventListener('click', () => this.app.pick(point.plan, true));
      return { dot, point };
    });
    this.budgetX = x;
    by('frontier').replaceChildren(chart);
    const slider = by('budget');
    slider.min = Math.floor(low / 2 ** 20);
    slider.max = Math.ceil(high / 2 ** 20);
    slider.value = slider.max;
  }
  spend(mib) {
    const budget = mib * 2 ** 20, fits = this.app.net.frontier.filter(point => point.total_bytes <= budget);
    const best = fits.reduce((a, b) => (!a || b.predicted_ms < a.predicted_ms ? b : a), null);
    by('budget').setAttribute('aria-valuetext', `${mib} MiB`);
    if (best && best.plan !== this.app.plan) this.app.pick(best.plan, false);
    this.budget = mib;
    this.drawBudget(best);
  }
  drawBudget(best) {
    const { net, plan } = this.app;
    if (!this.dots || net.frontier.length < 2) return;
    for (const { dot, point } of this.dots) dot.setAttribute('class', point.plan === plan ? 'dot here' : 'dot');
    const at = this.budgetX(Math.max(Number(by('budget').value) * 2 ** 20, 0));
    this.budgetLine.setAttribute('x1', at);
    this.budgetLine.setAttribute('x2', at);
    const point = best || net.frontier.find(p => p.plan === plan);
    by('budget-text').textContent = `${exact(Number(by('budget').value))} MiB: ` + (point ? `${point.strategy} takes ${sizeText(point.total_bytes)} and ${timeText(point.predicted_ms)} a step` : Number(by('budget').value) * 2 ** 20 < Math.min(...net.frontier.map(p => p.total_bytes)) ? 'nothing found fits' : 'move the slider: the fastest strategy that fits is shown');
  }

  /* ---- beside ---- */

  fillBeside() {
    const { app } = this, select = by('beside'), plans = app.nets.flatMap(net => net.plans);
    by('beside-box').hidden = plans.length < 2;
    by('nets-caffe').hidden = app.nets.filter(net => net.ladder.some(rung => rung.name === 'caffe')).length < 2;
    const option = plan => element('option', { value: `${plan.owner.number}.${plan.number}`, selected: app.beside && app.beside.plan === plan }, app.nets.length > 1 ? `${plan.owner.name}: ${plan.owner.title(plan)}` : plan.owner.title(plan));
    select.replaceChildren(element('option', { value: '' }, 'nothing'), ...plans.map(option));
    by('swap').disabled = by('same-scale').disabled = !app.beside;
  }
  besideChosen(value) {
    const [net, plan] = value.split('.').map(Number);
    this.app.setBeside(value ? this.app.nets[net].plans[plan] : null);
  }
  netsUnderCaffe() {
    const with_ = this.app.nets.filter(net => net.ladder.some(rung => rung.name === 'caffe')), caffe = net => net.ladder.find(rung => rung.name === 'caffe').plan;
    this.app.pick(caffe(with_[0]), false);
    this.app.setBeside(caffe(with_[1]));
  }
}
