// Light or dark: as the system says, until somebody chooses. page.css does the rest by
// `color-scheme` and light-dark(). Called by the head of each page; charts ask for colours here,
// since a canvas knows no custom properties.

/** @typedef {'auto' | 'light' | 'dark'} Theme */

const KEY = 'shanmen-theme';
const dark = matchMedia('(prefers-color-scheme: dark)');
/** @type {Set<() => void>} */
const heard = new Set();

/** @returns {Theme} what was chosen */
export function theme() {
  const { theme: chosen } = document.documentElement.dataset;
  return chosen === 'light' || chosen === 'dark' ? chosen : 'auto';
}

/** Whether the page is dark now. */
export function isDark() {
  return theme() === 'auto' ? dark.matches : theme() === 'dark';
}

/** @param {Theme} wanted */
export function setTheme(wanted) {
  if (wanted === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = wanted;
  try {
    localStorage.setItem(KEY, wanted);
  } catch {
    // A browser that keeps nothing shows the choice until it is closed.
  }
  for (const tell of heard) tell();
}

/** The other one than now; back to the system's where that is the same. */
export function switchTheme() {
  const wanted = isDark() ? 'light' : 'dark';
  setTheme((wanted === 'dark') === dark.matches ? 'auto' : wanted);
}

/** @param {() => void} tell called after the colours changed */
export function onTheme(tell) {
  heard.add(tell);
}

/** @type {HTMLElement | undefined} */
let probe;

/** A colour of page.css as the canvas needs it. @param {string} token such as `--flow` */
export function colour(token) {
  if (!probe) {
    probe = document.createElement('i');
    probe.hidden = true;
    document.body.append(probe);
  }
  probe.style.color = `var(${token})`;
  return getComputedStyle(probe).color;
}

try {
  const kept = localStorage.getItem(KEY);
  if (kept === 'light' || kept === 'dark') document.documentElement.dataset.theme = kept;
} catch {
  // As above.
}
dark.addEventListener('change', () => {
  for (const tell of heard) tell();
});
