// Where a page keeps its unanswered edits, so that they outlive the tab: `load()` gives what `save(value)` was given last, `release()`
// lets the place go, `isLasting` says whether it outlives the page.
//
// Two tabs with one queue would give one number to two ops, so each open tab holds a slot of its own (Web Locks). Slots that closed tabs
// have left are taken by the next page, those with edits first.

const SLOTS = 32;

/** A store in localStorage for one wedding and person; resolves once a slot is ours. Without Web Locks it ends with the page. */
export async function browserStore(wedding, user) {
  // Browsers have Web Locks on https and on localhost alone, and may forbid a page to keep anything.
  if (!globalThis.navigator?.locks || !mayKeep()) return memoryStore();
  const slots = slotsOf(wedding, user);
  for (const slot of [...slots.filter(hasEdits), ...slots]) {
    const release = await take(slot);
    if (release) return slotStore(slot, release);
  }
  throw new Error("Too many tabs have this wedding open; close some.");
}

/** The next store with edits that a closed tab has left, null when there is none; it is ours until it is released. */
export async function leftStore(wedding, user) {
  if (!globalThis.navigator?.locks || !mayKeep()) return null;
  for (const slot of slotsOf(wedding, user).filter(hasEdits)) {
    const release = await take(slot);
    if (release) return slotStore(slot, release);
  }
  return null;
}

/** A store that ends with the page: for tests, and where nothing may be kept. */
export function memoryStore() {
  let kept = null;
  return { load: () => kept, save: (value) => (kept = structuredClone(value)), release: () => {}, isLasting: false };
}

function slotStore(slot, release) {
  return { load: () => read(slot), save: (value) => localStorage.setItem(slot, JSON.stringify(value)), release, isLasting: true };
}

function slotsOf(wedding, user) {
  return Array.from({ length: SLOTS }, (_, number) => `wedsync ${wedding} ${user} ${number}`);
}

function hasEdits(slot) {
  return read(slot)?.ops.length > 0;
}

/** What a slot holds, null where that cannot be read: a page must open all the same. */
function read(slot) {
  try {
    return JSON.parse(localStorage.getItem(slot));
  } catch {
    return null;
  }
}

function mayKeep() {
  try {
    return Boolean(globalThis.localStorage);
  } catch {
    return false;
  }
}

/** Take a lock until it is released or the page ends; resolves with its release, null when somebody has it. */
function take(slot) {
  return new Promise((resolve) => {
    navigator.locks.request(slot, { ifAvailable: true }, (lock) => {
      if (lock === null) return resolve(null);
      return new Promise((release) => resolve(release));
    });
  });
}
