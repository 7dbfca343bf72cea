// What hangs on a wall has nobody to press "Reload": it comes back by itself when the console does, and its screen stays on.
let kept = false;
let loading = false;

const lost = modal => ['components-reconnect-failed', 'components-reconnect-rejected'].some(c => modal.classList.contains(c));

async function again(modal) {
  if (loading || !lost(modal)) return;
  loading = true;
  while (true) {
    try {
      const answer = await fetch('/health/ready', { cache: 'no-store' });
      if (answer.ok) break;
    } catch {
      // It is still away
    }
    await new Promise(done => setTimeout(done, 2000));
  }
  location.reload();
}

async function awake() {
  try {
    if (document.visibilityState === 'visible') await navigator.wakeLock?.request('screen');
  } catch {
    // Without the right to it, the screen's own settings decide
  }
}

export function keep() {
  if (kept) return;
  kept = true;
  const modal = document.getElementById('components-reconnect-modal');
  new MutationObserver(() => again(modal)).observe(modal, { attributes: true, attributeFilter: ['class'] });
  document.addEventListener('visibilitychange', awake);
  awake();
}

export function fill() {
  if (document.fullscreenElement) return document.exitFullscreen();
  return document.documentElement.requestFullscreen();
}
