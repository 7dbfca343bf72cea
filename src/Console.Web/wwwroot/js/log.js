// Scrolling of the log viewer: tells the page when the reader leaves or reaches the end, and goes where the page says.
export function attach(box, viewer) {
  let atEnd = true;
  let byUs = 0;
  const onScroll = () => {
    const now = box.scrollHeight - box.scrollTop - box.clientHeight < 24;
    if (performance.now() < byUs) return;
    if (now !== atEnd) {
      atEnd = now;
      viewer.invokeMethodAsync('ReachedEnd', now).catch(() => {});
    }
  };
  box.addEventListener('scroll', onScroll, { passive: true });
  const quietly = move => {
    byUs = performance.now() + 150;
    move();
  };
  return {
    toEnd() {
      atEnd = true;
      // Once now and once after the new height is laid out
      quietly(() => { box.scrollTop = box.scrollHeight; });
      requestAnimationFrame(() => quietly(() => { box.scrollTop = box.scrollHeight; }));
    },
    toLine(index, height) {
      atEnd = false;
      quietly(() => { box.scrollTop = Math.max(0, index * height - box.clientHeight / 3); });
    },
    topLine: height => Math.floor(box.scrollTop / height),
    dispose() { box.removeEventListener('scroll', onScroll); },
  };
}
