import { FerryError } from '../errors.js';

/** Keeps the highest token where it outlives the process. */
export interface TokenStore {
  /** 0 where none was seen. */
  load(): Promise<bigint>;
  /** Durable once it resolves. */
  save(token: bigint): Promise<void>;
}

/** What is to be done with something that carries `token` where `highest` was the highest seen. */
export function admission(highest: bigint, token: bigint): 'accept' | 'save first' | 'refuse' {
  if (token < highest) return 'refuse';
  return token === highest ? 'accept' : 'save first';
}

/** A receiver of effects: a standby, a destination, a witness of output. Accepts nothing with a lower token than any it accepted before, whichever process it was in. */
export class Fence {
  readonly #store: TokenStore;
  #highest: bigint;
  #last: Promise<void> = Promise.resolve();

  private constructor(store: TokenStore, highest: bigint) {
    this.#store = store;
    this.#highest = highest;
  }

  /** Without a `store` it forgets with the process. */
  static async open(store?: TokenStore): Promise<Fence> {
    const kept = store ?? { load: async () => 0n, save: async () => {} };
    return new Fence(kept, await kept.load());
  }

  get highest(): bigint {
    return this.#highest;
  }

  /** Resolves when what carries `token` may be accepted. ERR_FENCED for a lower one than was seen; what `save` rejects with, and then nothing is accepted. */
  admit(token: bigint): Promise<void> {
    const admitted = this.#last.then(() => this.#admit(token));
    this.#last = admitted.catch(() => {});
    return admitted;
  }

  async #admit(token: bigint): Promise<void> {
    const what = admission(this.#highest, token);
    if (what === 'refuse') {
      throw new FerryError('ERR_FENCED', `token ${token} after ${this.#highest}`);
    }
    if (what === 'accept') return;
    await this.#store.save(token);
    this.#highest = token;
  }
}
