import { createPrivateKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  keyIdOf,
  openNote,
  signedText,
  textOf,
  type TreeHead,
  verifierLine,
  type VerifierKey,
} from './note.ts';

function newKey(name: string): VerifierKey & { privateKey: KeyObject } {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  return { name, privateKey, publicKey: publicKey.export({ format: 'der', type: 'spki' }).subarray(-32) };
}

function signedNote(of: TreeHead, signers: (VerifierKey & { privateKey: KeyObject })[]): string {
  const text = textOf(of);
  const signed = signers.map((key) => ({ ...key, signature: sign(null, Buffer.from(text), key.privateKey) }));
  return signedText(text, signed);
}

const ours = newKey('portcullis.example');
const head = { origin: 'portcullis.example/orgs/x/audit', size: 42, root: Buffer.alloc(32, 7) };

describe('a note', () => {
  it('names its key as Go’s note package names the key of its example', () => {
    // The example of golang.org/x/mod/sumdb/note: its signer key and the note it prints.
    const seed = Buffer.from('AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz', 'base64').subarray(1);
    const pkcs8 = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]);
    const publicKey = Buffer.from('ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW', 'base64').subarray(1);
    const key = { name: 'PeterNeumann', publicKey };
    expect(verifierLine(key)).toBe('PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW');
    const privateKey = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' });
    const note = signedNote(head, [{ ...key, privateKey }]);
    expect(openNote(note, [key])).toEqual(head);
    expect(keyIdOf(key)).toBe('c74f20a3');
  });

  it('is three lines, a blank one, and a line for each key that signed', () => {
    const next = newKey('portcullis.example');
    const lines = signedNote(head, [next, ours]).split('\n');
    expect(lines.slice(0, 4)).toEqual([head.origin, '42', head.root.toString('base64'), '']);
    expect(lines.slice(4)).toEqual([
      expect.stringMatching(/^— portcullis\.example [A-Za-z0-9+/]+=*$/),
      expect.stringMatching(/^— portcullis\.example [A-Za-z0-9+/]+=*$/),
      '',
    ]);
  });

  it('opens with any of its keys, and with no other', () => {
    const next = newKey('portcullis.example');
    const note = signedNote(head, [next, ours]);
    expect(openNote(note, [ours])).toEqual(head);
    expect(openNote(note, [next])).toEqual(head);
    expect(openNote(note, [newKey('portcullis.example')])).toBeUndefined();
    expect(openNote(note, [{ ...ours, name: 'another' }])).toBeUndefined();
    expect(openNote(note, [])).toBeUndefined();
  });

  it('does not open where a byte of it is another', () => {
    const note = Buffer.from(signedNote(head, [ours]));
    fc.assert(
      fc.property(fc.nat({ max: note.length - 2 }), fc.integer({ min: 1, max: 255 }), (at, by) => {
        const other = Buffer.from(note);
        other[at]! ^= by;
        const opened = openNote(other.toString(), [ours]);
        // Base64 may have bits that mean nothing; then it is the same note, signed all the same.
        expect(opened === undefined || textOf(opened) === textOf(head)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  it.each(['', '\n\n', 'x\n\n— x y\n', `${textOf(head)}\n`])('that is none (%j) does not open', (text) => {
    expect(openNote(text, [ours])).toBeUndefined();
  });
});
