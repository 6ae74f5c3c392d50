import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalJson } from './canonical-json.ts';
import type { ProblemKind } from './log-check.ts';
import { MerkleTree } from './merkle.ts';
import { SoundLine } from './sound-line.ts';
import { type ExpectedLog, verifyExport } from './verify-export.ts';

const ORG = '01997d1c-0000-7000-8000-00000000000a';
const OTHER = '01997d1c-0000-7000-8000-00000000000b';

type Event = Record<string, unknown> & { pos: number; leafHash: string; prevHash: string };

const sha256 = (...parts: (string | Uint8Array)[]): Buffer =>
  parts.reduce((hash, part) => hash.update(part), createHash('sha256')).digest();

/** A sound log, made by hand as the contract describes it. */
function logOf(org: string, size: number): { lines: string[]; expected: ExpectedLog } {
  const tree = new MerkleTree();
  const lines: string[] = [];
  let prevHash = '0'.repeat(64);
  for (let pos = 1; pos <= size; pos += 1) {
    const personal = {
      'actor.display': { salt: salt(pos, 'a'), value: `Zoë ${pos} 😀` },
      'request.ip': { salt: salt(pos, 'b'), value: `192.0.2.${pos}` },
    };
    const core = {
      v: 1,
      id: `01997d1c-0000-7000-8000-${String(pos).padStart(12, '0')}`,
      org,
      time: `2026-11-22T03:00:${String(pos).padStart(2, '0')}.000Z`,
      actor: { type: 'user', id: 'u-1', sessionId: 's-1' },
      action: 'session.revoke',
      target: { type: 'session', id: `s-${pos}` },
      outcome: 'success',
      request: { id: `r-${pos}`, method: 'DELETE', route: '/api/v1/orgs/:orgId/sessions/:sessionId' },
      changes: isRare(pos)
        ? { weight: [pos / 7, null, true], 'näme\u{1F600}': '"\\\u0007' }
        : { weight: [pos, null, true, -7], name: { from: 'Zoë "\\\n', to: {} } },
      commitments: Object.fromEntries(
        Object.entries(personal).map(([path, one]) => [
          path,
          sha256(Buffer.from(one.salt, 'base64url'), one.value).toString('hex'),
        ]),
      ),
    };
    const leaf = sha256(Buffer.from([0]), canonicalJson(core));
    tree.append(leaf.toString('hex'));
    const rest = JSON.stringify({ pos, leafHash: leaf.toString('hex'), prevHash, personal });
    // As the export writes it: the canonical leaf, and the rest before its closing brace.
    lines.push(`${canonicalJson(core).slice(0, -1)},${rest.slice(1)}`);
    prevHash = leaf.toString('hex');
  }
  return { lines, expected: { treeSize: size, root: tree.root() } };
}

/** Every third event holds what is read by the slower of the two ways only. */
const isRare = (pos: number): boolean => pos % 3 === 0;

const salt = (pos: number, name: string): string =>
  sha256(`${name}${pos}`).subarray(0, 16).toString('base64url');

const log = logOf(ORG, 9);
const expected = new Map([[ORG, log.expected]]);

async function problemsOf(
  lines: readonly string[],
  against = expected,
): Promise<[ProblemKind, number | undefined][]> {
  const { ok, problems } = await verifyExport(lines, against);
  expect(ok).toBe(problems.length === 0);
  return problems.map(({ kind, pos }) => [kind, pos]);
}

function edited(index: number, edit: (event: Event) => void): string[] {
  return log.lines.map((line, at) => {
    if (at !== index) return line;
    const event = JSON.parse(line) as Event;
    edit(event);
    return JSON.stringify(event);
  });
}

describe('the verifier of an audit export', () => {
  it('finds nothing wrong with an intact log, however it is cut into chunks', async () => {
    expect(await problemsOf(log.lines)).toEqual([]);
    const bytes = Buffer.from(log.lines.map((line) => `${line}\n`).join(''));
    for (const size of [1, 7, 4096]) {
      const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, n) =>
        bytes.subarray(n * size, (n + 1) * size),
      );
      expect(await verifyExport(chunks, expected)).toMatchObject({ ok: true, problemCount: 0 });
    }
  });

  it('keeps interleaved organizations apart', async () => {
    const other = logOf(OTHER, 9);
    const mixed = log.lines.flatMap((line, n) => [line, other.lines[n]!]);
    const both = new Map([...expected, [OTHER, other.expected]]);
    expect(await problemsOf(mixed, both)).toEqual([]);
    mixed.splice(7, 1);
    const { problems } = await verifyExport(mixed, both);
    expect(problems.map(({ kind, org, pos }) => [kind, org, pos])).toEqual([
      ['missing', OTHER, 4],
      ['wrong root', OTHER, 9],
    ]);
    expect(await problemsOf(mixed)).toContainEqual(['unexpected organization', 1]);
  });

  it('judges a line that is sound the same in any form that JSON has for it', async () => {
    const reader = new SoundLine();
    const reads = (line: string): boolean => {
      const bytes = Buffer.from(`\n${line}`);
      return reader.read(bytes, 1, bytes.length);
    };
    expect(log.lines.map(reads)).toEqual(log.lines.map((_, index) => !isRare(index + 1)));
    const loose = log.lines.map((line) =>
      JSON.stringify(JSON.parse(line), undefined, 1).replaceAll('\n', ''),
    );
    expect(loose.map(reads)).toEqual(loose.map(() => false));
    expect(await problemsOf(loose)).toEqual([]);
  });

  it('continues where an earlier reading ended', async () => {
    const whole = await verifyExport(log.lines.slice(0, 4));
    const start = { pos: 5, prevHash: whole.orgs.get(ORG)!.lastHash };
    expect(await problemsOf(log.lines.slice(4), new Map([[ORG, { start, treeSize: 9 }]]))).toEqual([]);
    const wrong = { pos: 5, prevHash: 'f'.repeat(64) };
    expect(await problemsOf(log.lines.slice(4), new Map([[ORG, { start: wrong }]]))).toEqual([
      ['chain broken', 5],
    ]);
    expect(await problemsOf(log.lines.slice(5), new Map([[ORG, { start }]]))).toEqual([['missing', 5]]);
    await expect(verifyExport([], new Map([[ORG, { start, root: 'f'.repeat(64) }]]))).rejects.toThrow(
      'position 1',
    );
  });

  it('names the position of a line that is gone', async () => {
    for (let index = 0; index < 8; index += 1) {
      expect(await problemsOf(log.lines.toSpliced(index, 1))).toEqual([
        ['missing', index + 1],
        ['wrong root', 9],
      ]);
    }
  });

  it('sees that the tail is cut', async () => {
    expect(await problemsOf(log.lines.slice(0, 6))).toEqual([['short', 7]]);
    expect(await problemsOf([])).toEqual([['short', 1]]);
    expect(await problemsOf(logOf(ORG, 10).lines)).toEqual([['too long', 10]]);
  });

  it('tells swapped lines from repeated ones', async () => {
    const swapped = log.lines.with(3, log.lines[4]!).with(4, log.lines[3]!);
    expect(await problemsOf(swapped)).toEqual([
      ['reordered', 4],
      ['wrong root', 9],
    ]);
    expect(await problemsOf(log.lines.toSpliced(3, 0, log.lines[2]!))).toEqual([['duplicate', 3]]);
  });

  it('finds an edit of any hashed field', async () => {
    const fields = Object.keys(JSON.parse(log.lines[0]!) as Event).filter(
      (name) => !['v', 'org', 'pos', 'leafHash', 'prevHash', 'personal', 'commitments'].includes(name),
    );
    expect(fields.length).toBeGreaterThan(7);
    for (const field of fields) {
      const found = await problemsOf(edited(4, (event) => (event[field] = 'x')));
      expect(found, field).toEqual([
        ['altered', 5],
        ['wrong root', 9],
      ]);
      expect(await problemsOf(edited(4, (event) => delete event[field]))).toContainEqual(['altered', 5]);
    }
  });

  it('finds an edit whose own hash was made to fit', async () => {
    const forge = (event: Event): void => {
      event['outcome'] = 'denied';
      const {
        pos: _,
        leafHash: __,
        prevHash: ___,
        personal: ____,
        ...core
      } = event as Event & { personal: unknown };
      event.leafHash = sha256(Buffer.from([0]), canonicalJson(core)).toString('hex');
    };
    expect(await problemsOf(edited(4, forge))).toEqual([
      ['chain broken', 6],
      ['wrong root', 9],
    ]);
    expect(await problemsOf(edited(8, forge))).toEqual([['forked', 9]]);
  });

  it('finds an edit of a position, of a hash and of the organization', async () => {
    expect(await problemsOf(edited(4, (event) => (event.pos = 6)))).toContainEqual(['missing', 5]);
    expect(await problemsOf(edited(4, (event) => (event.leafHash = 'a'.repeat(64))))).toEqual([
      ['altered', 5],
      ['chain broken', 6],
    ]);
    expect(await problemsOf(edited(4, (event) => (event.prevHash = 'a'.repeat(64))))).toEqual([
      ['chain broken', 5],
    ]);
    expect(await problemsOf(edited(4, (event) => (event['org'] = OTHER)))).toContainEqual([
      'unexpected organization',
      5,
    ]);
  });

  it('finds personal data that is not what was committed to', async () => {
    type Personal = Record<string, unknown>;
    const personal = (edit: (personal: Personal) => void): string[] =>
      edited(4, (event) => edit(event['personal'] as Personal));
    const ip = 'request.ip';
    const mismatch = [['commitment mismatch', 5]];
    const sound = { salt: salt(5, 'b'), value: '192.0.2.5' };
    expect(await problemsOf(personal((one) => (one[ip] = sound)))).toEqual([]);
    expect(await problemsOf(personal((one) => (one[ip] = { ...sound, value: '192.0.2.9' })))).toEqual(
      mismatch,
    );
    expect(await problemsOf(personal((one) => (one[ip] = { ...sound, salt: salt(6, 'b') })))).toEqual(
      mismatch,
    );
    expect(await problemsOf(personal((one) => (one[ip] = { ...sound, extra: 1 })))).toEqual(mismatch);
    expect(await problemsOf(personal((one) => (one[ip] = { ...sound, salt: `${sound.salt}==` })))).toEqual(
      mismatch,
    );
    expect(await problemsOf(personal((one) => (one[ip] = 'gone')))).toEqual(mismatch);
    expect(await problemsOf(personal((one) => delete one[ip]))).toEqual(mismatch);
    expect(await problemsOf(personal((one) => (one['target.display'] = sound)))).toEqual(mismatch);
  });

  it('counts erased values, which are lawful', async () => {
    const lines = edited(
      4,
      (event) => ((event['personal'] as Record<string, unknown>)['request.ip'] = 'erased'),
    );
    const { ok, orgs } = await verifyExport(lines, expected);
    expect([ok, orgs.get(ORG)?.erased]).toEqual([true, 1]);
  });

  it('takes no line that two readers could read in two ways', async () => {
    const twice = log.lines[4]!.replace('"outcome"', '"outcome":"denied","\\u006futcome"');
    expect((JSON.parse(twice) as Event)['outcome']).toBe('success');
    const halfPair = log.lines[4]!.replace('Zoë', '\\ud83d');
    for (const line of [twice, halfPair, '', '[]', '{}', '{', log.lines[4]!.replace('"v":1', '"v":2')]) {
      expect(await problemsOf(log.lines.with(4, line)), line.slice(0, 40)).toContainEqual([
        'malformed',
        undefined,
      ]);
    }
    const bytes = log.lines.map((line) => Buffer.from(`${line}\n`));
    bytes[4]![bytes[4]!.indexOf(0xc3)] = 0xff;
    expect((await verifyExport(bytes, expected)).problems[0]?.kind).toBe('malformed');
  });

  it('finds any one mutated line', async () => {
    const mutation = fc.record({
      line: fc.nat(log.lines.length - 1),
      kind: fc.constantFrom('drop', 'repeat', 'move', 'character', 'value', 'key'),
      at: fc.nat(),
      other: fc.nat(log.lines.length - 1),
      with: fc.oneof(
        fc.string({ unit: 'grapheme', minLength: 1, maxLength: 3 }),
        fc.constantFrom('0', '"', '9', 'f'),
      ),
    });
    let seen = 0;
    await fc.assert(
      fc.asyncProperty(mutation, async (one) => {
        const mutated = mutate(log.lines, one);
        fc.pre(!sameMeaning(mutated, log.lines));
        seen += 1;
        const { ok, orgs } = await verifyExport(mutated, expected);
        expect(ok && orgs.get(ORG)?.erased === 0).toBe(false);
      }),
      { numRuns: 3000 },
    );
    expect(seen).toBeGreaterThanOrEqual(3000);
  });
});

interface Mutation {
  line: number;
  kind: string;
  at: number;
  other: number;
  with: string;
}

function mutate(lines: readonly string[], one: Mutation): string[] {
  const text = lines[one.line]!;
  if (one.kind === 'drop') return lines.toSpliced(one.line, 1);
  if (one.kind === 'repeat') return lines.toSpliced(one.other, 0, text);
  if (one.kind === 'move') return lines.toSpliced(one.line, 1).toSpliced(one.other, 0, text);
  if (one.kind === 'character') {
    const at = one.at % text.length;
    return lines.with(one.line, text.slice(0, at) + one.with + text.slice(at + 1));
  }
  const event = JSON.parse(text) as Event;
  const places = placesIn(event);
  const [holder, key] = places[one.at % places.length]!;
  const value = holder[key];
  if (one.kind === 'key') {
    delete holder[key];
    holder[one.with] = value;
  } else {
    holder[key] = typeof value === 'number' ? value + 1 : one.with;
  }
  return lines.with(one.line, JSON.stringify(event));
}

/** Every object in the event with every key of it. */
function placesIn(value: unknown): [Record<string, unknown>, string][] {
  if (typeof value !== 'object' || value === null) return [];
  const holder = value as Record<string, unknown>;
  return Object.keys(holder).flatMap((key) => [
    [holder, key] as [Record<string, unknown>, string],
    ...placesIn(holder[key]),
  ]);
}

/** A blank between two tokens, or 1.0 for 1, is no mutation: the canonical form is the same. */
function sameMeaning(some: readonly string[], others: readonly string[]): boolean {
  if (some.length !== others.length) return false;
  return some.every((line, n) => {
    if (line === others[n]) return true;
    try {
      return canonicalJson(JSON.parse(line)) === canonicalJson(JSON.parse(others[n]!));
    } catch {
      return false;
    }
  });
}
