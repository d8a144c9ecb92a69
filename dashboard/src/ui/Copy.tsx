// A button that copies, and says so.

import { Button } from "@mantine/core";
import { useState } from "react";

export function Copy({ text, children }: { text: string; children: string }) {
  const [said, setSaid] = useState<string | null>(null);
  const copy = async () => {
    const done = await copied(text);
    setSaid(done ? "Copied" : "Not allowed here");
    setTimeout(() => setSaid(null), 1_500);
  };
  return (
    <Button variant="default" size="xs" onClick={() => void copy()}>
      <span aria-live="polite">{said ?? children}</span>
    </Button>
  );
}

/** The clipboard of browsers is there on secure origins alone; the old way works on any. */
async function copied(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    area.className = "visually-hidden";
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}
