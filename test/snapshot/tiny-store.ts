import { join } from 'node:path';
import type { StoreFiles } from '../../src/snapshot/store-files.js';

/** The smallest store that needs each of its syncs: values in files, one after the other, and a file that says which is the last one. */
export class TinyStore {
  readonly #files: StoreFiles;

  constructor(files: StoreFiles) {
    this.#files = files;
  }

  async create(): Promise<void> {
    await this.#files.makeFolder('/tiny');
    await this.#files.syncFolder('/');
  }

  async put(number: number, value: string): Promise<void> {
    await this.#write(`${number}.value`, value);
    await this.#files.syncFolder('/tiny');
    await this.#write('temporary', String(number));
    await this.#files.rename('/tiny/temporary', '/tiny/last');
    await this.#syncNames();
  }

  async get(): Promise<string | undefined> {
    const names = await this.#files.list('/tiny');
    if (!names.includes('last')) return undefined;
    return this.#read(`${Number(await this.#read('last'))}.value`);
  }

  async #write(name: string, value: string): Promise<void> {
    const file = await this.#files.create(join('/tiny', name));
    await file.writeAt(0, Buffer.from(value));
    await file.sync();
    await file.close();
  }

  #syncNames(): Promise<void> {
    return this.#files.syncFolder('/tiny');
  }

  async #read(name: string): Promise<string> {
    const file = await this.#files.open(join('/tiny', name));
    const bytes = new Uint8Array(await file.size());
    await file.readAt(0, bytes);
    await file.close();
    return Buffer.from(bytes).toString();
  }
}
