import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { folder, run } from './command.js';

const commands = [
  'demo',
  'receive',
  'send',
  'bundles',
  'snapshot',
  'restore',
  'verify',
  'ls',
  'prune',
  'diff',
  'predict',
  'instrument',
  'inspect',
  'replay',
  'resolve',
];

describe('help', () => {
  it('names every command', async () => {
    const { exit, stdout } = await run('--help');
    expect(exit).toBe(0);
    for (const name of commands) expect(stdout).toContain(`  ${name} `);
  });

  it.each(commands)('of %s shows an example', async (name) => {
    const { exit, stdout, stderr } = await run(name, '--help');
    expect(exit).toBe(0);
    expect(stdout).toContain(`Usage: pageferry ${name}`);
    expect(stdout).toMatch(/Example:\n {2}\$ pageferry/);
    expect(stderr).toBe('');
  });

  it('tells the version of the package', async () => {
    expect((await run('--version')).stdout).toMatch(/^\d+\.\d+\.\d+/);
  });
});

const wrong: readonly (readonly [what: string, args: readonly string[]])[] = [
  ['no command', []],
  ['an unknown command', ['ferry']],
  ['an unknown option', ['demo', '--fast']],
  ['a missing argument', ['send', 'a.img']],
  ['one argument too many', ['inspect', 'a.rec', 'b.rec']],
  ['an address without a port', ['send', 'a.img', '127.0.0.1']],
  ['a port to send to that is 0', ['send', 'a.img', '127.0.0.1:0']],
  ['a port beyond 65535', ['receive', '--listen', '127.0.0.1:65536', '--out', 'x']],
  ['an IPv6 address without brackets', ['receive', '--listen', '::1:0', '--out', 'x']],
  ['nowhere to put images', ['receive', '--listen', '127.0.0.1:0']],
  ['two places for images', ['receive', '--listen', '127.0.0.1:0', '--out', 'x', '--out-dir', '.']],
  [
    'a size that is none',
    ['receive', '--listen', '[::1]:0', '--out', 'x', '--max-image', '3 apples'],
  ],
  ['a downtime of 0', ['demo', '--max-downtime', '0']],
  ['more workers than it takes', ['send', 'a.img', '127.0.0.1:1', '--workers', '17']],
  ['a rate that is none', ['send', 'a.img', '127.0.0.1:1', '--bytes-per-second', '-5']],
  ['a bundle that is followed', ['send', '--bundle', 'a', '127.0.0.1:1', '--live']],
  ['a command for what is no bundle', ['send', 'a.img', '127.0.0.1:1', '--before', 'true']],
  ['undoing what is not done', ['send', '--bundle', 'a', '127.0.0.1:1', '--undo', 'true']],
  ['a time that is none', ['send', 'a.img', '127.0.0.1:1', '--at', '25:00']],
  ['a window without an end', ['send', 'a.img', '127.0.0.1:1', '--window', '22:00']],
  ['a window of no time', ['send', 'a.img', '127.0.0.1:1', '--window', '22:00-22:00']],
  ['a check of no time', ['bundles', '.', '--check-timeout', '0']],
  ['two things with bundles at once', ['bundles', '.', '--verify', 'a', '--unregister', 'a']],
  ['a seed beyond 32 bits', ['demo', '--seed', '4294967296']],
  ['an unknown guest', ['demo', '--guest', 'doom']],
  ['a ledger beyond its largest size', ['demo', '--size', '5000']],
  ['SQLite below its smallest size', ['demo', '--guest', 'sqlite', '--size', '1']],
  ['no time to watch', ['predict', 'a.img', '--seconds', '0']],
  ['more time to watch than a day', ['predict', 'a.img', '--seconds', '86401']],
  ['no place for a module', ['instrument', 'a.wasm']],
  ['an unknown place for a map', ['instrument', 'a.wasm', '-o', 'b.wasm', '--place', 'here']],
  ['a session that is none', ['resolve', 'abc', 'resume']],
  ['an unknown verdict', ['resolve', '0'.repeat(32), 'perhaps']],
];

describe('wrong usage', () => {
  it.each(wrong)('ends with 2 and one line: %s', async (_what, args) => {
    const { exit, stdout, stderr } = await run(...args);
    expect(stderr).toMatch(/^pageferry: [^\n]+\n$/);
    expect(stdout).toBe('');
    expect(exit).toBe(2);
  });

  it('includes a writer to pause for a file that is not followed', async () => {
    const file = join(folder(), 'a.img');
    writeFileSync(file, 'x');
    const { exit, stderr } = await run('send', file, '127.0.0.1:1', '--pause-pid', '123456');
    expect(stderr).toContain('only what writes a live file can be paused');
    expect(exit).toBe(2);
  });
});

describe('beyond this machine', () => {
  it('refuses to send without being told that nothing is encrypted', async () => {
    const file = join(folder(), 'a.img');
    writeFileSync(file, 'x');
    const { exit, stderr, stdout } = await run('send', file, '192.0.2.1:9', '--json');
    expect(stderr).toMatch(/^pageferry: ERR_NOT_LOOPBACK: /);
    expect(stdout).toMatch(/"type":"failed","code":"ERR_NOT_LOOPBACK"/);
    expect(exit).toBe(2);
  });
});
