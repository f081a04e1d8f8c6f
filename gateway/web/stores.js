// Where a page keeps its unanswered edits, so that they outlive the tab: `load()` gives what `save(value)` was given last.
//
// Two tabs with one queue would give one number to two ops, so each open tab holds a slot of its own (Web Locks). A slot that a closed
// tab has left is taken by the next one, with its edits.

const SLOTS = 32;

/** A store in localStorage for one wedding and person; resolves once a slot is ours. */
export async function browserStore(wedding, user) {
  const slot = await freeSlot(`wedsync ${wedding} ${user}`);
  return {
    load: () => JSON.parse(localStorage.getItem(slot) ?? "null"),
    save: (value) => localStorage.setItem(slot, JSON.stringify(value)),
  };
}

/** A store that ends with the page: for tests, and where nothing may be kept. */
export function memoryStore() {
  let kept = null;
  return { load: () => kept, save: (value) => (kept = structuredClone(value)) };
}

async function freeSlot(name) {
  for (let number = 0; number < SLOTS; number += 1) {
    const slot = `${name} ${number}`;
    if (!navigator.locks || (await isTaken(slot))) return slot;
  }
  throw new Error("Too many tabs have this wedding open; close some.");
}

/** Take a lock for as long as the page lives; tells whether it was free. */
function isTaken(slot) {
  return new Promise((resolve) => {
    navigator.locks.request(slot, { ifAvailable: true }, (lock) => {
      resolve(lock !== null);
      return lock === null ? undefined : new Promise(() => {});
    });
  });
}
