// Stands between a client and the Scheduler and, on the throw of a seeded die, loses the answer to a request that the
// Scheduler has taken, or the request itself.

import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";

export class FlakyProxy {
  lostAnswers = 0;
  lostRequests = 0;
  readonly #target: URL;
  #state: number;
  readonly #sockets = new Set<Socket>();
  readonly #server: Server = createServer((client) => this.#join(client));

  constructor(target: string, seed: number) {
    this.#target = new URL(target);
    this.#state = seed;
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #join(client: Socket): void {
    const server = connect(Number(this.#target.port), this.#target.hostname);
    const end = () => {
      client.destroy();
      server.destroy();
    };
    for (const socket of [client, server]) {
      this.#sockets.add(socket);
      socket.on("error", end).on("close", () => {
        this.#sockets.delete(socket);
        end();
      });
    }
    client.on("data", (request) => {
      if (this.#throw() < 0.05) {
        this.lostRequests++;
        end();
      } else {
        server.write(request);
      }
    });
    server.on("data", (answer) => {
      if (this.#throw() < 0.25) {
        this.lostAnswers++;
        end();
      } else {
        client.write(answer);
      }
    });
  }

  /** From 0 to 1: a linear congruential generator is random enough here. */
  #throw(): number {
    this.#state = (Math.imul(this.#state, 1_664_525) + 1_013_904_223) >>> 0;
    return this.#state / 2 ** 32;
  }
}
