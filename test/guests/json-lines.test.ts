import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LinesReader, LinesWriter } from '../../src/guests/json-lines.js';
import { readText } from '../../src/guests/json-state.js';

const most = 200;

interface Ends {
  readonly writer: LinesWriter<{ readonly text: string }>;
  readonly reader: LinesReader<{ readonly text: string }>;
}

function ends(): Ends {
  return {
    writer: new LinesWriter(7, ({ text }) => text),
    reader: new LinesReader('words', most, (item) => ({ text: readText('a word', item, 300) })),
  };
}

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

describe('a list in lines', () => {
  it('is what was written, of lists of any kind one after the other', () => {
    const item = fc.record({ text: fc.string({ maxLength: 300, unit: 'grapheme' }) });
    const change = fc.record({
      at: fc.nat(most),
      removed: fc.nat(9),
      added: fc.array(item, { maxLength: 9 }),
    });
    fc.assert(
      fc.property(
        fc.array(item, { maxLength: 60 }),
        fc.array(change, { maxLength: 6 }),
        (first, changes) => {
          const { writer, reader } = ends();
          const items = [...first];
          expect(reader.read(writer.write([...items]))).toEqual(items);
          for (const { at, removed, added } of changes) {
            items.splice(at, removed, ...added);
            const bytes = writer.write([...items]);
            // As one would be who never wrote before.
            expect(bytes).toEqual(ends().writer.write(items));
            expect(reader.read(bytes)).toEqual(items);
          }
        },
      ),
    );
  });

  it('keeps its place where a line becomes a little longer, and what did not change is the same', () => {
    const { writer, reader } = ends();
    const items = Array.from({ length: 30 }, (_, index) => ({ text: `item ${index}` }));
    const before = writer.write([...items]);
    const found = reader.read(before);
    items[9] = { text: 'another item' };
    const after = writer.write(items);
    expect(after.byteLength).toBe(before.byteLength);
    const again = reader.read(after);
    expect(again[9]).toEqual({ text: 'another item' });
    expect(again[6]).toBe(found[6]);
    expect(again[14]).toBe(found[14]);
  });

  it.each([
    ['no line end', '["a"]'],
    ['no JSON', '["a"\n'],
    ['no list', '{"a": 1}\n'],
    ['an item that is none', '["a", 5]\n'],
    ['no UTF-8', '["\u00ff"]\n'],
    ['more than there may be', `[${new Array(150).fill('"a"').join()}]\n`.repeat(2)],
  ])('is refused with %s, and what came before is still known', (what, text) => {
    const { writer, reader } = ends();
    const good = writer.write([{ text: 'good' }]);
    const [known] = reader.read(good);
    const bad = what === 'no UTF-8' ? Uint8Array.from(text, (c) => c.charCodeAt(0)) : bytesOf(text);
    expect(() => reader.read(bad)).toThrow(expect.objectContaining({ name: 'Error' }) as Error);
    expect(reader.read(good)[0]).toBe(known);
  });
});
