// Tells a page which parts of it are on the screen, or about to be, whenever that changes. A part has its number as data-part.
const ahead = '200px', again = 2000;

export function follow(root, page) {
  const seen = new Set();
  let told = '', timer = 0;
  const tell = () => {
    timer = 0;
    const now = [...seen].sort((a, b) => a - b), text = now.join();
    if (text === told) return;
    told = text;
    page.invokeMethodAsync('LookAsync', now).catch(() => {
      told = '?';
      timer ||= setTimeout(tell, again);
    });
  };
  const parts = new IntersectionObserver(entries => {
    for (const { target, isIntersecting } of entries) {
      const part = Number(target.dataset.part);
      if (isIntersecting) seen.add(part);
      else seen.delete(part);
    }
    timer ||= setTimeout(tell, 100);
  }, { rootMargin: ahead });
  const find = () => root.querySelectorAll('[data-part]').forEach(part => parts.observe(part));
  const more = new MutationObserver(find);
  more.observe(root, { childList: true });
  find();
  return {
    dispose() {
      clearTimeout(timer);
      parts.disconnect();
      more.disconnect();
    },
  };
}
