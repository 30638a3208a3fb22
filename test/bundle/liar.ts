import { createHash } from 'node:crypto';
import type { Guest } from '../../src/guests/guest.js';
import { testRegion } from '../reference/regions.js';

/** A file of a lying source: a region with a name and content. */
export interface LiarFile {
  readonly name: string;
  readonly content: Uint8Array;
}

/** A source that offers regions under any names as a bundle, and says any manifest. */
export function liar(
  files: readonly LiarFile[],
  manifest: Uint8Array,
  features: readonly string[] = [],
  version = '1',
): Guest {
  return {
    kind: 'bundle',
    handsOver: false,
    motion: 'still',
    maxStateBytes: 2 ** 24,
    tracker: { exact: true, start() {}, take() {}, stop() {} },
    regions: files.map(({ name, content }, id) => ({ ...testRegion(content, { id }), name })),
    describe: () => ({ kind: 'bundle', version, features }),
    pause: async () => {},
    resume: async () => {},
    saveState: async () => manifest,
    loadState: async () => {},
  };
}

/** What an honest manifest says of such files. */
export function honest(files: readonly LiarFile[]): Record<string, unknown> & {
  files: Record<string, unknown>[];
} {
  const [name = ''] = files[0]?.name.split('/') ?? [];
  return {
    ...{ pageferry: 'bundle', version: 1, name, description: '', tags: [] },
    ...{ network: {}, limits: {}, clean: true },
    files: files.map((file) => ({
      ...{ path: file.name.slice(name.length + 1), role: 'disk', format: 'raw' },
      ...{ bytes: file.content.byteLength, mode: 0o644 },
      sha256: createHash('sha256').update(file.content).digest('hex'),
    })),
  };
}
