import { chmodSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ControlSocket } from '../../src/cli/control-socket.js';
import { folder, start } from './command.js';

const session = 'ab'.repeat(16);
const before = process.env['XDG_RUNTIME_DIR'];
let runtime = '';

function resolve(...args: readonly string[]) {
  return start(['resolve', session, ...args], { XDG_RUNTIME_DIR: runtime }).finished;
}

beforeEach(() => {
  runtime = folder();
  process.env['XDG_RUNTIME_DIR'] = runtime;
});
afterEach(() => {
  if (before === undefined) delete process.env['XDG_RUNTIME_DIR'];
  else process.env['XDG_RUNTIME_DIR'] = before;
});

describe('resolve', () => {
  it('brings the word to the process in doubt, and its answer back', async () => {
    const control = new ControlSocket('source');
    const words: string[] = [];
    await control.open(session, async (verdict) => {
      words.push(verdict);
      return 'so be it\u001b[31m';
    });
    expect(statSync(join(runtime, 'pageferry')).mode & 0o777).toBe(0o700);
    expect(await resolve('resume')).toMatchObject({
      exit: 0,
      stdout: 'source: so be it\\u{1b}[31m\n',
    });
    expect(words).toEqual(['resume']);
    await control.close();
    expect(readdirSync(join(runtime, 'pageferry'))).toEqual([]);
  });

  it('says so where nobody is in doubt', async () => {
    const { exit, stderr } = await resolve('abandon');
    expect(stderr).toMatch(/^pageferry: ERR_IO: no process of yours here is in doubt about abab/);
    expect(exit).toBe(1);
  });

  it('wants to know the side where both are in doubt here', async () => {
    const source = new ControlSocket('source');
    const destination = new ControlSocket('destination');
    await source.open(session, async () => 'at the source');
    await destination.open(session, async () => 'at the destination');
    expect((await resolve('resume')).exit).toBe(2);
    const told = await resolve('resume', '--side', 'destination');
    expect(told.stdout).toBe('destination: at the destination\n');
    await source.close();
    await destination.close();
  });

  it('does not use a folder that others can look into', async () => {
    const control = new ControlSocket('source');
    await control.open(session, async () => '');
    await control.close();
    chmodSync(join(runtime, 'pageferry'), 0o755);
    await expect(control.open(session, async () => '')).rejects.toThrow('open to others');
    expect((await resolve('resume')).stderr).toContain('ERR_IO');
  });
});
