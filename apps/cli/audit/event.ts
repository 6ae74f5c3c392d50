import { hash } from 'node:crypto';
import { canonicalJson, duplicateKey, isObject } from './canonical-json.ts';

/** One line of an export, read with all care: what is wrong with it is told here. */
export interface AuditEvent {
  readonly org: string;
  readonly pos: number;
  readonly leafHash: string;
  readonly prevHash: string;
  /** Hex; recomputed from everything the leaf hash covers. */
  readonly recomputed: string;
  readonly commitments: unknown;
  readonly personal: Record<string, unknown>;
}

const HASH = /^[0-9a-f]{64}$/;
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Throws where the line is no event, or one that two readers could read in two ways. */
export function readEvent(bytes: Uint8Array): AuditEvent {
  const text = utf8.decode(bytes);
  const event: unknown = JSON.parse(text);
  // A second key of the same name would be read one way here and another way by another reader.
  const twice = duplicateKey(text);
  if (twice !== undefined) throw new Error(`has the key ${twice} twice`);
  if (!isObject(event)) throw new Error('is not a JSON object');
  const { pos, leafHash, prevHash, personal, ...core } = event;
  if (core['v'] !== 1) throw new Error('is not of version 1');
  if (typeof core['org'] !== 'string' || core['org'] === '') throw new Error('names no organization');
  if (!Number.isSafeInteger(pos) || (pos as number) < 1) throw new Error('has no position');
  if (typeof leafHash !== 'string' || !HASH.test(leafHash)) throw new Error('has no leafHash');
  if (typeof prevHash !== 'string' || !HASH.test(prevHash)) throw new Error('has no prevHash');
  if (!isObject(personal)) throw new Error('has no personal part');
  canonicalJson(event); // refuses lone surrogates, wherever they stand
  const recomputed = hash('sha256', Buffer.from(`\0${canonicalJson(core)}`));
  const { org, commitments } = core;
  return { org, pos: pos as number, leafHash, prevHash, recomputed, commitments, personal };
}

/** What is wrong with the personal values of an event, and how many are erased, which is lawful. */
export function checkPersonal({ commitments, personal }: AuditEvent): { erased: number; wrong: string[] } {
  if (!isObject(commitments)) return { erased: 0, wrong: ['commitments is not an object'] };
  const wrong: string[] = [];
  let erased = 0;
  for (const path of new Set([...Object.keys(commitments), ...Object.keys(personal)])) {
    if (!Object.hasOwn(commitments, path)) wrong.push(`${path} stands in personal without a commitment`);
    else if (!Object.hasOwn(personal, path)) wrong.push(`${path} has a commitment and is not in personal`);
    else if (personal[path] === 'erased') erased += 1;
    else if (commitmentOf(personal[path]) !== commitments[path])
      wrong.push(`${path} is not what was committed to`);
  }
  return { erased, wrong };
}

/** The commitment to one personal value, or undefined where it is not of the form {salt, value}. */
function commitmentOf(entry: unknown): string | undefined {
  if (!isObject(entry) || Object.keys(entry).length !== 2) return undefined;
  const { salt, value } = entry;
  if (typeof salt !== 'string' || typeof value !== 'string') return undefined;
  const bytes = Buffer.from(salt, 'base64url');
  if (bytes.length !== 16 || bytes.toString('base64url') !== salt) return undefined;
  return hash('sha256', Buffer.concat([bytes, Buffer.from(value)]));
}
