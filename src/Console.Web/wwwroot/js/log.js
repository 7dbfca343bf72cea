// Scrolling of the log viewer. While it follows, it stays at the end however the log grows; a reader who scrolls away ends
// that, and one who comes back to the end begins it again.
export function attach(box, content, viewer) {
  let following = true;
  let height = 0;
  const atEnd = () => box.scrollHeight - box.scrollTop - box.clientHeight < 24;
  const toEnd = () => {
    box.scrollTop = box.scrollHeight;
    height = box.scrollHeight;
  };
  const onScroll = () => {
    // While the height changes, it is the log that moves and not the reader
    const still = box.scrollHeight === height;
    height = box.scrollHeight;
    const now = atEnd();
    if (now !== following && (now || still)) {
      following = now;
      viewer.invokeMethodAsync('ReachedEnd', now).catch(() => {});
    }
  };
  const observer = new ResizeObserver(() => {
    if (following) toEnd();
    height = box.scrollHeight;
  });
  observer.observe(content);
  box.addEventListener('scroll', onScroll, { passive: true });
  return {
    follow(on) {
      following = on;
      if (on) toEnd();
    },
    toLine(index, rowHeight) {
      following = false;
      box.scrollTop = Math.max(0, index * rowHeight - box.clientHeight / 3);
      height = box.scrollHeight;
    },
    topLine: rowHeight => Math.floor(box.scrollTop / rowHeight),
    dispose() {
      observer.disconnect();
      box.removeEventListener('scroll', onScroll);
    },
  };
}
