import { describe, expect, it } from 'vitest';
import { instrument } from '../../src/instrument/index.js';
import {
  assemble,
  type Bytes,
  i32,
  limits,
  type ModuleSource,
  text,
  types,
  u32,
} from './assembler.js';

const place = 'behind-maximum';
const header = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
const module = (...bytes: number[]): Uint8Array<ArrayBuffer> =>
  Uint8Array.from([...header, ...bytes]);
const withCode = (code: Bytes, more: Partial<ModuleSource> = {}): Uint8Array<ArrayBuffer> =>
  assemble({ functions: [{ code }], ...more });

describe('what the rewriter does not know', () => {
  it.each<[name: string, wasm: Uint8Array<ArrayBuffer>, said: RegExp]>([
    ['64-bit memories', assemble({ memory: [4, 1], functions: [] }), /memory64/],
    ['64-bit tables', assemble({ tables: [[types.funcref, 4, 1]], functions: [] }), /memory64/],
    ['custom page sizes', assemble({ memory: [8, 1, 0], functions: [] }), /custom page sizes/],
    ['two memories', module(5, 5, 2, 0, 1, 0, 1), /more than one memory/],
    [
      'a store to another memory',
      withCode([...i32(0), ...i32(0), 0x36, 0x40, 1, 0]),
      /more than one memory/,
    ],
    ['the size of another memory', withCode([0x3f, 1, 0x1a]), /more than one memory/],
    [
      'a fill of another memory',
      withCode([...i32(0), ...i32(0), ...i32(0), 0xfc, 11, 1]),
      /more than one memory/,
    ],
    [
      'data of another memory',
      assemble({ functions: [], data: [[2, 1, ...i32(0), 0x0b, 0]] }),
      /more than one memory/,
    ],
    ['structs', module(1, 3, 1, 0x5f, 0), /GC \(structs\)/],
    ['recursive types', module(1, 3, 1, 0x4e, 0), /GC \(recursive types\)/],
    ['continuations', module(1, 3, 1, 0x5d, 0), /stack switching/],
    ['typed references', module(1, 6, 1, 0x60, 1, 0x64, 0, 0), /GC or typed references/],
    ['GC instructions', withCode([0xfb, 0]), /GC \(instruction 0xfb 0\)/],
    ['call_ref', withCode([0x14, 0]), /typed references \(instruction 0x14/],
    ['suspend', withCode([0xe2, 0]), /stack switching \(instruction 0xe2/],
    ['an opcode of nobody', withCode([0xf0]), /unknown proposal \(instruction 0xf0/],
    [
      'a bulk operation of nobody',
      withCode([0xfc, 18]),
      /unknown proposal \(instruction 0xfc 0x12/,
    ],
    ['a vector operation of nobody', withCode([0xfd, 0x9a, 1]), /instruction 0xfd 0x9a/],
    ['an atomic operation of nobody', withCode([0xfe, 0x4f]), /instruction 0xfe 0x4f/],
    ['a prefix of nobody', withCode([0xff, 1]), /instruction 0xff 1/],
    ['a section of nobody', module(14, 0), /section of unknown kind 14/],
    ['a component', Uint8Array.from([0, 0x61, 0x73, 0x6d, 13, 0, 1, 0]), /component/],
    [
      'a table that begins full',
      module(4, 9, 1, 0x40, 0, types.funcref, 0, 1, 0xd0, 0x70, 0x0b),
      /typed references/,
    ],
    ['no memory', assemble({ memory: null, functions: [] }), /no memory/],
  ])('is refused by name: %s', (_, wasm, said) => {
    expect(() => instrument(wasm, { place: 'second-memory' })).toThrow(
      expect.objectContaining({ code: 'ERR_UNSUPPORTED', message: expect.stringMatching(said) }),
    );
  });

  it('is refused where the map has no place, with advice', () => {
    const shared = assemble({ memory: limits(1, 2, true), functions: [] });
    expect(() => instrument(shared, { place })).toThrow(/scanning tracker/);
    const full = assemble({ memory: limits(65_536, 65_536), functions: [] });
    expect(() => instrument(full, { place })).toThrow(/scanning tracker/);
  });

  it('includes what was instrumented before, and names that are ours', () => {
    const { wasm } = instrument(assemble({ functions: [] }), { place });
    expect(() => instrument(wasm, { place, prefix: 'other' })).toThrow(/already is/);
    const named = assemble({ functions: [{ code: [], export: '__pageferry_x' }] });
    expect(() => instrument(named, { place })).toThrow(/choose another prefix/);
    expect(instrument(named, { place, prefix: '_$' }).report.hidden.memory).toEqual(['_$size']);
    const imported = assemble({
      imports: [[...text('__pageferry_m'), ...text('g'), 3, types.i32, 0]],
      functions: [],
    });
    expect(() => instrument(imported, { place })).toThrow(/choose another prefix/);
  });
});

describe('what is no module', () => {
  const long = [0x80, 0x80, 0x80, 0x80, 0x80, 0];
  it.each<[name: string, wasm: Uint8Array<ArrayBuffer>]>([
    ['nothing', new Uint8Array()],
    ['another magic', Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)],
    ['another version', Uint8Array.from([0, 0x61, 0x73, 0x6d, 2, 0, 0, 0])],
    ['half a header', Uint8Array.from(header.slice(0, 6))],
    ['a section that is longer than the file', module(1, 100)],
    ['more entries than there is room for', module(1, 5, ...u32(2 ** 32 - 1))],
    ['a length of more than five bytes', module(1, ...long)],
    ['a length of more than 32 bits', module(1, 0x80, 0x80, 0x80, 0x80, 0x10)],
    ['sections out of order', module(3, 1, 0, 1, 1, 0)],
    ['a section twice', module(1, 1, 0, 1, 1, 0)],
    ['bytes behind a section', module(1, 2, 0, 0)],
    ['a function without a body', module(1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0)],
    ['a function of no type', module(3, 2, 1, 0, 10, 4, 1, 2, 0, 0x0b)],
    ['a name that is not UTF-8', module(0, 2, 1, 0xff)],
    ['an export of nothing', assemble({ functions: [], exports: [[...text('x'), 0, 9]] })],
    ['a start of nothing', assemble({ functions: [], start: 1 })],
    ['an element of nothing', assemble({ functions: [], elements: [[1, 0, 1, 5]] })],
    ['a limit below its minimum', assemble({ memory: limits(2, 1), functions: [] })],
    ['a memory of more than 4 GiB', assemble({ memory: limits(65_537), functions: [] })],
    ['code behind its end', withCode([0x0b])],
    ['a block without an end', withCode([0x02, 0x40])],
    ['an else without its if', withCode([0x05])],
    ['a call of nothing', withCode([0x10, 9])],
    ['a local that is not there', withCode([0x20, 0, 0x1a])],
    ['a value that is not there', withCode([0x1a])],
    ['a value of the block around', withCode([...i32(0), 0x02, 0x40, 0x1a, ...i32(0), 0x0b, 0x1a])],
    ['a value that is left over', withCode(i32(1))],
    ['a segment that is not there', withCode([0xfc, 9, 0])],
    ['a block of no type', withCode([0x02, 9, 0x0b])],
    [
      'as many locals as there are numbers',
      module(
        1,
        4,
        1,
        0x60,
        0,
        0,
        3,
        2,
        1,
        0,
        5,
        3,
        1,
        0,
        1,
        10,
        11,
        1,
        9,
        1,
        0xff,
        0xff,
        0xff,
        0xff,
        0x0f,
        0x7f,
        0x01,
        0x0b,
      ),
    ],
  ])('is refused with a code: %s', (_, wasm) => {
    expect(() => instrument(wasm, { place: 'second-memory' })).toThrow(
      expect.objectContaining({ code: 'ERR_GUEST' }),
    );
  });

  it('is a mistake of the caller where it is no bytes, or an option is none', () => {
    const wasm = assemble({ functions: [] });
    // @ts-expect-error: no bytes
    expect(() => instrument('wasm')).toThrow(TypeError);
    // @ts-expect-error: no such place
    expect(() => instrument(wasm, { place: 'nowhere' })).toThrow(RangeError);
    // @ts-expect-error: no such thing to do
    expect(() => instrument(wasm, { place, start: 'twice' })).toThrow(RangeError);
    expect(() => instrument(wasm, { place, maxPages: 1.5 })).toThrow(RangeError);
    expect(() => instrument(wasm, { place, prefix: '' })).toThrow(RangeError);
    expect(() => instrument(wasm, { place, prefix: '\ud800' })).toThrow(RangeError);
    expect(() => instrument(wasm, { place, prefix: 'x'.repeat(65) })).toThrow(RangeError);
  });
});
