// Sends the edits that closed tabs left behind, while the page that does so goes on with its own.

import { Client } from "./client.js";
import { leftStore } from "./stores.js";

/** One short connection for each tab that left edits; `tell(report)` hears what became of them, as `returned` says it. */
export async function sendLeftBehind({ user, ...options }, tell) {
  for (let store = await leftStore(options.wedding, user); store; store = await leftStore(options.wedding, user)) {
    const client = new Client({ ...options, store });
    client.addEventListener("returned", ({ detail }) => tell(detail));
    try {
      await client.connect();
      await client.until(() => client.status.unanswered === 0);
    } finally {
      await client.close();
    }
  }
}
