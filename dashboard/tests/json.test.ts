// Payloads as text: nothing but the space between their parts may change on the way to the eye.

import assert from "node:assert/strict";
import { test } from "node:test";
import { indented, member } from "../src/json.js";

test("a member is cut out of an object as it was written", () => {
  for (const [object, expected] of [
    ['{"payload":1.0}', "1.0"],
    ['{"a":{"payload":1},"payload": [1, {"b":"}"}] ,"c":2}', '[1, {"b":"}"}]'],
    ['{"x":"payload","payload":"a\\"b,"}', '"a\\"b,"'],
    ['{"pay\\u006coad":12345678901234567890}', "12345678901234567890"],
    ['{"a":["payload",{"payload":1}]}', null],
    ["{}", null],
  ] as const) {
    assert.equal(member(object, "payload"), expected, object);
  }
});

test("indenting changes nothing but space, whatever the depth", () => {
  const deep = "[".repeat(100_000) + "]".repeat(100_000);
  for (const json of ['{"z":1.0,"a":[1e2 , "é, : {"],"e":{},"f":[]}', "12345678901234567890", '"a\\"b"', deep]) {
    const bare = (text: string) => text.replace(/("(?:[^"\\]|\\.)*")|\s+/g, "$1");
    assert.equal(bare(indented(json)), bare(json), json.slice(0, 60));
  }
  assert.equal(indented('{"a":[1,{}],"b":[]}'), '{\n  "a": [\n    1,\n    {}\n  ],\n  "b": []\n}');
});
