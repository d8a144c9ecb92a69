// Where a token is pasted. It says where tokens come from, and what becomes of this one.

import { Alert, Button, PasswordInput } from "@mantine/core";
import { type FormEvent, useState } from "react";

export function SignIn({ refused, onToken }: { refused: boolean; onToken: (token: string) => void }) {
  const [token, setToken] = useState("");
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (token.trim() !== "") onToken(token.trim());
  };
  return (
    <main className="alone">
      <form className="sign-in" onSubmit={submit}>
        <h1>Scheduler</h1>
        <p className="muted">What was called, what will be, and why something was not.</p>
        {refused && (
          <Alert color="red" title="The token was not accepted" role="alert">
            It is unknown, has expired or was revoked. Paste another one, or ask whoever runs the Scheduler for a new
            one.
          </Alert>
        )}
        <PasswordInput
          label="API token"
          description="It stays in this tab and is forgotten when you close it."
          placeholder="sch_…"
          autoComplete="off"
          autoFocus
          value={token}
          onChange={(event) => setToken(event.currentTarget.value)}
        />
        <Button type="submit" fullWidth disabled={token.trim() === ""}>
          Open the dashboard
        </Button>
        <p className="hint">
          An operator makes one with <code>scheduler token create --tenant NAME --scope read --scope write</code>. Under{" "}
          <code>make run</code> it is <code>dev</code>.
        </p>
      </form>
    </main>
  );
}
