// What every page needs of the browser: theme, width, time zone, ticking durations, the clipboard.
const narrow = window.matchMedia('(max-width: 760px)');
const dark = window.matchMedia('(prefers-color-scheme: dark)');
let skew = 0;

const isDark = () => document.documentElement.dataset.theme === 'dark';

function facts() {
  return {
    zone: Intl.DateTimeFormat().resolvedOptions().timeZone ?? 'UTC',
    narrow: narrow.matches,
    dark: isDark(),
    theme: window.deeplabTheme.read(),
  };
}

let tell = () => {};

export function start(viewer, serverNow) {
  skew = serverNow - Date.now();
  tell = () => {
    window.deeplabTheme.apply();
    document.dispatchEvent(new CustomEvent('deeplab-theme'));
    viewer.invokeMethodAsync('Sees', narrow.matches, isDark()).catch(() => {});
  };
  narrow.addEventListener('change', () => tell());
  dark.addEventListener('change', () => tell());
  setInterval(tick, 1000);
  return facts();
}

export function setTheme(theme) {
  try {
    localStorage.setItem('deeplab-theme', theme);
  } catch {
    // A browser that keeps nothing forgets the choice with the page
  }
  tell();
}

export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Plain http pages have no clipboard interface
    const area = document.createElement('textarea');
    area.value = text;
    area.style.position = 'fixed';
    area.style.opacity = '0';
    document.body.append(area);
    area.select();
    document.execCommand('copy');
    area.remove();
  }
}

// The same rules as Wording/Durations.cs
const two = n => String(n).padStart(2, '0');
function short(ms) {
  const s = Math.max(0, Math.floor(ms / 1000));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} m ${two(s % 60)} s`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${two(Math.floor(s / 60) % 60)} m`;
  return `${Math.floor(s / 86400)} d ${Math.floor(s / 3600) % 24} h`;
}

// Durations tick here and not on the server: five thousand running jobs cost it nothing
function tick() {
  if (document.hidden) return;
  const now = Date.now() + skew;
  for (const e of document.querySelectorAll('time[data-since]')) {
    const d = now - Number(e.dataset.since);
    let text = short(d);
    if (e.dataset.ago !== undefined) text = d < 2000 && d > -1000 ? 'just now' : d < 0 ? `in ${short(-d)}` : `${text} ago`;
    // The text node is the one Blazor made and goes on patching
    if (e.firstChild && e.firstChild.data !== text) e.firstChild.data = text;
  }
}
