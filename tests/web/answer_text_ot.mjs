// Reads one JSON list of [function, ...arguments] from stdin and answers the list of results: how the tests ask text_ot.js.
import { readFileSync } from "node:fs";
import * as textForm from "../../gateway/web/text_form.js";
import * as textOt from "../../gateway/web/text_ot.js";

const known = { ...textOt, ...textForm };

const asked = JSON.parse(readFileSync(0, "utf8"));
process.stdout.write(JSON.stringify(asked.map(([name, ...given]) => known[name](...given))));
