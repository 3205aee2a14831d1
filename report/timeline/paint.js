/* Two painters with one interface: the map is drawn by the same code onto a canvas and into an SVG file. Sizes in CSS pixels. */

const SVG_SPACE = 'http://www.w3.org/2000/svg';
const FONT = 'system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif';

class CanvasPainter {
  constructor(context) {
    this.c = context;
  }
  rect(x, y, width, height, fill, stroke, lineWidth = 1, alpha = 1) {
    const c = this.c;
    if (alpha !== 1) c.globalAlpha = alpha;
    if (fill) {
      c.fillStyle = fill;
      c.fillRect(x, y, width, height);
    }
    if (stroke) {
      c.strokeStyle = stroke;
      c.lineWidth = lineWidth;
      c.strokeRect(x, y, width, height);
    }
    if (alpha !== 1) c.globalAlpha = 1;
  }
  line(x0, y0, x1, y1, colour, width = 1, dash = []) {
    const c = this.c;
    c.strokeStyle = colour;
    c.lineWidth = width;
    c.setLineDash(dash);
    c.beginPath();
    c.moveTo(x0, y0);
    c.lineTo(x1, y1);
    c.stroke();
    c.setLineDash([]);
  }
  polygon(points, fill) {
    const c = this.c;
    c.fillStyle = fill;
    c.beginPath();
    points.forEach(([x, y], i) => (i ? c.lineTo(x, y) : c.moveTo(x, y)));
    c.closePath();
    c.fill();
  }
  text(x, y, text, { fill, size = 12, weight = 400, align = 'left', turn = 0, alpha = 1 }) {
    const c = this.c;
    c.font = `${weight} ${size}px ${FONT}`;
    c.textAlign = align;
    c.fillStyle = fill;
    c.globalAlpha = alpha;
    if (turn) {
      c.save();
      c.translate(x, y);
      c.rotate(turn * Math.PI / 180);
      c.fillText(text, 0, 0);
      c.restore();
    } else c.fillText(text, x, y);
    c.globalAlpha = 1;
  }
  clipped(x, y, width, height, draw) {
    this.c.save();
    this.c.beginPath();
    this.c.rect(x, y, width, height);
    this.c.clip();
    draw();
    this.c.restore();
  }
}

class SvgPainter {
  constructor(width, height) {
    this.size = [width, height];
    this.parts = [];
    this.clips = 0;
  }
  static escape(text) {
    return String(text).replace(/[&<>"]/g, c => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }[c])).replace(/[\u0000-\u0008\u000b-\u001f]/g, '');
  }
  element(tag, attributes, text) {
    const list = Object.entries(attributes).filter(([, value]) => value !== undefined && value !== '');
    const round = value => (typeof value === 'number' ? Math.round(value * 100) / 100 : SvgPainter.escape(value));
    this.parts.push(`<${tag}${list.map(([name, value]) => ` ${name}="${round(value)}"`).join('')}` + (text === undefined ? '/>' : `>${SvgPainter.escape(text)}</${tag}>`));
  }
  rect(x, y, width, height, fill, stroke, lineWidth = 1, alpha = 1) {
    this.element('rect', { x, y, width, height, fill: fill || 'none', stroke: stroke || undefined, 'stroke-width': stroke ? lineWidth : undefined,
      opacity: alpha === 1 ? undefined : alpha });
  }
  line(x1, y1, x2, y2, colour, width = 1, dash = []) {
    this.element('line', { x1, y1, x2, y2, stroke: colour, 'stroke-width': width, 'stroke-dasharray': dash.join(' ') });
  }
  polygon(points, fill) {
    this.element('polygon', { points: points.map(([x, y]) => `${Math.round(x * 10) / 10},${Math.round(y * 10) / 10}`).join(' '), fill });
  }
  text(x, y, text, { fill, size = 12, weight = 400, align = 'left', turn = 0, alpha = 1 }) {
    const anchor = { left: undefined, center: 'middle', right: 'end' }[align];
    this.element('text', { x, y, fill, 'font-size': size, 'font-weight': weight === 400 ? undefined : weight, 'text-anchor': anchor,
      transform: turn ? `rotate(${turn} ${x} ${y})` : undefined, opacity: alpha === 1 ? undefined : alpha }, text);
  }
  clipped(x, y, width, height, draw) {
    const id = 'c' + this.clips++;
    this.parts.push(`<clipPath id="${id}"><rect x="${x}" y="${y}" width="${width}" height="${height}"/></clipPath><g clip-path="url(#${id})">`);
    draw();
    this.parts.push('</g>');
  }
  document(background) {
    const [width, height] = this.size;
    return `<svg xmlns="${SVG_SPACE}" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="${SvgPainter.escape(FONT)}">` +
      `<rect width="100%" height="100%" fill="${background}"/>\n${this.parts.join('\n')}\n</svg>\n`;
  }
}

/* The page's colours as they are now (light or dark, screen or paper), by name. */
function readColours() {
  const style = getComputedStyle(document.documentElement), colours = {};
  for (const name of ['paper', 'card', 'ink', 'soft', 'line', 'grid', 'accent', 'plot', 'cursor', 'bound', 'forward', 'backward', 'update', ...KIND_LIST])
    colours[name] = style.getPropertyValue('--' + name).trim();
  colours.on = {};
  for (const kind of KIND_LIST) colours.on[kind] = contrast(colours[kind], '#10141a') >= contrast(colours[kind], '#ffffff') ? '#10141a' : '#ffffff';
  return colours;
}
function luminance(hex) {
  const part = i => {
    const value = parseInt(hex.slice(i, i + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  };
  return 0.2126 * part(1) + 0.7152 * part(3) + 0.0722 * part(5);
}
function contrast(a, b) {
  const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (high + 0.05) / (low + 0.05);
}
