// What a browser knows of the network before a silent socket tells: it went, it came, or the page is looked at again (a phone was woken).
//
// Without a window, as in Node.js, nothing is ever hinted.

/** Call `look(isOnline)` at each hint; returns the function that ends it. */
export function onHint(look) {
  const page = globalThis.document;
  if (!page) return () => {};
  const hinted = ({ type }) => (type === "visibilitychange" && page.hidden ? undefined : look(navigator.onLine));
  const places = [[globalThis, "online"], [globalThis, "offline"], [globalThis, "pageshow"], [page, "visibilitychange"]];
  for (const [place, type] of places) place.addEventListener(type, hinted);
  return () => {
    for (const [place, type] of places) place.removeEventListener(type, hinted);
  };
}
