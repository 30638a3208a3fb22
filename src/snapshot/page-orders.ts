import type { FerryErrorCode } from '../errors.js';
import type { RebuildOrder } from './page-rebuild.js';
import type { LookOrder, LookResult } from './page-work.js';

/** What a page thread is started with. */
export interface PageThreadSetup {
  readonly areas: number;
}

/** What pages are known by: told before the first order. */
export interface PageMarks {
  readonly idPrefix: Uint8Array;
  /** 192 bytes, where fingerprints are to be made. */
  readonly printSecret?: Uint8Array;
}

/** What it is asked; `id` comes back with the answer. */
export type PageOrder =
  | { readonly do: 'begin'; readonly marks: PageMarks }
  | { readonly id: number; readonly do: 'look'; readonly area: number; readonly look: LookOrder }
  | { readonly id: number; readonly do: 'rebuild'; readonly rebuild: RebuildOrder };

/** Its memory, in which its areas lie, before everything else; then one answer an order. */
export type PageAnswer =
  | { readonly memory: ArrayBufferLike; readonly addresses: readonly number[] }
  | { readonly id: number; readonly look: LookResult }
  | { readonly id: number; readonly rebuilt: true }
  | { readonly id: number; readonly code: FerryErrorCode; readonly message: string };
