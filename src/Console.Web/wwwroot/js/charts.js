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
const height = 190;

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
  constructor(root) {
    this.root = root;
    this.lines = [];
    this.hidden = new Set();
    this.queued = false;
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(root);
    this.onTheme = () => this.build();
    document.addEventListener('deeplab-theme', this.onTheme);
  }

  draw(options, buffer) {
    this.options = options;
    this.lines = options.lines.map(label => ({ label, x: [], mean: [], min: [], max: [] }));
    this.take(buffer);
    this.build();
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

  // Each line brings three series (mean, least, greatest) over the x of all
  table() {
    const log = this.options.logarithmic;
    const clean = y => (log ? Array.from(y, v => (v > 0 ? v : null)) : y);
    const tables = this.lines.map(l => [l.x, clean(smooth(l.mean, this.options.smoothing)), clean(l.min), clean(l.max)]);
    if (tables.length === 1) return tables[0];
    return tables.length === 0 ? [[]] : uPlot.join(tables);
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
    const font = '11px Inter, system-ui, sans-serif';
    const series = [{}], bands = [];
    this.lines.forEach((l, i) => {
      const color = palette[i % palette.length];
      const show = !this.hidden.has(l.label);
      const edge = { stroke: 'transparent', width: 0, points: { show: false }, show };
      series.push(
        { label: l.label, stroke: color, width: 1.6, spanGaps: true, show, points: { show: (u, s) => this.lines[i].x.length < 3, size: 5 } },
        { ...edge, spanGaps: true },
        { ...edge, spanGaps: true },
      );
      bands.push({ series: [i * 3 + 3, i * 3 + 2], fill: color + '26' });
    });
    const axis = { stroke: ink, font, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid, width: 1, size: 4 } };
    this.plot = new uPlot(
      {
        width: Math.max(120, this.root.clientWidth),
        height,
        legend: { show: false },
        padding: [8, 8, 0, 0],
        scales: {
          x: { time: !byStep },
          y: {
            distr: logarithmic ? 3 : 1,
            range: logarithmic ? undefined : (u, min, max) => this.range(min, max),
          },
        },
        axes: [
          { ...axis, size: 28, space: 72, values: (u, v, i, s, step) => v.map(x => (x == null ? '' : byStep ? number(x) : clock(x, step))) },
          { ...axis, size: 62, space: 32, incrs: increments[unit], values: (u, v) => v.map(x => (x == null ? '' : format(x))) },
        ],
        cursor: { sync: group ? { key: group } : undefined, points: { size: 6 }, drag: { x: true, y: false } },
        series,
        bands,
        hooks: { setCursor: [u => this.tip(u)] },
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
    if (this.plot && width > 0 && width !== this.plot.width) this.plot.setSize({ width, height });
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

  dispose() {
    this.gone = true;
    this.observer.disconnect();
    document.removeEventListener('deeplab-theme', this.onTheme);
    this.plot?.destroy();
  }
}

export async function create(root) {
  await library();
  return new Chart(root);
}
