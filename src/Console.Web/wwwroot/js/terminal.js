// Terminals in the page over xterm.js. Shells live in the console: a page that comes back reads on where it stopped, and one that
// was loaded anew reads what is kept. What a container says is drawn and nothing else: titles, the clipboard and windows are not its.
import { Terminal } from '../lib/xterm/xterm.js';
import { FitAddon } from '../lib/xterm/addon-fit.js';

const displaced = 4001;
const ended = 4002;
const sessionOver = 1008;
const longestPause = 10_000;

function dress() {
  const href = './lib/xterm/xterm.css';
  if (document.head.querySelector(`link[href="${href}"]`)) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const css = document.createElement('link');
    css.rel = 'stylesheet';
    css.href = href;
    css.onload = resolve;
    css.onerror = () => reject(new Error('xterm.css could not be loaded'));
    document.head.append(css);
  });
}

function theme() {
  const style = getComputedStyle(document.documentElement);
  const of = name => style.getPropertyValue(name).trim();
  const colours = {
    background: of('--surface'),
    foreground: of('--ink'),
    cursor: of('--accent'),
    cursorAccent: of('--surface'),
    selectionBackground: of('--accent-soft'),
    black: of('--ink-2'),
    white: of('--ink-3'),
    brightBlack: of('--ink-3'),
    brightWhite: of('--ink'),
  };
  for (const [i, name] of ['red', 'green', 'yellow', 'blue', 'magenta', 'cyan'].entries()) {
    colours[name] = of(`--ansi-${i + 1}`);
    colours[`bright${name[0].toUpperCase()}${name.slice(1)}`] = colours[name];
  }
  return colours;
}

function follow(event, address) {
  const url = URL.canParse(address) ? new URL(address) : null;
  if ((event.ctrlKey || event.metaKey) && (url?.protocol === 'https:' || url?.protocol === 'http:')) {
    window.open(url.href, '_blank', 'noopener,noreferrer');
  }
}

async function call(method, address, body) {
  const answer = await fetch(address, {
    method,
    headers: body ? { 'Content-Type': 'application/json' } : {},
    body: body ? JSON.stringify(body) : undefined,
  });
  if (answer.ok) return answer.status === 204 ? null : await answer.json();
  const problem = await answer.json().catch(() => ({}));
  const error = new Error(problem.errors?.[0]?.message ?? problem.detail ?? `The console answered ${answer.status}.`);
  error.status = answer.status;
  throw error;
}

const part = (name, className, text = '') => {
  const e = document.createElement(name);
  e.className = className;
  e.textContent = text;
  return e;
};

class Pane {
  constructor(desk, replica, id) {
    Object.assign(this, { desk, replica, id, place: null, replayed: 0, pause: 500, note: '', over: false });
    this.box = part('div', 'terminal-screen');
    this.box.hidden = true;
    this.term = new Terminal({
      fontFamily: getComputedStyle(document.documentElement).getPropertyValue('--mono').trim(),
      fontSize: 13,
      scrollback: 5000,
      minimumContrastRatio: 4.5,
      theme: theme(),
      linkHandler: { activate: follow, allowNonHttpProtocols: false },
    });
    this.fitting = new FitAddon();
    this.term.loadAddon(this.fitting);
    this.term.onData(text => this.type(new TextEncoder().encode(text)));
    this.term.onBinary(text => this.type(Uint8Array.from(text, c => c.charCodeAt(0))));
    this.term.onResize(({ cols, rows }) => this.tell({ resize: { columns: cols, rows } }));
    this.term.attachCustomKeyEventHandler(e => !this.copies(e));
  }

  // Ctrl+C is the program's
  copies(e) {
    const wanted = e.type === 'keydown' && e.ctrlKey && ((e.shiftKey && e.code === 'KeyC') || e.code === 'Insert');
    if (wanted && this.term.hasSelection()) {
      navigator.clipboard?.writeText(this.term.getSelection()).catch(() => {});
      e.preventDefault();
    }
    return wanted;
  }

  show(on) {
    this.box.hidden = !on;
    if (!on) return;
    if (!this.term.element) this.term.open(this.box);
    this.fit();
    this.term.focus();
    if (this.id && !this.socket && !this.over) this.connect();
  }

  fit() {
    if (!this.box.hidden && this.box.clientWidth > 0) this.fitting.fit();
  }

  get open() {
    return this.socket?.readyState === WebSocket.OPEN;
  }

  // What is played again holds questions that were answered when they came
  type(bytes) {
    if (this.open && (this.place ?? 0) >= this.replayed && !this.replaying) this.socket.send(bytes);
  }

  tell(message) {
    if (this.open) this.socket.send(JSON.stringify(message));
  }

  connect() {
    const from = this.place === null ? '' : `&from=${this.place}`;
    const socket = new WebSocket(`${this.desk.base}/${this.id}/attach?paced=true${from}`);
    socket.binaryType = 'arraybuffer';
    socket.onmessage = ({ data }) => (typeof data === 'string' ? this.hear(JSON.parse(data)) : this.draw(data));
    socket.onclose = e => {
      if (this.socket === socket) this.closed(e.code, e.reason);
    };
    this.socket = socket;
  }

  hear({ attached, ended: end }) {
    if (attached) {
      // What came between is not kept any more: begin with what is
      if (this.place !== null && this.place !== attached.from) this.term.reset();
      this.replaying = this.place !== attached.from && attached.said > attached.from;
      this.place = attached.from;
      this.replayed = attached.said;
      this.pause = 500;
      this.say('');
      this.fit();
      this.tell({ resize: { columns: this.term.cols, rows: this.term.rows } });
    }
    if (end) this.finish(end.message);
  }

  draw(data) {
    const bytes = new Uint8Array(data);
    this.place += bytes.length;
    const place = this.place;
    // Called when it is drawn: a page that is behind is not sent more
    this.term.write(bytes, () => {
      if (place >= this.replayed) this.replaying = false;
      this.tell({ seen: place });
    });
  }

  closed(code, reason) {
    this.socket = null;
    if (this.over || this.gone) return;
    if (code === displaced) this.say('It was opened in another window.', 'Use it here', () => this.connect());
    else if (code === ended) this.finish('It has ended.');
    else if (code === sessionOver) this.finish('Your session has ended.');
    else if (code === 1009 || code === 1007) this.say(reason, 'Go on', () => this.connect());
    else {
      this.say('The connection to the console was lost. Trying again…');
      setTimeout(() => this.again(), this.pause);
      this.pause = Math.min(this.pause * 2, longestPause);
    }
  }

  async again() {
    if (this.gone || this.socket) return;
    try {
      const all = await call('GET', this.desk.base);
      if (all.some(t => t.id === this.id)) this.connect();
      else this.finish('It is no more: it ended, or the console that held it did.');
    } catch (error) {
      if (error.status === 401 || error.status === 403) this.finish('Your session has ended.');
      else this.closed(0, '');
    }
  }

  finish(message) {
    this.over = true;
    this.say(message);
    this.desk.draw();
  }

  say(text, deed, act) {
    Object.assign(this, { note: text, deed, act });
    this.desk.drawNote();
  }

  dispose() {
    this.gone = true;
    this.socket?.close();
    this.term.dispose();
    this.box.remove();
  }
}

class Desk {
  constructor(root, workload, replica) {
    Object.assign(this, { root, replica, panes: [], chosen: null, key: `deeplab-terminal-${workload}` });
    this.base = `/api/v1/workloads/${workload}/terminals`;
    this.bar = part('div', 'terminal-bar');
    this.tabs = part('div', 'terminal-tabs');
    this.tabs.setAttribute('role', 'tablist');
    this.tabs.setAttribute('aria-label', 'Terminals');
    const more = part('button', 'terminal-new', 'New terminal');
    more.type = 'button';
    more.onclick = () => this.openNew();
    this.bar.append(this.tabs, more);
    this.screens = part('div', 'terminal-screens');
    this.noteLine = part('div', 'terminal-note');
    this.noteLine.setAttribute('role', 'status');
    root.append(this.bar, this.screens, this.noteLine);
    this.observer = new ResizeObserver(() => this.chosen?.fit());
    this.observer.observe(this.screens);
    this.retheme = () => this.panes.forEach(p => (p.term.options.theme = theme()));
    document.addEventListener('deeplab-theme', this.retheme);
  }

  async start() {
    try {
      for (const t of await call('GET', this.base)) if (!t.ended) this.add(t.replica, t.id);
    } catch (error) {
      this.tell(error.message);
      return;
    }
    const before = sessionStorage.getItem(this.key);
    const pane = this.panes.find(p => p.id === before) ?? this.panes.findLast(p => p.replica === this.replica);
    if (pane) this.choose(pane);
    else await this.openNew();
  }

  add(replica, id) {
    const pane = new Pane(this, replica, id);
    this.panes.push(pane);
    this.screens.append(pane.box);
    return pane;
  }

  async openNew() {
    if (this.opening) return;
    this.opening = true;
    const before = this.chosen;
    const pane = this.add(this.replica, null);
    try {
      this.choose(pane);
      const { cols, rows } = pane.term;
      const made = await call('POST', this.base, { replica: this.replica, columns: cols, rows });
      pane.id = made.id;
      this.choose(pane);
    } catch (error) {
      this.remove(pane, before);
      this.tell(error.message);
    } finally {
      this.opening = false;
    }
  }

  choose(pane) {
    this.chosen = pane;
    if (pane?.id) sessionStorage.setItem(this.key, pane.id);
    for (const p of this.panes) p.show(p === pane);
    this.draw();
  }

  async close(pane) {
    this.remove(pane, this.chosen === pane ? this.panes.findLast(p => p !== pane) : this.chosen);
    if (pane.over) return;
    try {
      await call('DELETE', `${this.base}/${pane.id}`);
    } catch (error) {
      if (error.status !== 404) this.tell(error.message);
    }
  }

  remove(pane, next) {
    this.panes = this.panes.filter(p => p !== pane);
    pane.dispose();
    this.choose(next ?? null);
  }

  tell(message) {
    this.said = message;
    this.drawNote();
  }

  draw() {
    const counts = {};
    const tabs = this.panes.map(pane => {
      const name = `${pane.replica} · ${(counts[pane.replica] = (counts[pane.replica] ?? 0) + 1)}`;
      const tab = part('button', 'terminal-tab', name);
      tab.type = 'button';
      tab.setAttribute('role', 'tab');
      tab.setAttribute('aria-selected', String(pane === this.chosen));
      tab.classList.toggle('over', pane.over);
      tab.onclick = () => this.choose(pane);
      const close = part('button', 'terminal-close', '×');
      close.type = 'button';
      close.setAttribute('aria-label', `Close ${name}`);
      close.onclick = () => this.close(pane);
      const both = part('span', 'terminal-handle');
      both.append(tab, close);
      return both;
    });
    this.tabs.replaceChildren(...tabs);
    this.drawNote();
  }

  drawNote() {
    const pane = this.chosen;
    const text = this.said ?? (pane ? pane.note : 'No terminal is open.');
    this.said = null;
    this.noteLine.replaceChildren(text);
    if (pane?.note === text && pane?.deed) {
      const deed = part('button', 'terminal-deed', pane.deed);
      deed.type = 'button';
      deed.onclick = () => pane.act();
      this.noteLine.append(deed);
    }
  }

  dispose() {
    this.observer.disconnect();
    document.removeEventListener('deeplab-theme', this.retheme);
    this.panes.forEach(p => p.dispose());
  }
}

export async function create(root, workload, replica) {
  await Promise.all([dress(), document.fonts.load('13px "JetBrains Mono"')]);
  const desk = new Desk(root, workload, replica);
  desk.start();
  return {
    choose: name => (desk.replica = name),
    dispose: () => desk.dispose(),
  };
}
