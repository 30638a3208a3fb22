import { setTimeout as sleep } from 'node:timers/promises';
import { asFerryError, type FerryError } from '../errors.js';
import type { MigrateAddress } from '../migration/migrate.js';
import { checkPlace, credentialsOf, type TrustOptions } from '../migration/trust.js';
import { type Channel, connectTcp, connectTls } from '../transport/index.js';

const firstWaitMs = 100;
const longestWaitMs = 2000;

/** Connects to one address, time and again: `serve` has the connection until it resolves. `failed` is told why there was none, or why it ended. */
export class Dialer {
  readonly #stop = new AbortController();
  readonly done: Promise<void>;
  #hasTried = false;

  constructor(
    address: MigrateAddress,
    trust: TrustOptions,
    serve: (channel: Channel) => Promise<void>,
    failed: (error: FerryError) => void,
  ) {
    this.done = this.#run(address, trust, serve, failed);
  }

  /** It was connected once, or could not be. */
  get hasTried(): boolean {
    return this.#hasTried;
  }

  stop(): void {
    this.#stop.abort();
  }

  async #run(
    { host, port }: MigrateAddress,
    trust: TrustOptions,
    serve: (channel: Channel) => Promise<void>,
    failed: (error: FerryError) => void,
  ): Promise<void> {
    const credentials = credentialsOf(trust);
    const { signal } = this.#stop;
    let waitMs = firstWaitMs;
    while (!signal.aborted) {
      const from = performance.now();
      try {
        await checkPlace(host, credentials, trust.insecure ?? false);
        const channel = await (credentials === undefined
          ? connectTcp({ host, port })
          : connectTls({ host, port, credentials }));
        if (signal.aborted) channel.destroy();
        else {
          const served = serve(channel);
          this.#hasTried = true;
          await served;
        }
      } catch (error) {
        this.#hasTried = true;
        if (!signal.aborted) failed(asFerryError(error, 'ERR_CONNECTION_LOST'));
      }
      // A connection that was good for a while is made again at once.
      waitMs = performance.now() - from > longestWaitMs ? firstWaitMs : waitMs;
      await sleep(waitMs, undefined, { signal, ref: false }).catch(() => {});
      waitMs = Math.min(longestWaitMs, 2 * waitMs);
    }
  }
}
