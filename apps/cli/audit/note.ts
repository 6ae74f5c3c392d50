import { createPublicKey, hash, type KeyObject, verify } from 'node:crypto';

/** Checkpoints as signed notes (c2sp.org/signed-note, c2sp.org/tlog-checkpoint), Ed25519 (type 0x01). */

export interface VerifierKey {
  readonly name: string;
  /** Four bytes, hex. */
  readonly id: string;
  readonly key: KeyObject;
}

export interface Checkpoint {
  readonly origin: string;
  /** The organization of whose log it speaks. */
  readonly org: string;
  readonly size: number;
  /** Hex. */
  readonly root: string;
}

const ED25519 = 1;
/** What stands before the 32 bytes of a public key in its DER form (RFC 8410). */
const SPKI = Buffer.from('302a300506032b6570032100', 'hex');

/** One verifier key a line, `name+id+base64`; throws where a line is none. Kinds that are not known are left out. */
export function readKeys(text: string): VerifierKey[] {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  return lines.flatMap((line, at) => {
    const [, name, id, blob] = /^([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+=*)$/.exec(line.trim()) ?? [];
    if (name === undefined || id === undefined || blob === undefined) {
      throw new Error(`line ${at + 1} is no verifier key (name+id+base64)`);
    }
    const bytes = Buffer.from(blob, 'base64');
    if (bytes[0] !== ED25519) return [];
    const named = Buffer.concat([Buffer.from(`${name}\n`), bytes]);
    if (bytes.length !== 33 || hash('sha256', named).slice(0, 8) !== id) {
      throw new Error(`line ${at + 1} is a verifier key whose id is not that of its bytes`);
    }
    const der = Buffer.concat([SPKI, bytes.subarray(1)]);
    return [{ name, id, key: createPublicKey({ key: der, format: 'der', type: 'spki' }) }];
  });
}

/** The notes in a file: one note as it is, or the lines `{"note": …}` that the anchor directory keeps. */
export function notesIn(text: string): string[] {
  if (!text.trimStart().startsWith('{')) return [text];
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line, at) => {
      const parsed: unknown = parse(line);
      const note =
        typeof parsed === 'object' && parsed !== null && 'note' in parsed ? parsed.note : undefined;
      if (typeof note !== 'string') throw new Error(`line ${at + 1} holds no note`);
      return note;
    });
}

/** What the note says where one of the keys has signed it; throws where none has, or it is no checkpoint. */
export function openNote(note: string, keys: readonly VerifierKey[]): Checkpoint {
  const end = note.lastIndexOf('\n\n');
  const text = note.slice(0, end + 1);
  const [, origin = '', size, root = ''] =
    /^([^\n]+)\n(0|[1-9]\d{0,15})\n([A-Za-z0-9+/]{43}=)\n/.exec(text) ?? [];
  const org = /\/orgs\/([^/\s]+)\/audit$/.exec(origin)?.[1];
  if (end < 0 || size === undefined || org === undefined) {
    throw new Error('is not a checkpoint of an audit log');
  }
  const signatures = note.slice(end + 2).split('\n');
  if (!signatures.some((line) => isSignature(line, text, keys))) {
    throw new Error(`is signed by none of the ${keys.length} keys given`);
  }
  return { origin, org, size: Number(size), root: Buffer.from(root, 'base64').toString('hex') };
}

function isSignature(line: string, text: string, keys: readonly VerifierKey[]): boolean {
  const [, name, blob = ''] = /^— (\S+) ([A-Za-z0-9+/]+=*)$/.exec(line) ?? [];
  const bytes = Buffer.from(blob, 'base64');
  const id = bytes.subarray(0, 4).toString('hex');
  return keys.some(
    (key) =>
      key.name === name && key.id === id && verify(null, Buffer.from(text), key.key, bytes.subarray(4)),
  );
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
