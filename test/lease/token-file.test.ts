import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Fence } from '../../src/lease/fence.js';
import { fileTokens } from '../../src/lease/token-file.js';

function makeFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'pageferry-tokens-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}

describe('a file of tokens', () => {
  it('keeps the highest one beyond the process', async () => {
    const path = join(makeFolder(), 'tokens');
    const fence = await Fence.open(fileTokens(path));
    await fence.admit(3n);
    await fence.admit(2n ** 64n - 1n);
    const next = await Fence.open(fileTokens(path));
    expect(next.highest).toBe(2n ** 64n - 1n);
    await expect(next.admit(3n)).rejects.toMatchObject({ code: 'ERR_FENCED' });
  });

  it.each(['', 'x\n', '-1\n', '1', `${2n ** 64n}\n`, '1\n2\n'])(
    'that says %j is refused',
    async (text) => {
      const path = join(makeFolder(), 'tokens');
      writeFileSync(path, text);
      await expect(Fence.open(fileTokens(path))).rejects.toMatchObject({ code: 'ERR_IO' });
    },
  );

  it('that cannot be written lets nothing in', async () => {
    const fence = await Fence.open(fileTokens(join(makeFolder(), 'none', 'tokens')));
    await expect(fence.admit(1n)).rejects.toMatchObject({ code: 'ERR_IO' });
    expect(fence.highest).toBe(0n);
  });
});
