// Line charts over uPlot: drawn once, then fed with what is new. Lines may have different x; they are joined here.
let loading;
function library() {
  loading ??= new Promise((resolve, reject) => {
    const css = document.createElement('link');
    css.rel = 'stylesheet';
    css.href = './lib/uplot/uPlot.min.css';
    const script = document.createElement('script');
    script.src = './lib/uplot/uPlot.iife.min.js';
    script.onload = resolve;
    script.onerror = () => reject(new Error('uPlot could not be loaded'));
    document.head.append(css, script);
  });
  return loading;
}

const light = ['#0a62c0', '#c2570c', '#14773f', '#8b2fa8', '#b3261e', '#0b6f7c', '#7a6200', '#5b5fc7'];
const night = ['#5caaf8', '#f0995a', '#4cc38a', '#cf8ee6', '#f47a7c', '#54c3d1', '#d9b84a', '#9ea2f5'];
const usual = { height: 190, font: 11, width: 1.6, axis: 28, side: 62, space: 32 };
// Read from afar
const large = { height: 0, font: 17, width: 3, axis: 40, side: 92, space: 56 };
// Charts that share a cursor share what they show of their axis too
const groups = new Map();

function bytes(v) {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  let u = 0;
  while (Math.abs(v) >= 999.5 && u < units.length - 1) { v /= 1024; u++; }
  const a = Math.abs(v);
  return `${u === 0 || a >= 100 ? v.toFixed(0) : trim(v.toFixed(a >= 10 ? 1 : 2))} ${units[u]}`;
}
const trim = s => (s.includes('.') ? s.replace(/\.?0+$/, '') : s);
function number(v) {
  const a = Math.abs(v);
  if (v === 0) return '0';
  if (a >= 1e6 || a < 1e-3) return v.toExponential(2).replace(/\.?0+e/, 'e').replace('e+', 'e');
  return trim(v.toFixed(a >= 1000 ? 0 : a >= 100 ? 1 : a >= 1 ? 3 : 5));
}
const units = {
  Number: number,
  Cores: v => `${trim(v.toFixed(2))}`,
  Bytes: bytes,
  BytesPerSecond: v => `${bytes(v)}/s`,
  Percent: v => `${trim(v.toFixed(1))} %`,
  Celsius: v => `${trim(v.toFixed(1))} °C`,
  Watts: v => `${trim(v.toFixed(1))} W`,
};
const floorOfZero = new Set(['Cores', 'Bytes', 'BytesPerSecond', 'Percent', 'Watts']);
const increments = {
  Bytes: [...Array(50).keys()].flatMap(e => [1, 2, 5].map(m => m * 2 ** e)).sort((a, b) => a - b),
};
increments.BytesPerSecond = increments.Bytes;

// Rows of a table beside what is seen, on each side
const beyond = 50;

// Of tables that are joined: lines of one program have the same steps
function rows(tables) {
  const [first] = tables[0];
  const same = tables.every(([x]) => x.length === first.length && x.every((v, i) => v === first[i]));
  return same ? first.length : tables.reduce((n, [x]) => n + x.length, 0);
}

const css = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function decode(buffer) {
  const n = new Float64Array(buffer.buffer.slice(buffer.byteOffset, buffer.byteOffset + buffer.byteLength));
  const parts = [];
  for (let at = 0; at < n.length; ) {
    const line = n[at], count = n[at + 1];
    const cut = k => n.subarray(at + 2 + k * count, at + 2 + (k + 1) * count);
    parts.push({ line, x: cut(0), mean: cut(1), min: cut(2), max: cut(3) });
    at += 2 + 4 * count;
  }
  return parts;
}

// Exponential, with the start corrected, as TensorBoard does
function smooth(y, weight) {
  if (!weight) return y;
  let last = 0, n = 0;
  return Array.from(y, v => {
    if (v == null || !Number.isFinite(v)) return v;
    last = last * weight + (1 - weight) * v;
    n++;
    return last / (1 - weight ** n);
  });
}

const two = n => String(n).padStart(2, '0');
// One line, 24 hours, in the browser's zone; days where the marks are so far apart
function clock(seconds, step) {
  const d = new Date(seconds * 1000);
  if (step >= 86400) return `${two(d.getMonth() + 1)}-${two(d.getDate())}`;
  const time = `${two(d.getHours())}:${two(d.getMinutes())}`;
  return step < 60 ? `${time}:${two(d.getSeconds())}` : time;
}

class Chart {
  constructor(root, page) {
    this.root = root;
    this.page = page;
    this.sight = new IntersectionObserver(entries => {
      this.seen = entries[entries.length - 1].isIntersecting;
      this.closer();
    });
    this.sight.observe(root);
    this.lines = [];
    this.hidden = new Set();
    this.queued = false;
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(root);
    this.zoom = null;
    this.menu = root.closest('figure')?.querySelector('details');
    this.onOutside = e => { if (this.menu?.open && !this.menu.contains(e.target)) this.menu.open = false; };
    document.addEventListener('click', this.onOutside);
    this.menu?.addEventListener('keydown', e => { if (e.key === 'Escape') this.menu.open = false; });
    this.menu?.addEventListener('click', e => {
      if (e.target.closest('button')) this.save();
      if (!e.target.closest('summary')) this.menu.open = false;
    });
    this.onTheme = () => this.build();
    document.addEventListener('deeplab-theme', this.onTheme);
  }

  draw(options, buffer) {
    this.leave();
    this.options = options;
    this.sizes = options.large ? large : usual;
    this.key = options.group ? `${options.group} ${options.byStep ? 'step' : 'time'}` : null;
    if (this.key) groups.set(this.key, (groups.get(this.key) ?? new Set()).add(this));
    this.lines = options.lines.map(label => ({ label, x: [], mean: [], min: [], max: [] }));
    this.take(buffer);
    this.closerOf = this.fine = null;
    this.build();
    this.closer();
  }

  append(buffer) {
    this.take(buffer);
    // However many batches come within a frame, they are drawn once
    if (!this.queued) {
      this.queued = true;
      requestAnimationFrame(() => {
        this.queued = false;
        this.refresh();
      });
    }
  }

  look(smoothing, logarithmic) {
    if (!this.options || (this.options.smoothing === smoothing && this.options.logarithmic === logarithmic)) return;
    const rebuild = this.options.logarithmic !== logarithmic;
    Object.assign(this.options, { smoothing, logarithmic });
    if (rebuild) this.build();
    else this.refresh();
  }

  take(buffer) {
    for (const part of decode(buffer)) {
      const line = this.lines[part.line];
      if (!line) continue;
      for (const k of ['x', 'mean', 'min', 'max']) for (const v of part[k]) line[k].push(v);
    }
  }

  // Each line brings three series (mean, least, greatest) over the x of all: every point where they are few, else columns
  table() {
    const log = this.options.logarithmic;
    const clean = y => (log ? Array.from(y, v => (v > 0 ? v : null)) : y);
    const tables = this.lines.map((l, i) => this.points(l, i))
      .map(l => [l.x, clean(smooth(l.mean, this.options.smoothing)), clean(l.min), clean(l.max)]);
    if (tables.length === 0) return [[]];
    if (rows(tables) > 1.5 * this.wide()) return this.columns(tables);
    return tables.length === 1 ? tables[0] : uPlot.join(tables);
  }

  // A line, the part that a reader chose as fine as it was read
  points(line, i) {
    const fine = this.fine?.find(part => part.line === i);
    if (!fine?.x.length) return line;
    const { x } = line, first = fine.x[0], last = fine.x[fine.x.length - 1];
    let a = 0, b = x.length;
    while (a < b && x[a] < first) a++;
    while (b > a && x[b - 1] > last) b--;
    const join = k => [...line[k].slice(0, a), ...fine[k], ...line[k].slice(b)];
    return { x: join('x'), mean: join('mean'), min: join('min'), max: join('max') };
  }

  // Asks for the chosen part as fine as it is kept, once the choosing has paused, of a chart that is on the screen
  closer() {
    const zoom = this.zoom;
    if (!this.page || !this.plot || !this.seen || zoom === this.closerOf) return;
    this.closerOf = zoom;
    clearTimeout(this.asks);
    this.root.setAttribute('aria-busy', String(zoom != null));
    if (zoom == null) return;
    this.asks = setTimeout(async () => {
      const buffer = await this.page.invokeMethodAsync('CloserAsync', zoom[0], zoom[1]).catch(() => null);
      if (this.closerOf !== zoom || this.gone) return;
      this.fine = buffer?.length ? decode(buffer) : null;
      this.refresh();
      this.root.setAttribute('aria-busy', 'false');
    }, 150);
  }

  // About a row a pixel of what is seen, and a few of what lies beyond, however many points there are: what is drawn costs the
  // same. A column stands at its last point
  columns(tables) {
    const [first, last] = this.extent(), [from, to] = this.zoom ?? [first, last];
    const wide = this.wide(), count = wide + 2 * beyond;
    const part = (x, a, b, n) => Math.min(n - 1, Math.max(0, Math.floor(((x - a) / (b - a || 1)) * n)));
    const place = x =>
      x < from ? part(x, first, from, beyond)
      : x <= to ? beyond + part(x, from, to, wide)
      : beyond + wide + part(x, to, last, beyond);
    const xs = new Array(count).fill(null);
    const drawn = tables.map(([x, mean, min, max]) => {
      const sums = new Float64Array(count), points = new Uint32Array(count);
      const least = new Array(count).fill(null), greatest = new Array(count).fill(null);
      for (let i = 0; i < x.length; i++) {
        const at = place(x[i]);
        if (xs[at] == null || x[i] > xs[at]) xs[at] = x[i];
        if (mean[i] == null || Number.isNaN(mean[i])) continue;
        sums[at] += mean[i];
        points[at]++;
        if (min[i] != null && (least[at] == null || min[i] < least[at])) least[at] = min[i];
        if (max[i] != null && (greatest[at] == null || max[i] > greatest[at])) greatest[at] = max[i];
      }
      return [Array.from(sums, (sum, at) => (points[at] ? sum / points[at] : null)), least, greatest];
    });
    const kept = [...xs.keys()].filter(at => xs[at] != null);
    return [xs, ...drawn.flat()].map(column => kept.map(at => column[at]));
  }

  // Pixels of what is seen
  wide() {
    return Math.max(100, this.root.clientWidth - this.sizes.side - 8);
  }

  colors() {
    return document.documentElement.dataset.theme === 'dark' ? night : light;
  }

  build() {
    if (!this.options || this.gone) return;
    this.plot?.destroy();
    this.root.replaceChildren();
    const { unit, byStep, group, logarithmic } = this.options;
    const format = units[unit] ?? number;
    const palette = this.colors();
    const ink = css('--ink-3'), grid = css('--line');
    const { font: size, width, axis: below, side, space } = this.sizes;
    const font = `${size}px Inter, system-ui, sans-serif`;
    const series = [{}], bands = [];
    this.lines.forEach((l, i) => {
      const color = palette[i % palette.length];
      const show = !this.hidden.has(l.label);
      const edge = { stroke: 'transparent', width: 0, points: { show: false }, show };
      series.push(
        { label: l.label, stroke: color, width, spanGaps: true, show, points: { show: (u, s) => this.lines[i].x.length < 3, size: 5 } },
        { ...edge, spanGaps: true },
        { ...edge, spanGaps: true },
      );
      bands.push({ series: [i * 3 + 3, i * 3 + 2], fill: color + '26' });
    });
    const axis = { stroke: ink, font, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid, width: 1, size: 4 } };
    this.plot = new uPlot(
      {
        width: Math.max(120, this.root.clientWidth),
        height: this.height(),
        legend: { show: false },
        // Half of a step number at its right end
        padding: [8, 20, 0, 0],
        scales: {
          x: { time: !byStep, range: () => this.zoom ?? this.span() },
          y: {
            distr: logarithmic ? 3 : 1,
            range: logarithmic ? undefined : (u, min, max) => this.range(min, max),
          },
        },
        axes: [
          { ...axis, size: below, space: 72, values: (u, v, i, s, step) => v.map(x => (x == null ? '' : byStep ? number(x) : clock(x, step))) },
          { ...axis, size: side, space, incrs: increments[unit], values: (u, v) => v.map(x => (x == null ? '' : format(x))) },
        ],
        cursor: { sync: group ? { key: group } : undefined, points: { size: 6 }, drag: { x: true, y: false, setScale: false }, bind: { dblclick: () => () => { this.show(null); } } },
        series,
        bands,
        hooks: {
          setCursor: [u => this.tip(u)],
          setSelect: [u => {
            const { left, width } = u.select;
            if (width <= 0) return;
            u.setSelect({ left: 0, width: 0 }, false);
            this.show([u.posToVal(left, 'x'), u.posToVal(left + width, 'x')]);
          }],
        },
      },
      this.table(),
      this.root,
    );
    this.legend(palette, format);
    this.tooltip = document.createElement('div');
    this.tooltip.className = 'chart-tip';
    this.tooltip.hidden = true;
    this.plot.over.append(this.tooltip);
    this.plot.over.addEventListener('mouseleave', () => { this.tooltip.hidden = true; });
    this.lastValues();
  }

  others() {
    return this.key ? [...groups.get(this.key)].filter(c => c.plot) : [this];
  }

  // What a reader chose to see stays while points come in; null = everything
  show(zoom) {
    for (const c of this.others()) {
      c.zoom = zoom;
      c.fine = null;
      c.plot.setData(c.table());
      c.closer();
    }
  }

  extent() {
    let from = Infinity, to = -Infinity;
    for (const { x } of this.lines) {
      if (!x.length) continue;
      from = Math.min(from, x[0]);
      to = Math.max(to, x[x.length - 1]);
    }
    return [from, to];
  }

  // Of time, all charts of a group show the same; each metric has steps of its own
  span() {
    let [min, max] = this.extent();
    if (!this.options.byStep) {
      for (const c of this.others()) {
        const [from, to] = c.extent();
        min = Math.min(min, from);
        max = Math.max(max, to);
      }
    }
    if (!Number.isFinite(min) || !Number.isFinite(max)) return [null, null];
    if (min !== max) return [min, max];
    const margin = this.options.byStep ? 1 : 30;
    return [min - margin, max + margin];
  }

  height() {
    return this.sizes.height || Math.max(120, this.root.clientHeight - 44);
  }

  range(min, max) {
    if (min == null || max == null) return [0, 1];
    const unit = this.options.unit;
    if (unit === 'Percent') return [0, 100];
    if (floorOfZero.has(unit)) return [0, max <= 0 ? 1 : max * 1.1];
    if (min === max) return [min - Math.max(1e-9, Math.abs(min) * 0.1), max + Math.max(1e-9, Math.abs(max) * 0.1)];
    return [min - (max - min) * 0.06, max + (max - min) * 0.06];
  }

  refresh() {
    if (!this.plot || this.gone) return;
    this.plot.setData(this.table());
    this.lastValues();
  }

  resize() {
    const width = this.root.clientWidth;
    if (!this.plot || width <= 0) return;
    const height = this.height();
    if (width !== this.plot.width || height !== this.plot.height) {
      this.plot.setSize({ width, height });
      this.refresh();
    }
  }

  legend(palette, format) {
    this.format = format;
    const box = document.createElement('div');
    box.className = 'chart-legend';
    this.values = this.lines.map((l, i) => {
      const button = document.createElement('button');
      button.type = 'button';
      button.setAttribute('aria-pressed', String(!this.hidden.has(l.label)));
      button.title = 'Show or hide this line';
      const swatch = document.createElement('i');
      swatch.style.background = palette[i % palette.length];
      const name = document.createElement('span');
      name.textContent = l.label;
      const value = document.createElement('b');
      button.append(swatch, name, value);
      button.addEventListener('click', () => {
        if (!this.hidden.delete(l.label)) this.hidden.add(l.label);
        const show = !this.hidden.has(l.label);
        button.setAttribute('aria-pressed', String(show));
        for (let k = 1; k <= 3; k++) this.plot.setSeries(i * 3 + k, { show });
      });
      box.append(button);
      return value;
    });
    this.root.append(box);
  }

  lastValues() {
    let words = [];
    this.lines.forEach((l, i) => {
      const last = l.mean.length ? this.format(l.mean[l.mean.length - 1]) : '–';
      this.values[i].textContent = last;
      words.push(`${l.label} ${last}`);
    });
    this.root.setAttribute('aria-label', words.join(', '));
  }

  // Lines of several runs are joined, so one has gaps where only others have a point: its nearest counts, within a 40th of the width
  nearest(u, y, idx) {
    const x = u.data[0], reach = (u.scales.x.max - u.scales.x.min) / 40;
    for (let a = idx, b = idx; ; a--, b++) {
      const before = a >= 0 && x[idx] - x[a] <= reach, after = b < x.length && x[b] - x[idx] <= reach;
      if (before && y[a] != null) return a;
      if (after && y[b] != null) return b;
      if (!before && !after) return null;
    }
  }

  tip(u) {
    const { idx, left } = u.cursor;
    if (idx == null || left < 0 || !this.tooltip) {
      if (this.tooltip) this.tooltip.hidden = true;
      return;
    }
    const rows = [];
    const x = u.data[0][idx];
    rows.push(this.options.byStep ? `step ${x}` : new Date(x * 1000).toLocaleString('sv-SE'));
    const palette = this.colors();
    this.tooltip.replaceChildren();
    const head = document.createElement('div');
    head.textContent = rows[0];
    this.tooltip.append(head);
    this.lines.forEach((l, i) => {
      const y = u.data[i * 3 + 1];
      const at = y && !this.hidden.has(l.label) ? this.nearest(u, y, idx) : null;
      if (at == null) return;
      const v = y[at];
      const row = document.createElement('div');
      const swatch = document.createElement('i');
      swatch.style.background = palette[i % palette.length];
      const low = u.data[i * 3 + 2][at], high = u.data[i * 3 + 3][at];
      const spread = low != null && high != null && low !== high ? ` (${this.format(low)} to ${this.format(high)})` : '';
      row.append(swatch, `${this.lines.length > 1 ? l.label + '  ' : ''}${this.format(v)}${spread}`);
      this.tooltip.append(row);
    });
    this.tooltip.hidden = this.tooltip.childElementCount < 2;
    const over = u.over.clientWidth;
    const w = this.tooltip.offsetWidth;
    this.tooltip.style.left = `${left + 14 + w > over ? Math.max(0, left - w - 14) : left + 14}px`;
  }

  // What is shown, as a picture: title, plot with its axes, legend, in the colours of the theme
  save() {
    if (!this.plot) return;
    const drawn = this.plot.ctx.canvas, r = drawn.width / this.plot.width;
    const palette = this.colors();
    const shown = this.lines.map((l, i) => ({ label: l.label, color: palette[i % palette.length], value: this.values[i].textContent }))
      .filter(l => !this.hidden.has(l.label));
    const canvas = document.createElement('canvas');
    const pen = canvas.getContext('2d');
    const pad = 14 * r, row = 20 * r, small = `${12 * r}px Inter, system-ui, sans-serif`;
    const width = drawn.width + 2 * pad;
    pen.font = small;
    let x = pad, y = 0;
    const places = shown.map(l => {
      const w = 15 * r + pen.measureText(`${l.label}  ${l.value}`).width + 16 * r;
      if (x > pad && x + w > width - pad) { x = pad; y += row; }
      const place = { x, y };
      x += w;
      return place;
    });
    const head = 38 * r, foot = head + drawn.height + 8 * r;
    canvas.width = width;
    canvas.height = foot + (shown.length ? y + row : 0) + pad;
    pen.fillStyle = css('--surface');
    pen.fillRect(0, 0, canvas.width, canvas.height);
    pen.textBaseline = 'middle';
    pen.fillStyle = css('--ink');
    pen.font = `600 ${14 * r}px Inter, system-ui, sans-serif`;
    pen.fillText(this.options.title, pad, head / 2 + 2 * r, width - 2 * pad);
    pen.drawImage(drawn, pad, head);
    pen.font = small;
    shown.forEach((l, i) => {
      const at = { x: places[i].x, y: foot + places[i].y + row / 2 };
      pen.fillStyle = l.color;
      pen.fillRect(at.x, at.y - 4.5 * r, 9 * r, 9 * r);
      pen.fillStyle = css('--ink-2');
      pen.fillText(`${l.label}  ${l.value}`, at.x + 15 * r, at.y);
    });
    canvas.toBlob(blob => {
      const link = document.createElement('a');
      link.href = URL.createObjectURL(blob);
      link.download = `${this.options.title.replace(/[^\p{L}\p{N}._-]+/gu, '-').replace(/^-+|-+$/g, '') || 'chart'}.png`;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    }, 'image/png');
  }

  leave() {
    const group = this.key && groups.get(this.key);
    group?.delete(this);
    if (group?.size === 0) groups.delete(this.key);
  }

  dispose() {
    this.gone = true;
    this.leave();
    document.removeEventListener('click', this.onOutside);
    this.observer.disconnect();
    this.sight.disconnect();
    clearTimeout(this.asks);
    document.removeEventListener('deeplab-theme', this.onTheme);
    this.plot?.destroy();
  }
}

// The page reads a chosen part anew, see CloserAsync
export async function create(root, page) {
  await library();
  return new Chart(root, page);
}
