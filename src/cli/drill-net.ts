import { Cable } from './drill-cable.js';
import type { DrillPlan } from './drill-messages.js';

/** The network of a drill with two members: what each has to the other, and to the engine, goes over cables of its own. */
export class DrillNet {
  readonly #lease: DrillPlan['lease'];
  /** By slot. */
  readonly #toPeer: readonly Cable[];
  readonly #toEngine: readonly (readonly Cable[])[];

  private constructor(
    lease: DrillPlan['lease'],
    toPeer: readonly Cable[],
    toEngine: readonly (readonly Cable[])[],
  ) {
    this.#lease = lease;
    this.#toPeer = toPeer;
    this.#toEngine = toEngine;
  }

  /** `ports`: where the members listen. An engine that is not asked over http: is reached directly. */
  static async lay(ports: readonly number[], lease: DrillPlan['lease']): Promise<DrillNet> {
    const toPeer = await Promise.all(ports.map((_, slot) => Cable.to(ports[1 - slot] ?? 0)));
    const engine = lease.kind === 'etcd' ? lease.endpoints.map((url) => portOf(url)) : [];
    const toEngine = ports.map(() =>
      Promise.all(engine.flatMap((port) => (port === undefined ? [] : [Cable.to(port)]))),
    );
    return new DrillNet(lease, toPeer, await Promise.all(toEngine));
  }

  /** Where a member finds the other one. */
  peersOf(slot: number): readonly number[] {
    return [this.#toPeer[slot]?.port ?? 0];
  }

  /** How a member finds the engine. */
  leaseOf(slot: number): DrillPlan['lease'] {
    const cables = this.#toEngine[slot] ?? [];
    if (this.#lease.kind === 'local' || cables.length === 0) return this.#lease;
    return { ...this.#lease, endpoints: cables.map(({ port }) => `http://127.0.0.1:${port}`) };
  }

  /** Silences all that a member has to others; nobody is told. */
  isolate(slot: number): void {
    for (const cable of this.#around(slot)) cable.cut();
  }

  heal(slot: number): void {
    for (const cable of this.#around(slot)) cable.mend();
  }

  /** Damages what the member sends to the other one next. */
  damage(slot: number): void {
    this.#toPeer[slot]?.damage();
  }

  close(): void {
    for (const cable of [...this.#toPeer, ...this.#toEngine.flat()]) cable.close();
  }

  /** Both ways: what goes to it too. */
  #around(slot: number): readonly Cable[] {
    return [...this.#toPeer, ...(this.#toEngine[slot] ?? [])];
  }
}

/** Of an engine on this machine; undefined: it cannot be reached over a cable. */
function portOf(url: string): number | undefined {
  const { protocol, hostname, port } = new URL(url);
  const isHere = hostname === '127.0.0.1' || hostname === 'localhost';
  return protocol === 'http:' && isHere ? Number(port || 80) : undefined;
}
