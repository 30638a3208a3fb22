import { join } from 'node:path';
import { trashSuffix } from './catalog.js';
import { closing } from './place-file.js';
import { ifThere } from './store-error.js';
import type { StoreFiles } from './store-files.js';

/** Files that are moved away before they are deleted: who reads meanwhile finds them there. They are named below the store: "packs/ID", "tables/ID". */
export class Trash {
  readonly #files: StoreFiles;
  readonly #path: string;
  /** Bytes of what was deleted. */
  freedBytes = 0;

  constructor(files: StoreFiles, storePath: string) {
    this.#files = files;
    this.#path = storePath;
  }

  /** What an interrupted run moved away. */
  async left(): Promise<Set<string>> {
    const left = new Set<string>();
    for (const folder of ['packs', 'tables']) {
      for (const name of await this.#files.list(join(this.#path, folder))) {
        if (name.endsWith(trashSuffix)) left.add(`${folder}/${name.slice(0, 32)}`);
      }
    }
    return left;
  }

  async add(name: string): Promise<void> {
    for (const file of this.#filesOf(name)) {
      await ifThere(() => this.#files.rename(file, file + trashSuffix));
    }
  }

  async giveBack(name: string): Promise<void> {
    for (const file of this.#filesOf(name).reverse()) {
      await ifThere(() => this.#files.rename(file + trashSuffix, file));
    }
  }

  async delete(name: string): Promise<void> {
    for (const path of this.#filesOf(name)) {
      const file = await ifThere(() => this.#files.open(path + trashSuffix));
      if (file === undefined) continue;
      this.freedBytes += await closing(file, () => file.size());
      await ifThere(() => this.#files.unlink(path + trashSuffix));
    }
  }

  #filesOf(name: string): string[] {
    const place = join(this.#path, name);
    return name.startsWith('packs/') ? [`${place}.index`, `${place}.pack`] : [`${place}.table`];
  }
}
