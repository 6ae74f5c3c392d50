import { generateKeyPairSync, hash, sign } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { leafHash, rootOf } from '../../test/kit/merkle.ts';
import { canonicalJson } from './audit/canonical-json.ts';
import { run } from './cli.ts';

const ORG = '01997d1c-0000-7000-8000-00000000000a';
const SIZE = 21;
const folder = mkdtempSync(join(tmpdir(), 'portcullis-cli-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** The log as the contract describes it; `edit` makes another history of it. */
function logOf(
  size: number,
  edit: (pos: number) => object = () => ({}),
): { lines: string[]; leaves: Buffer[] } {
  const [lines, leaves]: [string[], Buffer[]] = [[], []];
  let prevHash = '0'.repeat(64);
  for (let pos = 1; pos <= size; pos += 1) {
    const core = canonicalJson({
      v: 1,
      id: `e-${pos}`,
      org: ORG,
      outcome: 'success',
      commitments: {},
      ...edit(pos),
    });
    const leaf = leafHash(core);
    const rest = JSON.stringify({ pos, leafHash: leaf.toString('hex'), prevHash, personal: {} });
    lines.push(`${core.slice(0, -1)},${rest.slice(1)}\n`);
    leaves.push(leaf);
    prevHash = leaf.toString('hex');
  }
  return { lines, leaves };
}

/** A key and what it signs, in the forms of c2sp.org/signed-note. */
function newSigner(name: string) {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const bytes = Buffer.concat([
    Buffer.from([1]),
    publicKey.export({ format: 'der', type: 'spki' }).subarray(-32),
  ]);
  const id = hash('sha256', Buffer.concat([Buffer.from(`${name}\n`), bytes])).slice(0, 8);
  return {
    line: `${name}+${id}+${bytes.toString('base64')}\n`,
    note: (leaves: Buffer[], size: number): string => {
      const text = `${name}/orgs/${ORG}/audit\n${size}\n${rootOf(leaves.slice(0, size)).toString('base64')}\n`;
      const blob = Buffer.concat([Buffer.from(id, 'hex'), sign(null, Buffer.from(text), privateKey)]);
      return `${text}\n— ${name} ${blob.toString('base64')}\n`;
    },
  };
}

const log = logOf(SIZE);
const signer = newSigner('portcullis.example');
const file = (name: string, content: string | Buffer): string => {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
};
const keys = file('keys', signer.line);
const checkpoint = (size: number, leaves = log.leaves): string =>
  file(`checkpoint-${size}`, signer.note(leaves, size));
const whole = file('whole.ndjson', log.lines.join(''));
const signed = ['--keys', keys, '--checkpoint', checkpoint(SIZE)];

async function portcullis(args: string[], input = ''): Promise<{ code: number; out: string; err: string }> {
  const said = { out: '', err: '' };
  const into = (key: 'out' | 'err') =>
    new Writable({
      write(chunk: Buffer, _, done) {
        said[key] += chunk.toString();
        done();
      },
    });
  const code = await run(args, {
    input: Readable.from([Buffer.from(input)]),
    output: into('out'),
    errors: into('err'),
  });
  return { code, ...said };
}

async function verify(...args: string[]): Promise<{ code: number; found: [string, number?][] }> {
  const { code, out, err } = await portcullis(['audit', 'verify', '--json', ...args]);
  expect(err).toBe('');
  const { problems, proven } = JSON.parse(out) as {
    proven: boolean;
    problems: { kind: string; pos?: number }[];
  };
  expect(proven).toBe(code === 0);
  return { code, found: problems.map(({ kind, pos }) => (pos === undefined ? [kind] : [kind, pos])) };
}

describe('the portcullis command', () => {
  it('tells what there is, and what each command takes and ends with', async () => {
    const { code, out } = await portcullis([]);
    expect([code, out]).toEqual([2, expect.stringContaining('audit verify')]);
    expect((await portcullis(['--help'])).code).toBe(0);
    for (const name of ['export', 'verify']) {
      const help = await portcullis(['audit', name, '--help']);
      expect([help.code, help.out]).toEqual([0, expect.stringMatching(/exit codes: 0 .* 2 .* 3 /)]);
    }
  });

  it('refuses what it does not know', async () => {
    const calls = [['audit'], ['audit', 'alter'], ['audit', 'verify', '--nonsense'], ['audit', 'export']];
    for (const args of calls) {
      const { code, out, err } = await portcullis(args);
      expect([code, out, err !== '']).toEqual([2, '', true]);
    }
  });
});

describe('portcullis audit verify', () => {
  it('proves an export that is complete and as it was signed: 0', async () => {
    const { code, out } = await portcullis(['audit', 'verify', whole, ...signed]);
    expect([code, out]).toEqual([0, expect.stringContaining(`as known up to position ${SIZE}`)]);
    expect(out).toContain('nothing is missing or altered');
  });

  it('reads several files, gzip and the standard input', async () => {
    const packed = file('head.gz', gzipSync(log.lines.slice(0, 9).join('')));
    const args = ['audit', 'verify', packed, '-', ...signed];
    expect((await portcullis(args, log.lines.slice(9).join(''))).code).toBe(0);
    const broken = file('broken.gz', gzipSync(log.lines.join('')).subarray(0, 300));
    const { code, err } = await portcullis(['audit', 'verify', broken, ...signed]);
    expect([code, err]).toEqual([3, expect.stringContaining('broken.gz cannot be read')]);
  });

  it('names the position that is missing, altered, reordered, duplicated, cut off or forked: 1', async () => {
    const { lines } = log;
    const other = logOf(SIZE, (pos) => (pos >= 7 ? { outcome: 'denied' } : {}));
    const cases: [string[], [string, number][]][] = [
      [
        lines.toSpliced(4, 1),
        [
          ['missing', 5],
          ['wrong root', SIZE],
        ],
      ],
      [
        lines.toSpliced(4, 2),
        [
          ['missing', 5],
          ['wrong root', SIZE],
        ],
      ],
      [
        lines.with(4, lines[4]!.replace('success', 'denied')),
        [
          ['altered', 5],
          ['wrong root', SIZE],
        ],
      ],
      [
        lines.with(3, lines[4]!).with(4, lines[3]!),
        [
          ['reordered', 4],
          ['wrong root', SIZE],
        ],
      ],
      [lines.toSpliced(6, 0, lines[3]!), [['duplicate', 4]]],
      [lines.toSpliced(7, 0, other.lines[6]!), [['forked', 7]]],
      [lines.slice(0, 18), [['short', 19]]],
      [other.lines, [['forked', SIZE]]],
    ];
    for (const [edited, problems] of cases) {
      const path = file('edited.ndjson', edited.join(''));
      expect(await verify(path, ...signed)).toEqual({ code: 1, found: problems });
    }
  });

  it('says between which checkpoints another history begins', async () => {
    const other = logOf(SIZE, (pos) => (pos >= 7 ? { outcome: 'denied' } : {}));
    const history = [4, 8, SIZE].map(
      (size) => `${JSON.stringify({ note: signer.note(log.leaves, size) })}\n`,
    );
    const args = ['--keys', keys, '--checkpoint', file('history.ndjson', history.join(''))];
    expect((await verify(whole, ...args)).code).toBe(0);
    const { code, out } = await portcullis([
      'audit',
      'verify',
      file('other.ndjson', other.lines.join('')),
      ...args,
    ]);
    expect(code).toBe(1);
    expect(out).toContain(`forked: ${ORG} 8: these lines part between positions 5 and 8`);
  });

  it('takes no checkpoint that no key given has signed, and none that was changed', async () => {
    const stranger = file('stranger', newSigner('portcullis.example').line);
    expect(await verify(whole, '--keys', stranger, '--checkpoint', checkpoint(SIZE))).toEqual({
      code: 1,
      found: [['unproven'], ['unexpected organization', 1]],
    });
    const other = [...log.leaves.slice(0, -1), leafHash('other')];
    const text = signer.note(other, SIZE).split('\n\n')[0];
    const changed = file('changed', `${text}\n\n${signer.note(log.leaves, SIZE).split('\n\n')[1]}`);
    expect((await verify(whole, '--keys', keys, '--checkpoint', changed)).found[0]).toEqual(['unproven']);
  });

  it('does not vouch for what no checkpoint covers', async () => {
    const old = ['--keys', keys, '--checkpoint', checkpoint(15)];
    expect(await verify(whole, ...old)).toEqual({ code: 1, found: [['too long', 16]] });
    expect(await verify(whole, ...old, '--ignore-tail')).toEqual({ code: 0, found: [] });
    const unanchored = await portcullis(['audit', 'verify', whole, '--unanchored']);
    expect([unanchored.code, unanchored.out]).toEqual([0, expect.stringContaining('nothing vouches')]);
  });

  it('goes on after any position, with the proof that leads from there to the root', async () => {
    for (let after = 1; after < SIZE; after += 1) {
      const proof = file('proof', JSON.stringify({ hashes: leftSiblings(log.leaves.slice(0, after)) }));
      const args = ['--after', String(after), '--proof', proof, ...signed];
      const rest = log.lines.slice(after);
      expect(await verify(file('rest.ndjson', rest.join('')), ...args), String(after)).toEqual({
        code: 0,
        found: [],
      });
      const edited = [rest[0]!.replace('success', 'denied'), ...rest.slice(1)];
      expect((await verify(file('rest.ndjson', edited.join('')), ...args)).found).toContainEqual([
        'altered',
        after + 1,
      ]);
      const other = logOf(SIZE, (pos) => (pos === after ? { outcome: 'denied' } : {})).lines.slice(after);
      expect((await verify(file('rest.ndjson', other.join('')), ...args)).found).toEqual([['forked', SIZE]]);
    }
  });

  it.each([
    [['--checkpoint', 'x']],
    [[whole]],
    [[whole, '--url', 'http://127.0.0.1:1']],
    [[whole, '--root', 'nonsense']],
    [[whole, ...signed, '--after', 'x']],
    [[whole, ...signed, '--after', '3']],
    [['--url', 'nonsense', '--org', ORG, '--key-file', keys]],
  ])('is called wrongly with %j: 2', async (args) => {
    expect((await portcullis(['audit', 'verify', ...args])).code).toBe(2);
  });

  it.each([
    [[join(folder, 'nowhere'), ...signed]],
    [[whole, '--keys', join(folder, 'nowhere'), '--root', `${ORG}=1:${'0'.repeat(64)}`]],
    [['--url', 'http://127.0.0.1:1', '--org', ORG, '--key-file', keys]],
  ])('cannot read or reach what it is given in %j: 3', async (args) => {
    expect((await portcullis(['audit', 'verify', ...args])).code).toBe(3);
  });
});

describe('portcullis audit, with a server', () => {
  let server: Server;
  let named: string[] = [];
  const asked: string[] = [];
  let [lines, busy] = [log.lines, 0];

  beforeAll(async () => {
    server = createServer(({ url = '' }, answer) => {
      const query = new URL(url, 'http://x').searchParams;
      const after = Number(query.get('after'));
      asked.push(url);
      if (url.endsWith('/audit-keys')) return answer.end(signer.line);
      if (url.endsWith('/checkpoint')) return answer.end(signer.note(log.leaves, SIZE));
      if (url.includes('/inclusion')) {
        return answer.end(
          JSON.stringify({ hashes: leftSiblings(log.leaves.slice(0, Number(query.get('pos')))) }),
        );
      }
      busy += 1;
      if (busy === 2) return answer.writeHead(429, { 'retry-after': '0' }).end();
      // Pages of eight, however many are asked for.
      const page = lines.slice(after, Math.min(after + 8, after + Number(query.get('limit'))));
      answer.setHeader(
        'x-audit-next',
        String(Math.min(after + 8, after + Number(query.get('limit')), lines.length)),
      );
      return answer.end(page.join(''));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    named = ['--url', url, '--org', ORG, '--key-file', file('key', 'pck_x\n')];
  });
  afterAll(() => new Promise((resolve) => server.close(resolve)));

  it('pulls the log page by page and proves it, also from a position on', async () => {
    expect(await verify(...named)).toEqual({ code: 0, found: [] });
    expect(asked.filter((url) => url.includes('/export'))).toHaveLength(4);
    expect((await verify(...named, '--keys', keys, '--checkpoint', checkpoint(4))).code).toBe(0);
    expect(await verify(...named, '--after', '12')).toEqual({ code: 0, found: [] });
  });

  it('finds what the server leaves out', async () => {
    lines = log.lines.toSpliced(10, 1);
    expect((await verify(...named)).found).toContainEqual(['missing', 11]);
    lines = log.lines.slice(0, 17);
    expect((await verify(...named)).found).toEqual([['short', 18]]);
    lines = log.lines;
  });

  it('writes an export that can be verified', async () => {
    const { code, out } = await portcullis(['audit', 'export', ...named]);
    expect([code, out]).toEqual([0, log.lines.join('')]);
  });
});

/** The proof that the last leaf is in the tree, by the definition of RFC 6962 section 2.1.1. */
function leftSiblings(leaves: Buffer[]): string[] {
  if (leaves.length <= 1) return [];
  const split = 2 ** Math.floor(Math.log2(leaves.length - 1));
  return [...leftSiblings(leaves.slice(split)), rootOf(leaves.slice(0, split)).toString('hex')];
}
