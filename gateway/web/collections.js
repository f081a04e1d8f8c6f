// The collections with the op type that writes each (docs/protocol.md, Ops), and the view with our own ops in it.

import { mergeFields } from "./replica.js";

export const OP_TYPES = {
  wedding: "timeline_update",
  timeline: "timeline_update",
  budget: "budget_change",
  vendors: "vendor_assignment",
  guests: "guest_update",
  tables: "guest_update",
  documents: "document_edit",
  versions: "document_edit",
  photos: "photo_upload",
  tasks: "task_completion",
  messages: "message_sent",
  inbox: "message_sent",
  people: "permission_update",
  permissions: "permission_update",
};

/** Confirmed items with ops carried out as if nobody else had acted, for showing only; `confirmed` itself stays as it is. */
export function overlay(confirmed, ops) {
  const view = Object.fromEntries(Object.entries(confirmed).map(([name, items]) => [name, { ...items }]));
  for (const { action, target, data } of ops) {
    const items = (view[target.collection] ??= {});
    const fields = items[target.id];
    if (action === "insert") items[target.id] ??= { order: "~", ...data };
    else if (action === "delete") delete items[target.id];
    else if (action === "update" && fields) mergeFields((items[target.id] = { ...fields }), data);
  }
  return view;
}
