import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { FerryError } from '../errors.js';
import { writeWhole } from '../guests/durable-file.js';
import { fileError, systemCode } from '../guests/file-io.js';
import type { TokenStore } from './fence.js';

const highestToken = 2n ** 64n - 1n;

/** Keeps the highest token in the file at `path`, as a line of decimal digits; replaced in one step, durable when `save` resolves. ERR_IO for a file that says anything else. */
export function fileTokens(path: string): TokenStore {
  const place = resolve(path);
  return {
    async load() {
      let text: string;
      try {
        text = await readFile(place, 'utf8');
      } catch (error) {
        if (systemCode(error) === 'ENOENT') return 0n;
        throw fileError(error, `cannot read ${place}`);
      }
      const said = /^(\d{1,20})\n$/.exec(text)?.[1];
      const token = said === undefined ? -1n : BigInt(said);
      if (token >= 0n && token <= highestToken) return token;
      throw new FerryError('ERR_IO', `${place} holds no token`);
    },
    async save(token) {
      await writeWhole(place, Buffer.from(`${token}\n`));
    },
  };
}
