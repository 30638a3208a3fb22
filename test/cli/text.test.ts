import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { adviceFor } from '../../src/cli/advice.js';
import { escapeControls, toJsonLine } from '../../src/cli/escape.js';
import { errorLine } from '../../src/cli/failure.js';
import { formatBytes, formatMs, formatSize } from '../../src/cli/format.js';
import { formatAddress, parseAddress, parseSize } from '../../src/cli/parse.js';
import { Progress } from '../../src/cli/progress.js';
import { ferryErrorCodes } from '../../src/errors.js';

const control = /[\p{Cc}\p{Cf}\p{Cs}]/u;

describe('texts of a peer', () => {
  it('are shown without anything a terminal would act on', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(escapeControls(text)).not.toMatch(control);
      }),
    );
    expect(escapeControls('a\u001b[31m\u202eb')).toBe('a\\u{1b}[31m\\u{202e}b');
  });

  it('survive as JSON, in one line without control characters', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const line = toJsonLine({ text });
        expect(line).not.toMatch(control);
        expect(JSON.parse(line)).toEqual({ text });
      }),
    );
  });

  it('make one line of an error, which also says what to do', () => {
    for (const code of ferryErrorCodes) {
      const line = errorLine(code, 'it said\nno.');
      expect(line).toBe(`pageferry: ${code}: it said\\u{a}no. ${adviceFor[code].todo}`);
    }
  });
});

describe('numbers', () => {
  it.each([
    ['0', 0],
    ['4096', 4096],
    ['300M', 300 * 2 ** 20],
    ['5GiB', 5 * 2 ** 30],
    ['1.5GB', 1.5e9],
    ['2 k', 2048],
  ])('of bytes are read: %s', (text, bytes) => {
    expect(parseSize(text)).toBe(bytes);
  });

  it.each(['', '-1', '5X', '1e3', 'GiB', '9999999TiB'])('are refused: %j', (text) => {
    expect(() => parseSize(text)).toThrow('give bytes');
  });

  it('are told in few digits', () => {
    expect([0, 999, 38_200_000, 5e9].map(formatBytes)).toEqual([
      '0 B',
      '999 B',
      '38.2 MB',
      '5.0 GB',
    ]);
    expect([0.004, 9.99, 31, 2100, 250_000].map(formatMs)).toEqual([
      '0.00 ms',
      '9.99 ms',
      '31.0 ms',
      '2.1 s',
      '4 min 10 s',
    ]);
    expect([2 ** 26, 2 ** 30, 5000].map(formatSize)).toEqual(['64 MiB', '1 GiB', '5.0 kB']);
  });
});

describe('addresses', () => {
  it.each(['127.0.0.1:0', 'localhost:4711', '[::1]:65535'])('are read and written: %s', (text) => {
    expect(formatAddress(parseAddress(text))).toBe(text);
  });

  it.each(['', ':1', '1', '::1:5', '[::1]', 'a b:1', 'host:65536', 'host:-1'])(
    'are refused: %j',
    (text) => {
      expect(() => parseAddress(text)).toThrow('give HOST:PORT');
    },
  );
});

describe('progress', () => {
  it('never runs backwards, and is not done before the end', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(100)), (steps) => {
        let now = 0;
        let last = 0;
        const progress = new Progress(() => now);
        for (const [at, examinedPages] of steps.entries()) {
          now += 100;
          const { percent, bytesPerSecond } = progress.step({
            type: 'progress',
            sentBytes: at * 1000,
            examinedPages,
            totalPages: 100,
          });
          expect(percent).toBeGreaterThanOrEqual(last);
          expect(percent).toBeLessThan(100);
          expect(bytesPerSecond).toBeGreaterThanOrEqual(0);
          last = percent;
        }
      }),
    );
  });
});
