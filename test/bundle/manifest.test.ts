import { createHash } from 'node:crypto';
import { join, normalize } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ContentHash } from '../../src/bundle/content-hash.js';
import {
  checkPaths,
  formatManifest,
  type Manifest,
  parseDescription,
  parseManifest,
} from '../../src/bundle/manifest.js';
import { FerryError } from '../../src/errors.js';

const word = fc.string({ maxLength: 40 });
const loose = fc.dictionary(
  word,
  fc.oneof(word, fc.double({ noNaN: true, noDefaultInfinity: true }), fc.boolean(), fc.array(word)),
);
const part = fc.stringMatching(/^[a-zA-Z0-9_ -][a-zA-Z0-9_ .-]{0,10}$/);
const paths = fc.uniqueArray(part, { minLength: 1, maxLength: 6 });
const manifests: fc.Arbitrary<Manifest> = fc
  .record({
    name: part,
    description: word,
    tags: fc.array(word, { maxLength: 4 }),
    network: loose,
    limits: loose,
    clean: fc.boolean(),
    paths,
    bytes: fc.nat(),
    mode: fc.nat(0o777),
  })
  .map(({ paths: names, bytes, mode, ...rest }) => ({
    ...rest,
    files: names.map((name, index) => ({
      ...{ path: `d${index}/${name}`, role: 'disk', format: 'raw', bytes, mode },
      sha256: createHash('sha256').update(name).digest('hex'),
    })),
  }));

/** What `call` throws; undefined if it does not. */
function thrownBy(call: () => unknown): unknown {
  try {
    call();
    return undefined;
  } catch (error) {
    return error;
  }
}

describe('a manifest', () => {
  it('is read as it was written, and written as it was read', () => {
    fc.assert(
      fc.property(manifests, (manifest) => {
        const bytes = formatManifest(manifest);
        // JSON has one zero.
        expect(parseManifest(bytes)).toEqual(JSON.parse(JSON.stringify(manifest)));
        expect(Buffer.from(formatManifest(parseManifest(bytes))).equals(bytes)).toBe(true);
        // What came can be sent on.
        expect(parseDescription(bytes)).toMatchObject({
          name: manifest.name,
          clean: manifest.clean,
        });
      }),
    );
  });

  it('with any of its bytes changed is another one, or refused with a code', () => {
    fc.assert(
      fc.property(manifests, fc.nat(), fc.integer({ min: 1, max: 255 }), (manifest, at, by) => {
        const bytes = Buffer.from(formatManifest(manifest));
        bytes[at % bytes.length] = (bytes[at % bytes.length] ?? 0) ^ by;
        const error = thrownBy(() => parseManifest(bytes));
        if (error !== undefined) expect(error).toBeInstanceOf(FerryError);
      }),
    );
  });

  it('of any JSON is one, or refused with a code', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        for (const parse of [parseManifest, parseDescription]) {
          const error = thrownBy(() => parse(Buffer.from(text)));
          if (error !== undefined) expect(error).toBeInstanceOf(FerryError);
        }
      }),
    );
  });
});

describe('a path in a bundle', () => {
  const pieces = fc.constantFrom('..', '.', '', 'a', 'b', '/', '\\', '\0', '~', 'a..', '%2e%2e');
  const wild = fc.oneof(
    fc.string(),
    fc.array(pieces, { maxLength: 9 }).map((all) => all.join('/')),
  );

  it('that is taken lies below the folder it is joined to', () => {
    fc.assert(
      fc.property(wild, (path) => {
        const error = thrownBy(() => checkPaths([path]));
        if (error !== undefined) {
          expect(error).toMatchObject({ code: 'ERR_OUT_OF_RANGE' });
          return;
        }
        expect(join('/folder', path)).toBe(`/folder/${path}`);
        expect(normalize(path)).toBe(path);
      }),
    );
  });
});

describe('the hash of content that is read anyway', () => {
  it('is that of the content, in whatever order it was seen and written', async () => {
    const step = fc.record({
      kind: fc.constantFrom('read', 'write'),
      at: fc.nat(400),
      length: fc.nat(200),
      value: fc.nat(255),
    });
    await fc.assert(
      fc.asyncProperty(fc.nat(400), fc.array(step), async (byteLength, steps) => {
        const content = Buffer.alloc(byteLength, 7);
        const hash = new ContentHash();
        const read = (offset: number, into: Uint8Array): number => content.copy(into, 0, offset);
        for (const { kind, at, length, value } of steps) {
          const offset = Math.min(at, byteLength);
          if (kind === 'read') hash.saw(offset, content.subarray(offset, offset + length));
          else {
            hash.changed(offset);
            content.fill(value, offset, Math.min(byteLength, offset + length));
          }
        }
        const expected = createHash('sha256').update(content).digest('hex');
        expect(await hash.finish(byteLength, read)).toBe(expected);
        if (byteLength === 0) return;
        // Written once more behind that, as where a switchover was given back.
        hash.changed(0);
        content[0] = (content[0] ?? 0) ^ 1;
        const other = createHash('sha256').update(content).digest('hex');
        expect(await hash.finish(byteLength, read)).toBe(other);
      }),
    );
  });

  it('needs all of it', async () => {
    await expect(new ContentHash().finish(5, () => 0)).rejects.toThrow('ended at 0');
  });
});
