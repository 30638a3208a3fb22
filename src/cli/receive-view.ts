import type { BundleOutcome } from '../bundle/arriving-bundle.js';
import { bundleKind } from '../bundle/bundle-guest.js';
import type { Arrival } from '../migration/destination.js';
import type { ListenEvent } from '../migration/listen.js';
import { escapeControls } from './escape.js';
import { errorLine } from './failure.js';
import { formatBytes, formatMs, formatRate, formatSize, plural } from './format.js';
import type { Landing } from './landing.js';
import type { Output } from './output.js';
import { type Address, formatAddress } from './parse.js';
import { nameOf } from './store-options.js';

/** Shows what happens at a receiver. */
export class ReceiveView {
  readonly #output: Output;
  readonly #landing: Landing;
  readonly #once: boolean;
  readonly #offeredAt = new Map<string, number>();
  readonly #receivedBytes = new Map<string, number>();

  constructor(output: Output, landing: Landing, once: boolean) {
    this.#output = output;
    this.#landing = landing;
    this.#once = once;
  }

  listening(addresses: readonly Address[]): void {
    for (const { host, port } of addresses) {
      this.#output.event({ type: 'listening', host, port });
      this.#output.line(`listening ${formatAddress({ host, port })}`);
    }
  }

  /** Pages came. How many will come nobody knows here: the source leaves out what is zero. */
  pages(session: string, bytes: number): void {
    if (!this.#output.live) return;
    const sum = (this.#receivedBytes.get(session) ?? 0) + bytes;
    this.#receivedBytes.set(session, sum);
    const elapsedMs = performance.now() - (this.#offeredAt.get(session) ?? 0);
    const rate = formatRate((sum / Math.max(1, elapsedMs)) * 1000);
    this.#output.status(`  receiving   ${formatBytes(sum)}   ${rate}`);
  }

  show(event: ListenEvent): void {
    switch (event.type) {
      case 'offered':
        this.#offered(event);
        return;
      case 'interrupted':
        this.#output.event(event);
        this.#output.line(
          `interrupted: ${escapeControls(event.message)}; what arrived is kept for the source to come back to`,
        );
        return;
      case 'resumed':
        this.#output.event(event);
        this.#output.line(`the source is back after ${formatMs(event.outageMs)}`);
        return;
      case 'in-doubt':
        this.#output.event(event);
        this.#output.line(`in doubt: ${event.message}`);
        return;
      case 'arrived':
        this.#arrived(event.arrival);
        return;
      case 'failed': {
        const { session, error } = event;
        const { code, message } = error;
        this.#output.event({ type: 'dropped', session, code, message });
        this.#output.error(errorLine(code, message));
        this.#forget(session);
        return;
      }
      case 'stranger': {
        const { from, error } = event;
        const { code, message } = error;
        this.#output.event({ type: 'dropped', from, code, message });
        this.#output.error(errorLine(code, `${from}: ${message}`));
        return;
      }
      case 'ended':
        return;
      default:
        event satisfies never;
    }
  }

  #offered({ session, from, offer }: Extract<ListenEvent, { type: 'offered' }>): void {
    this.#offeredAt.set(session, performance.now());
    const { kind, byteLength } = offer;
    const [first] = offer.regions;
    // Of a bundle all begin with its name.
    const name = (kind === bundleKind ? first?.name.split('/')[0] : first?.name) ?? '';
    this.#output.event({
      type: 'offered',
      session,
      from,
      kind,
      name,
      totalBytes: byteLength,
      regions: offer.regions.length,
    });
    this.#output.line(
      `offered ${escapeControls(name)}, ${formatSize(byteLength)}, by ${from} (session ${session})`,
    );
  }

  #arrived({ session, digest, appliedPages, receivedBytes }: Arrival): void {
    const totalMs = performance.now() - (this.#offeredAt.get(session) ?? performance.now());
    const path = this.#landing.pathOf(session);
    const bundle = this.#landing.outcomeOf(session);
    const snapshot = this.#landing.snapshotOf(session);
    this.#output.event({
      type: this.#once ? 'completed' : 'received',
      session,
      // Source and destination hashed what is here; only the source knows whether that was all.
      verified: 'stream',
      path,
      ...(bundle === undefined ? {} : { name: bundle.name, state: bundle.state }),
      ...(snapshot === undefined
        ? {}
        : { snapshot: snapshot.counter, name: snapshot.manifest?.name }),
      pagesReceived: appliedPages,
      bytesReceived: receivedBytes,
      totalMs,
      digest,
    });
    this.#output.line(
      `received ${escapeControls(path)}: ${plural(appliedPages, 'page')} as ${formatBytes(receivedBytes)} in ${formatMs(totalMs)}; verified, digest ${digest}`,
    );
    if (bundle !== undefined) this.#output.line(`  ${bundleLine(bundle)}`);
    if (snapshot !== undefined) {
      this.#output.line(`  snapshot ${escapeControls(nameOf(snapshot))}`);
    }
    const unsynced = this.#landing.unsynced(session);
    if (unsynced !== undefined) this.#output.line(escapeControls(unsynced.message));
    this.#forget(session);
  }

  #forget(session: string): void {
    this.#landing.forget(session);
    this.#offeredAt.delete(session);
    this.#receivedBytes.delete(session);
  }
}

function bundleLine({ name, state }: BundleOutcome): string {
  switch (state) {
    case 'unclean':
      return `unclean: it was not shut down in order; before it is started say bundles --verify ${name}`;
    case 'unchanged':
      return 'unchanged: the very same bundle was here';
    case 'dry-run':
      return 'dry run: all of it was verified, and discarded';
    default:
      return state;
  }
}
