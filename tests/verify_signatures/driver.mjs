// As driver.py.
import { readFileSync } from "node:fs";
import { isSigned } from "./block.mjs";

for (const line of readFileSync(0, "utf8").trimEnd().split("\n")) {
  const [secret, header, body, at] = line.split(" ");
  const [text, key] = [header, secret].map((hex) => Buffer.from(hex, "hex").toString());
  console.log(isSigned(text, Buffer.from(body, "hex"), key, 300, Number(at)));
}
