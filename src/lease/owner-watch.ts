import { constants, type FSWatcher, watch } from 'node:fs';
import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { lifeOf } from './alive-file.js';
import { whenUnlocked } from './flock.js';

/** Follows one guest: the lock of its owner, and the folder in which its record is replaced. */
export class OwnerWatch {
  readonly #pathOf: () => Promise<string | undefined>;
  readonly #onChange: () => void;
  readonly #onFree: (path: string, life: string) => void;
  #folder: FSWatcher | undefined;
  #path: string | undefined;
  #endWait: () => void = () => {};
  #isOver = false;

  constructor(
    pathOf: () => Promise<string | undefined>,
    folder: string,
    onChange: () => void,
    onFree: (path: string, life: string) => void,
  ) {
    this.#pathOf = pathOf;
    this.#onChange = onChange;
    this.#onFree = onFree;
    void this.#begin(folder);
  }

  readonly end = (): void => {
    this.#isOver = true;
    this.#folder?.close();
    this.#endWait();
  };

  async #begin(folder: string): Promise<void> {
    await mkdir(folder, { recursive: true, mode: 0o700 }).catch(() => {});
    try {
      // Signs of life are written to files that are there: only what comes and goes is told.
      this.#folder = watch(folder, { persistent: false }, (type, name) => {
        if (type === 'rename' && name === 'owner') this.#changed();
      });
      if (this.#isOver) this.#folder.close();
    } catch {
      // Then the lock alone is followed, and whoever asks from time to time.
    }
    await this.#follow();
  }

  #changed(): void {
    if (this.#isOver) return;
    this.#onChange();
    void this.#follow();
  }

  /** Waits for the lock of who owns the guest now. */
  async #follow(): Promise<void> {
    const path = await this.#pathOf().catch(() => undefined);
    if (this.#isOver || path === undefined || path === this.#path) return;
    this.#path = path;
    this.#endWait();
    let handle: FileHandle;
    let life: string | undefined;
    try {
      handle = await open(path, constants.O_RDWR | constants.O_NOFOLLOW);
      life = await lifeOf(handle);
    } catch {
      // It is gone already.
      this.#path = undefined;
      this.#onChange();
      return;
    }
    if (!this.#isOver) {
      this.#endWait = whenUnlocked(handle.fd, () => {
        // The same owner may take it again.
        this.#path = undefined;
        if (life !== undefined) this.#onFree(path, life);
        if (!this.#isOver) this.#onChange();
      });
    }
    // The one that waits has it open itself.
    await handle.close();
  }
}
