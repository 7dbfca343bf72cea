// Runs before the first paint, so that no page flashes in the wrong theme.
(function () {
  'use strict';
  const dark = window.matchMedia('(prefers-color-scheme: dark)');
  function read() {
    try {
      return localStorage.getItem('deeplab-theme') ?? 'system';
    } catch {
      return 'system';
    }
  }
  function apply() {
    const choice = read();
    document.documentElement.dataset.theme =
      choice === 'light' || choice === 'dark' ? choice : dark.matches ? 'dark' : 'light';
  }
  apply();
  dark.addEventListener('change', apply);
  window.deeplabTheme = { read, apply };
})();
