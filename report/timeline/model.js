'use strict';
/* The data that the page carries, and what follows from it: plans, buffers, what they hold and why they live. Draws nothing. */

const KINDS = {
  activation: ['activation', 'outputs of layers'],
  activation_grad: ['activation gradient', 'gradients of those outputs'],
  saved: ['saved', 'what a layer keeps for its backward pass'],
  mask: ['pooling mask', 'which pixel each pooling window took'],
  workspace: ['workspace', 'scratch space of one operation'],
  param: ['parameter', 'weights and biases'],
  grad: ['parameter gradient', 'gradients of weights and biases'],
  history: ['momentum', "the solver's memory of earlier steps"],
  input: ['input', 'images and labels'],
  scalar: ['scalar', 'losses, accuracies, counters'],
  buffer: ['buffer', 'a row of the file'],
};
const KIND_LIST = Object.keys(KINDS);

/* Why the backward pass of a layer reads what the forward pass made, by the layer's type. */
const BACKWARD_NEEDS = {
  Convolution: "the gradient of a convolution's weights is its input times the gradient of its output",
  Deconvolution: "the gradient of its weights is its input times the gradient of its output",
  InnerProduct: "the gradient of its weights is its input times the gradient of its output",
  BN: 'the gradient of a normalisation needs the values that it normalised',
  BatchNorm: 'the gradient of a normalisation needs the values that it normalised',
  Scale: 'the gradient of a scale needs the values that it scaled',
  LRN: 'the gradient of a normalisation needs the values that it normalised',
  ReLU: 'its gradient passes only where the value was above 0',
  PReLU: 'its gradient depends on the sign of the value',
  Sigmoid: 'its gradient is computed from its output',
  TanH: 'its gradient is computed from its output',
  Pooling: 'the gradient goes to the place of each maximum, which is found by looking at the values or at the mask again',
  Upsample: 'the mask says where each gradient comes from',
  SoftmaxWithLoss: "the loss's gradient is the class probabilities, made from the scores, minus the label",
  Eltwise: 'the gradient of a product or maximum needs its factors',
};

const UNITS = [['GiB', 2 ** 30], ['MiB', 2 ** 20], ['KiB', 2 ** 10]];
function sizeText(bytes) {
  const sign = bytes < 0 ? '−' : '', b = Math.abs(bytes);
  for (const [unit, value] of UNITS)
    if (b >= value) return sign + (b / value).toFixed(b >= 100 * value ? 0 : b >= 10 * value ? 1 : 2) + ' ' + unit;
  return sign + b + ' B';
}
function timeText(ms) {
  const b = Math.abs(ms), sign = ms < 0 ? '−' : '';
  if (b >= 10000) return sign + (b / 1000).toFixed(1) + ' s';
  return sign + b.toFixed(b >= 100 ? 0 : b >= 10 ? 1 : b >= 1 ? 2 : 3) + ' ms';
}
const exact = number => number.toLocaleString('en-US');
const percent = part => (100 * part).toFixed(1).replace('-', '−') + ' %';
const signed = (text, number) => (number > 0 ? '+' : '') + text;

/* One arena: a plan of a net under a strategy. */
class Plan {
  constructor(raw, net, number) {
    Object.assign(this, raw);
    this.owner = net;
    this.number = number;
    if (!this.ops.length) this.ops = [{ name: 'nothing', phase: 'forward', live_bytes: 0 }];
    this.steps = this.ops.length;
    this.buffers = raw.buffers.map((buffer, id) => ({ ...buffer, id, top: buffer.offset_bytes + buffer.size_bytes, plan: this }));
    for (const buffer of this.buffers) buffer.segments = Plan.segments(buffer);
    this.byName = new Map(this.buffers.map(buffer => [buffer.name, buffer]));
    this.timed = this.ops.every(op => op.ms >= 0) && this.ops.some(op => op.ms > 0);
    this.starts = { ops: Float64Array.from({ length: this.steps + 1 }, (_, i) => i), ms: new Float64Array(this.steps + 1) };
    for (let i = 0; i < this.steps; i++) this.starts.ms[i + 1] = this.starts.ms[i] + (this.ops[i].ms || 0);
    this.stepMs = this.timed ? this.starts.ms[this.steps] : NaN;
    this.cache = new Map();
  }

  /* What the rectangle of a buffer looks like: [{begin, end, kind}], a piece for each kind of value that it holds in turn. */
  static segments(buffer) {
    const kindOf = what => (what === 'gradient' ? 'activation_grad' : what === 'data' && buffer.kind === 'activation_grad' ? 'activation' : buffer.kind);
    const list = [{ begin: buffer.begin, end: buffer.end, kind: buffer.kind }];
    let from = -1;
    for (const value of buffer.values || []) {
      if (value.from === from) continue; /* the largest of several that lie side by side comes first */
      from = value.from;
      const kind = kindOf(value.what), last = list[list.length - 1];
      if (kind === last.kind) continue;
      if (from <= last.begin) last.kind = kind;
      else {
        last.end = from;
        list.push({ begin: from, end: buffer.end, kind });
      }
    }
    return list;
  }

  alive(step) {
    const key = 'alive' + step;
    if (!this.cache.has(key)) {
      if (this.cache.size > 256) this.cache.clear();
      const list = this.buffers.filter(buffer => buffer.begin <= step && step < buffer.end);
      this.cache.set(key, list.sort((a, b) => b.size_bytes - a.size_bytes || a.id - b.id));
    }
    return this.cache.get(key);
  }
  kindAt(buffer, step) {
    const piece = buffer.segments.find(segment => step < segment.end);
    return (piece || buffer.segments[buffer.segments.length - 1]).kind;
  }
  kindsAt(step) {
    const sums = {};
    for (const buffer of this.alive(step)) {
      const kind = this.kindAt(buffer, step);
      sums[kind] = (sums[kind] || 0) + buffer.size_bytes;
    }
    return sums;
  }
  /* Bytes alive at each op, for each kind that there is. */
  get load() {
    if (!this.loads) {
      this.loads = {};
      for (const buffer of this.buffers)
        for (const { begin, end, kind } of buffer.segments) {
          const sum = this.loads[kind] || (this.loads[kind] = new Float64Array(this.steps + 1));
          sum[begin] += buffer.size_bytes;
          sum[end] -= buffer.size_bytes;
        }
      for (const sum of Object.values(this.loads)) for (let i = 1; i <= this.steps; i++) sum[i] += sum[i - 1];
    }
    return this.loads;
  }
  /* The op at a place of the axis. */
  opAt(axis, at) {
    const starts = this.starts[axis];
    let low = 0, high = this.steps;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (starts[middle] <= at) low = middle;
      else high = middle;
    }
    return low;
  }
  opText(step) {
    return `op ${step}, ${this.ops[step].name}`;
  }
  /* The op of this plan that stands for an op of another one: of the same name, else of its layer and phase, else as far through the phase. */
  matchingOp(other, step) {
    const wanted = other.ops[step];
    const same = this.ops.findIndex(op => op.name === wanted.name);
    if (same >= 0) return same;
    const near = this.ops.findIndex(op => op.layer && op.layer === wanted.layer && op.phase === wanted.phase);
    if (near >= 0) return near;
    const range = plan => {
      const first = plan.ops.findIndex(op => op.phase === wanted.phase);
      const last = plan.ops.map(op => op.phase).lastIndexOf(wanted.phase);
      return [first, last];
    };
    const [a, b] = range(other), [c, d] = range(this);
    if (c < 0) return this.steps - 1;
    return Math.round(c + (d - c) * (b > a ? (step - a) / (b - a) : 0));
  }
}

class Net {
  constructor(raw, number) {
    const first = raw.plans[0];
    this.number = number;
    this.name = raw.net || first.net;
    this.path = raw.path || first.path;
    this.caffeBytes = raw.caffe_total_bytes || first.caffe_total_bytes || 0;
    this.layers = new Map((raw.layers || first.layers || []).map(layer => [layer.name, layer]));
    this.shapes = new Map((raw.blobs || first.blobs || []).map(blob => [blob.name, blob.shape]));
    this.switches = raw.switches || {};
    this.plans = raw.plans.map((plan, i) => new Plan(plan, this, i));
    this.ladder = (raw.ladder || []).map(rung => ({ ...rung, plan: this.plans[rung.plan] }));
    this.frontier = (raw.frontier || []).map(point => ({ ...point, plan: this.plans[point.plan] }));
  }
  /* The plan's first place on the ladder; -1: it is on none. */
  rungOf(plan) {
    return this.ladder.findIndex(rung => rung.plan === plan);
  }
  /* Its name in links: the first rung's. */
  title(plan) {
    const rung = this.ladder.find(r => r.plan === plan);
    return rung ? rung.name : plan.strategy;
  }
  /* All the names that come to this plan: "inplace, which is fastest too". */
  names(plan) {
    const names = this.ladder.filter(rung => rung.plan === plan).map(rung => rung.name);
    return names.length > 1 ? `${names[0]} (the same plan as ${names.slice(1).join(', ')})` : names[0] || plan.strategy;
  }
}

/* ------------------------------------------------------------------ why a buffer is alive ----------------------------- */

function shapeText(net, blob) {
  const shape = net.shapes.get(blob);
  return shape && shape.length ? shape.join(' × ') : '';
}

/* What lies in a buffer at an op: [{what, blob, layer, bytes}]. */
function holdsAt(buffer, step) {
  const values = buffer.values || [];
  let from = -1;
  for (const value of values) if (value.from <= step && value.from > from) from = value.from;
  return from < 0 ? [] : values.filter(value => value.from === from);
}
function valueText(buffer, value) {
  if (value.what === 'gradient') return `the gradient of ${value.blob}`;
  if (value.what === 'data') return `${value.blob}, as ${value.layer} makes it`;
  return { param: 'the parameter', history: 'the momentum', grad: "the parameter's gradient", workspace: 'scratch' }[buffer.kind] || 'what the layer keeps';
}
function holdsText(buffer, step) {
  const values = holdsAt(buffer, step);
  if (!values.length) return step < buffer.begin || step >= buffer.end ? 'nothing: it is not alive here' : 'nothing yet';
  const shape = values.length === 1 && values[0].blob ? shapeText(buffer.plan.owner, values[0].blob) : '';
  return values.slice(0, 4).map(value => valueText(buffer, value)).join('; ') + (values.length > 4 ? ` and ${values.length - 4} more` : '') +
    (shape ? ` (${shape})` : '');
}
/* The ops from which on a buffer holds something else. */
function changes(buffer) {
  const list = [];
  let before = '';
  for (const value of buffer.values || []) {
    if (list.length && list[list.length - 1].from === value.from) continue;
    const text = holdsText(buffer, value.from);
    if (text !== before) list.push({ from: value.from, text, kind: buffer.plan.kindAt(buffer, value.from) });
    before = text;
  }
  return list;
}

/* The longest stretch in which nobody touches a buffer: [op before, op behind]. */
function longestWait(buffer) {
  const touches = [...new Set([...(buffer.writers || []), ...(buffer.readers || [])])].sort((a, b) => a - b);
  let best = null;
  for (let i = 1; i < touches.length; i++)
    if (touches[i] - touches[i - 1] > 1 && (!best || touches[i] - touches[i - 1] > best[1] - best[0])) best = [touches[i - 1], touches[i]];
  return best;
}

/* One or two sentences: why is it alive at this op? */
function whyAlive(buffer, step) {
  const plan = buffer.plan, ops = plan.ops, last = plan.steps - 1;
  if (!buffer.writers) return '';
  const by = op => `${ops[op].name} (op ${op})`;
  if (step < buffer.begin || step >= buffer.end)
    return `It is not alive at this op: it lives from ${by(buffer.begin)} to ${by(buffer.end - 1)}, and its addresses serve others before and after.`;
  const writes = buffer.writers.includes(step), reads = buffer.readers.includes(step);
  const now = writes && reads ? 'reads and writes it' : writes ? 'writes it' : 'reads it';
  const next = Math.min(...buffer.readers.concat(buffer.writers).filter(op => op > step));
  const before = Math.max(...buffer.readers.concat(buffer.writers).filter(op => op < step), -1);
  if (buffer.kind === 'param' || buffer.kind === 'history') {
    const what = buffer.kind === 'param' ? 'A parameter' : 'Momentum';
    return `${what} outlives the step: the next step starts from it.` + (writes || reads ? ` This op ${now}.` : '');
  }
  if (writes || reads) {
    const until = next === Infinity ? 'Nobody needs it afterwards: this is its last op.' : `Next, ${by(next)} ${buffer.readers.includes(next) ? 'reads' : 'writes'} it. ` + reason(buffer, step, next);
    return `This op ${now}. ${until}`;
  }
  if (next === Infinity) return step <= last ? 'It has to outlive the step: what is in it is used afterwards.' : '';
  const ms = plan.timed ? `, ${timeText(plan.starts.ms[next] - plan.starts.ms[before + 1])}` : '';
  const since = before >= 0 && before >= buffer.begin ? `since ${by(before)}` : 'since the step began';
  return `It waits: nobody has touched it ${since}, and nobody will before ${by(next)}, ${next - before - 1} ops${ms} in between. ` + reason(buffer, step, next);
}
function reason(buffer, step, next) {
  const plan = buffer.plan, op = plan.ops[next], layer = plan.owner.layers.get(op.layer), value = holdsAt(buffer, step)[0];
  const type = layer ? layer.type : '';
  if (!buffer.readers.includes(next)) return 'The room is reserved until then.';
  if (value && value.what === 'gradient') return `It is a gradient on its way down, which the backward pass of ${op.layer || 'the net'} takes.`;
  if (buffer.kind === 'grad') return `The ${op.phase === 'update' ? 'update' : 'backward pass'} takes it from here.`;
  if (op.phase !== 'backward' || plan.ops[step].phase === 'update') return '';
  const need = BACKWARD_NEEDS[type];
  return `It is a value of the forward pass that the backward pass of ${op.layer} (${type}) needs` + (need ? `: ${need}.` : '.');
}

/* Which rung of the ladder, above the plan's own, takes a buffer away from the peak: {rung, before, gone}; null: none does. */
function removedBy(buffer) {
  const net = buffer.plan.owner, at = net.rungOf(buffer.plan);
  if (at < 0) return null;
  for (let i = at + 1; i < net.ladder.length; i++) {
    const plan = net.ladder[i].plan, other = plan.byName.get(buffer.name);
    if (plan === buffer.plan || plan.peak_bytes > net.ladder[at].plan.peak_bytes) continue;
    const stays = other && other.size_bytes >= buffer.size_bytes && other.begin <= plan.peak.step && plan.peak.step < other.end;
    if (!stays) return { rung: net.ladder[i], before: net.ladder[i - 1], gone: !other, smaller: other && other.size_bytes < buffer.size_bytes };
  }
  return null;
}
