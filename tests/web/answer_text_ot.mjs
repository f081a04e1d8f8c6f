// Reads one JSON list of [function, ...arguments] from stdin and answers the list of results: how the tests ask text_ot.js.
import { readFileSync } from "node:fs";
import * as textForm from "../../gateway/web/text_form.js";
import * as textOt from "../../gateway/web/text_ot.js";
import { TextSession } from "../../gateway/web/text_session.js";

/** What a session shows after each of these steps. */
function playSession(content, steps) {
  const session = new TextSession(content);
  return steps.map(([step, ...given]) => {
    session[step](...given);
    return [session.text, session.selection, session.isSettled];
  });
}

const known = { ...textOt, ...textForm, playSession };

const asked = JSON.parse(readFileSync(0, "utf8"));
process.stdout.write(JSON.stringify(asked.map(([name, ...given]) => known[name](...given))));
