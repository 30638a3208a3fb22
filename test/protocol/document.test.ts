import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ferryErrorCodes } from '../../src/errors.js';
import { errorCodes } from '../../src/protocol/codes.js';
import {
  bodyLimits,
  decodeMessage,
  encodeMessage,
  type MessageName,
  messageType,
} from '../../src/protocol/index.js';
import { exampleOrder, examples } from '../reference/examples.js';

const text = readFileSync(new URL('../../docs/protocol.md', import.meta.url), 'utf8');
const names = Object.keys(messageType) as MessageName[];

/** The frame shown under "NAME, as bytes": hexadecimal, comments behind #. */
function shownFrame(name: string): Uint8Array {
  const block = new RegExp(`\`\`\`hex ${name}\\n([^\`]*)\`\`\``).exec(text)?.[1] ?? '';
  return Uint8Array.from(Buffer.from(block.replace(/#.*$/gm, '').replace(/\s/g, ''), 'hex'));
}

describe('docs/protocol.md', () => {
  it.each(names)('shows %s as it is written', (name) => {
    const shown = Buffer.from(shownFrame(name)).toString('hex');
    expect(shown).toBe(Buffer.from(encodeMessage(examples[name], exampleOrder)).toString('hex'));
  });

  it.each(names)('shows %s as it is read', (name) => {
    const { header, message } = decodeMessage(shownFrame(name));
    expect(message).toEqual(examples[name]);
    expect(header).toMatchObject(exampleOrder);
  });

  it.each(names)('numbers %s and bounds its body as the code does', (name) => {
    const { min, max } = bodyLimits[name];
    const bounds = min === max ? `${min}` : `${min} to ${max}`;
    expect(text).toContain(`| ${messageType[name]} | ${name} | ${bounds} |`);
  });

  it.each(ferryErrorCodes)('numbers %s as the code does', (code) => {
    expect(text).toContain(`| ${errorCodes.numberOf(code)} | ${code} |`);
  });
});
