import type { IncomingOffer } from '../migration/listen.js';
import { type StoreDestination, storeDestination } from '../snapshot/store-destination.js';
import type { Store } from '../snapshot/types.js';
import { escapeControls } from './escape.js';
import { UsageError } from './failure.js';
import type { Output } from './output.js';
import { openStoreAt, type StoreWriteOptions } from './store-options.js';

export interface InboxOptions extends StoreWriteOptions {
  readonly store?: string;
  readonly name?: string;
  readonly stage?: string;
}

/** A store in which what arrives becomes a snapshot. */
export interface Inbox {
  readonly path: string;
  take(
    offer: IncomingOffer,
    limits: { readonly maxImage: number; readonly keepMs?: number; readonly sparse?: true },
  ): Promise<StoreDestination>;
  close(): Promise<void>;
}

/** The store at `path`, made if there is nothing, for what arrives. A UsageError for one with a key, and no place for that. */
export async function openArrivals(
  path: string,
  options: Omit<InboxOptions, 'store'>,
): Promise<Store> {
  if (options.keyFile !== undefined && options.stage === undefined) {
    throw new UsageError('--stage: say where what arrives may lie unencrypted until it is stored');
  }
  return openStoreAt(path, options, true);
}

/** What `--store` names, made if there is nothing. Undefined without it; then a UsageError for what only goes with it. */
export async function openInbox(options: InboxOptions, output: Output): Promise<Inbox | undefined> {
  const { store: path, name, stage, signKey, compression } = options;
  if (path === undefined) {
    if ((name ?? stage ?? signKey ?? compression) === undefined) return undefined;
    throw new UsageError('--name, --stage, --sign-key and --compression are for --store');
  }
  const store = await openArrivals(path, options);
  return {
    path,
    take: (offer, limits) =>
      storeDestination(store, offer, {
        ...limits,
        sparse: limits.sparse === true,
        ...(name === undefined ? {} : { name }),
        ...(stage === undefined ? {} : { stage }),
        onDamage: (region, { code, message }) => {
          output.event({ type: 'base-damaged', file: region, code, message });
          output.line(
            escapeControls(`${region}: what the store has not any more is sent: ${message}`),
          );
        },
      }),
    close: () => store.close(),
  };
}
