import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { Witness } from '../../src/cli/demo-witness.js';
import { type LedgerOptions, planLedger } from '../../src/guests/ledger.js';
import { findLedgerDamage, replayLedger } from '../../src/guests/ledger-replay.js';
import { Child } from './child.js';
import { Host, type HostOptions } from './host.js';
import type { FromRelay, RelayFault, RelayJob, ToRelay } from './relay-messages.js';

const relayProgram = fileURLToPath(
  new URL('../../build/test/processes/relay-process.js', import.meta.url),
);
/** Long enough for a guest that runs on where it must not to be heard. */
const watchMs = 100;

export interface VoyageOptions {
  readonly plan: LedgerOptions;
  /** Of both ends: who proves what to whom. */
  readonly trust?: HostOptions;
  readonly source?: HostOptions;
  readonly destination?: HostOptions;
  /** Methods of the guest that wait to be let go on. */
  readonly sourceGates?: readonly string[];
  readonly destinationGates?: readonly string[];
  /** The relay's link, where it cannot tell frames; nor can it under TLS. */
  readonly relay?: Pick<RelayJob, 'bytesPerSecond' | 'delayMs'>;
  readonly faults?: readonly RelayFault[];
  /** Given to node, of both ends. */
  readonly execArgv?: readonly string[];
  /** Called when everything is up, before the migration begins. */
  readonly prepare?: (voyage: Voyage) => Promise<unknown>;
}

/** A ledger that is to go from one process to another, a relay in a third between them, and a witness of all it does. */
export class Voyage implements AsyncDisposable {
  readonly source: Host;
  /** The last one is up, or was; those before are dead. */
  readonly #destinations: Host[];
  readonly #options: VoyageOptions;
  readonly #witness = new Witness();
  readonly #relays: Child<FromRelay, ToRelay>[] = [];
  #target = 0;
  #port = 0;

  private constructor(options: VoyageOptions) {
    this.#options = options;
    this.source = new Host('source', this.#witness, options.execArgv);
    this.#destinations = [new Host('destination', this.#witness, options.execArgv)];
  }

  /** Everything is up, and the migration begins. */
  static async begin(options: VoyageOptions): Promise<Voyage> {
    const voyage = new Voyage(options);
    try {
      await voyage.#begin();
      return voyage;
    } catch (error) {
      await voyage[Symbol.asyncDispose]();
      throw error;
    }
  }

  get relay(): Child<FromRelay, ToRelay> {
    const relay = this.#relays.at(-1);
    if (relay === undefined) throw new Error('no relay yet');
    return relay;
  }

  get destination(): Host {
    const destination = this.#destinations.at(-1);
    if (destination === undefined) throw new Error('no destination');
    return destination;
  }

  /** Another destination where the one before it was, which is dead; its guest waits at no gate. */
  async startDestination(): Promise<void> {
    const { plan, trust, destination, execArgv } = this.#options;
    const started = new Host('destination', this.#witness, execArgv);
    this.#destinations.push(started);
    await started.listen(plan, { ...trust, ...destination, port: this.#target }, []);
  }

  /** A relay where the one before it was; by default one that does nothing to frames. */
  async startRelay(faults: readonly RelayFault[] = []): Promise<void> {
    const { trust, relay } = this.#options;
    const knowsFrames = trust === undefined && relay === undefined;
    const job = { target: this.#target, port: this.#port, knowsFrames, faults, ...relay };
    const started = new Child<FromRelay, ToRelay>('relay', relayProgram, [JSON.stringify(job)], []);
    this.#relays.push(started);
    this.#port = await started.until('a port', () => {
      const [said] = started.said;
      return said?.type === 'listening' ? said.port : undefined;
    });
  }

  /** A fault was done to a frame of this name. */
  async fault(name: string): Promise<void> {
    const { relay } = this;
    await relay.until(name, () =>
      relay.said.find((said) => said.type === 'fault' && said.fault.name === name),
    );
  }

  /**
   * The ledger runs at `owner` and nowhere else, or, without one, nowhere at all. Where it runs it holds every commit that anybody ever heard of,
   * once, and nothing that these commits did not make.
   */
  async expectOneOwner(owner: Host | undefined): Promise<void> {
    const hosts = [this.source, ...this.#destinations];
    for (const host of hosts) host.order({ type: 'go' });
    await owner?.goesOn();
    const others = hosts.filter((host) => host !== owner);
    const before = others.map(({ commits }) => commits);
    await sleep(watchMs);
    expect(others.map(({ commits }) => commits)).toEqual(before);
    expect(this.#witness.report().doubled).toBe(0);
    if (owner === undefined) return;
    const { seq, memory } = await owner.account();
    const replay = replayLedger(planLedger(this.#options.plan), seq, (at, digest) =>
      this.#witness.find(at, digest),
    );
    expect(findLedgerDamage(memory, replay)).toEqual([]);
    expect(this.#witness.report()).toMatchObject({ lost: 0, doubled: 0 });
  }

  /** What everybody said, for people. */
  story(): string {
    return [this.source, ...this.#destinations, ...this.#relays]
      .map((process) => process.story())
      .join('\n');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(
      [this.source, ...this.#destinations, ...this.#relays].map((process) => process.kill()),
    );
  }

  async #begin(): Promise<void> {
    const { source, destination } = this;
    const { plan, trust = {}, sourceGates = [], destinationGates = [] } = this.#options;
    const [port] = await Promise.all([
      destination.listen(plan, { ...trust, ...this.#options.destination }, destinationGates),
      source.run(plan),
    ]);
    this.#target = port;
    await this.startRelay(this.#options.faults);
    await this.#options.prepare?.(this);
    const options = { host: '127.0.0.1', port: this.#port, ...trust, ...this.#options.source };
    source.order({ type: 'migrate', options, gates: sourceGates });
  }
}
