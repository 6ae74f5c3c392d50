import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import { sha256 } from '#kernel';

/**
 * Checkpoints as signed notes (c2sp.org/tlog-checkpoint, c2sp.org/signed-note): three lines of text, a blank line,
 * and a line for each signature. Ed25519 (RFC 8032), signature type 0x01.
 */

/** The head of a log's tree. */
export interface TreeHead {
  /** Which log; a URL without its scheme. */
  readonly origin: string;
  readonly size: number;
  readonly root: Buffer;
}

/** The public half of a key that signs notes. */
export interface VerifierKey {
  readonly name: string;
  /** 32 bytes. */
  readonly publicKey: Buffer;
}

const ED25519 = Buffer.from([1]);
/** What stands before the 32 bytes of a public key in its DER form (RFC 8410). */
const SPKI = Buffer.from('302a300506032b6570032100', 'hex');

/** Four bytes as hex: the first of SHA-256(name, LF, 0x01, public key). */
export function keyIdOf({ name, publicKey }: VerifierKey): string {
  return sha256(Buffer.concat([Buffer.from(`${name}\n`), ED25519, publicKey]))
    .subarray(0, 4)
    .toString('hex');
}

/** The key in the form that verifiers of notes take: `name+id+base64(0x01 || public key)`. */
export function verifierLine(key: VerifierKey): string {
  return `${key.name}+${keyIdOf(key)}+${Buffer.concat([ED25519, key.publicKey]).toString('base64')}`;
}

export function textOf({ origin, size, root }: TreeHead): string {
  return `${origin}\n${size}\n${root.toString('base64')}\n`;
}

/** The signature of a text by the key of that name. */
export type Signed = VerifierKey & { readonly signature: Buffer };

/** Any text that ends in a line feed and has no empty line, with its signatures. */
export function signedText(text: string, signatures: readonly Signed[]): string {
  const lines = signatures.map((signed) => {
    const blob = Buffer.concat([Buffer.from(keyIdOf(signed), 'hex'), signed.signature]);
    return `— ${signed.name} ${blob.toString('base64')}\n`;
  });
  return `${text}\n${lines.join('')}`;
}

/** The head a note speaks of where one of the keys has signed it; undefined where none has, or it is no checkpoint. */
export function openNote(note: string, keys: readonly VerifierKey[]): TreeHead | undefined {
  const end = note.lastIndexOf('\n\n');
  if (end < 0) return undefined;
  const text = note.slice(0, end + 1);
  const match = /^([^\n]+)\n(0|[1-9]\d{0,15})\n([A-Za-z0-9+/]{43}=)\n$/.exec(text);
  const signed = note
    .slice(end + 2)
    .split('\n')
    .some((line) => isSignature(line, text, keys));
  if (!match || !signed) return undefined;
  return { origin: match[1] ?? '', size: Number(match[2]), root: Buffer.from(match[3] ?? '', 'base64') };
}

function isSignature(line: string, text: string, keys: readonly VerifierKey[]): boolean {
  const [, name, blob] = /^— (\S+) (\S+)$/.exec(line) ?? [];
  if (name === undefined || blob === undefined) return false;
  const bytes = Buffer.from(blob, 'base64');
  return keys.some(
    (key) =>
      key.name === name &&
      keyIdOf(key) === bytes.subarray(0, 4).toString('hex') &&
      verifies(key.publicKey, Buffer.from(text), bytes.subarray(4)),
  );
}

/** Whether it is the signature of the text by the key of these 32 bytes. */
export function verifies(publicKey: Buffer, text: Buffer, signature: Buffer): boolean {
  return verify(null, text, publicKeyOf(publicKey), signature);
}

function publicKeyOf(publicKey: Buffer): KeyObject {
  return createPublicKey({ key: Buffer.concat([SPKI, publicKey]), format: 'der', type: 'spki' });
}
