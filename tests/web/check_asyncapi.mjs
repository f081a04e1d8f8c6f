// Reads an AsyncAPI document on standard input; prints what the parser of the AsyncAPI project calls an error or a warning, as JSON.
// The folder of node_modules is the first argument.

import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const { Parser } = createRequire(`${process.argv[2]}/`)("@asyncapi/parser");
const { diagnostics } = await new Parser().parse(readFileSync(0, "utf8"));
const WARNING = 1;
const told = diagnostics.filter(({ severity }) => severity <= WARNING).map(({ code, message, path }) => [code, message, path.join(".")]);
process.stdout.write(JSON.stringify({ count: diagnostics.length, told }));
