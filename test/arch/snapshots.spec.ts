import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { builtInPermissions, builtInRoles, permissionNames, permissions } from '#access';
import { actionData, type AuditAction, auditActions } from '#audit';
import { systemReasons } from '#database';
import { eventCatalogue } from '#events';
import { faultCatalogue } from '#kernel';
import {
  conditionStatuses,
  conditionTypes,
  factKinds,
  reasonCatalogue,
  surfaceVocabulary,
  verdicts,
} from '#projection';
import { type AppInProcess, expectStatus, startApp } from '../kit/app-in-process.ts';

/**
 * What clients and operators rely on, as committed text: a difference is a reviewed event. To accept one on purpose:
 *
 *   npx vitest run --config test/vitest.config.ts test/arch/snapshots.spec.ts --update
 */
const FOLDER = fileURLToPath(new URL('snapshots', import.meta.url));
const LIBS = fileURLToPath(new URL('../../libs', import.meta.url));

const rendered: Record<string, () => string[]> = {
  'permissions.txt': () =>
    permissionNames.map((name) => {
      const kinds = (['tenant', 'platform'] as const).map((kind) => {
        const roles = builtInRoles.filter((role) => builtInPermissions(role, kind).includes(name));
        return `${kind}: ${roles.join(' ') || '-'}`;
      });
      return `${name} | ${kinds.join(' | ')} | ${permissions[name].description}`;
    }),
  'audit-actions.txt': () =>
    Object.entries(auditActions).map(
      ([name, { retention, description }]) => `${name} | ${retention} | ${description}`,
    ),
  'event-types.txt': () =>
    eventCatalogue.items.map(
      ({ type, of, carries, description }) =>
        `${type} | ${of.join(' ')} | ${carries.join(' ') || '-'} | ${description}`,
    ),
  'system-reasons.txt': () =>
    Object.entries(systemReasons).map(([name, description]) => `${name} | ${description}`),
  'projection-vocabulary.txt': () =>
    Object.entries({ ...surfaceVocabulary, factKinds, verdicts, conditionTypes, conditionStatuses }).flatMap(
      ([field, words]) => words.map((word) => `${field}.${word} | -`),
    ),
  'projection-reasons.txt': () =>
    reasonCatalogue.items.map(
      ({ code, verdict, actor, meaning }) => `${code} | ${verdict} | ${actor} | ${meaning}`,
    ),
  'faults.txt': () => faultCatalogue().map(({ code, kind, message }) => `${code} | ${kind} | ${message}`),
};

describe('the snapshots', () => {
  beforeAll(async () => {
    // A room declares its faults as it is loaded, so every door is opened.
    const rooms = readdirSync(LIBS);
    await Promise.all(rooms.map((room) => import(`../../libs/${room}/index.ts`)));
    expect(new Set(faultCatalogue().map(({ code }) => code.split('.')[0])).size).toBeGreaterThanOrEqual(7);
  });

  for (const [file, render] of Object.entries(rendered)) {
    it(`${file} is what was agreed`, async () => {
      const lines = render().toSorted();
      expect(lines.length).toBeGreaterThan(3);
      expect(new Set(lines).size).toBe(lines.length);
      await expect(`${lines.join('\n')}\n`).toMatchFileSnapshot(`${FOLDER}/${file}`);
    });
  }

  it('lose no name that was once given', () => {
    for (const [file, render] of Object.entries(rendered)) {
      const kept = new Set(render().map(nameOf));
      const gone = readFileSync(`${FOLDER}/${file}`, 'utf8').trimEnd().split('\n').map(nameOf);
      expect(
        gone.filter((name) => !kept.has(name)),
        file,
      ).toEqual([]);
    }
  });
});

describe('docs/audit-actions.md', () => {
  it('is the catalogue of audit actions', async () => {
    const entries = Object.entries(auditActions).map(([action, { description, retention }]) => {
      const { target, data } = actionData[action as AuditAction];
      const fields = data.length > 0 ? data.map((field) => `\`${field}\``).join(', ') : 'none';
      return `## ${action}\n\n${description}\n\nClass ${retention}; target: ${target}; fields of \`changes\`: ${fields}.\n`;
    });
    const head =
      '# Audit actions\n\nWritten by `test/arch/snapshots.spec.ts --update` from `libs/audit/catalogue/actions.ts` and ' +
      '`libs/audit/catalogue/action-data.ts`; the same as\n`GET /api/v1/audit/actions`. `*` stands for the fields of the document that was changed.\n';
    const file = fileURLToPath(new URL('../../docs/audit-actions.md', import.meta.url));
    await expect([head, ...entries].join('\n')).toMatchFileSnapshot(file);
  });
});

describe('docs/event-types.md', () => {
  it('is the catalogue of event types', async () => {
    const code = (names: readonly string[]): string => names.map((name) => `\`${name}\``).join(', ');
    const entries = eventCatalogue.items.map(
      ({ type, description, of, carries }) =>
        `## ${type}\n\n${description}\n\nFollows from ${code(of)}; fields of \`data.changes\`: ${code(carries) || 'none'}.\n`,
    );
    const head =
      '# Event types\n\nWritten by `test/arch/snapshots.spec.ts --update` from `libs/events/event-types.ts`; the same as\n' +
      '`GET /api/v1/events/types`. How events are read and published: [events](events.md).\n';
    const file = fileURLToPath(new URL('../../docs/event-types.md', import.meta.url));
    await expect([head, ...entries].join('\n')).toMatchFileSnapshot(file);
  });
});

describe('docs/projection-reasons.md', () => {
  it('is the registry of reasons', async () => {
    const entries = reasonCatalogue.items.map(
      ({ code, verdict, meaning, actor, action }) =>
        `## ${code}\n\n${meaning}\n\nAt best ${verdict}. Must act: ${actor}. What to do: ${action}\n`,
    );
    const head =
      '# Reasons\n\nWritten by `test/arch/snapshots.spec.ts --update` from `libs/projection/verdict/reasons.ts`; the ' +
      'same as\n`GET /api/v1/projection/reasons`. The registry is append-only.\n';
    const file = fileURLToPath(new URL('../../docs/projection-reasons.md', import.meta.url));
    await expect([head, ...entries].join('\n')).toMatchFileSnapshot(file);
  });
});

describe('the OpenAPI document', () => {
  let product: AppInProcess;
  beforeAll(async () => {
    product = await startApp();
  });
  afterAll(() => product.close());

  it('is what was agreed, as the whole product renders it', async () => {
    const document: unknown = expectStatus(await product.get('/openapi.json'), 200);
    const { paths } = document as { paths: Record<string, Record<string, { responses: object }>> };
    expect(Object.keys(paths).length).toBeGreaterThan(30);
    for (const [path, operations] of Object.entries(paths)) {
      for (const [method, { responses }] of Object.entries(operations)) {
        expect(Object.keys(responses).length, `${method} ${path}`).toBeGreaterThan(0);
      }
    }
    await expect(`${JSON.stringify(inOrder(document), null, 1)}\n`).toMatchFileSnapshot(
      `${FOLDER}/openapi.json`,
    );
  });

  it('loses no operation that was once there', async () => {
    const operationsOf = (text: string): string[] =>
      Object.entries((JSON.parse(text) as { paths: Record<string, object> }).paths).flatMap(
        ([path, methods]) => Object.keys(methods).map((method) => `${method} ${path}`),
      );
    const now = new Set(operationsOf((await product.get('/openapi.json')).raw.toString()));
    const agreed = operationsOf(readFileSync(`${FOLDER}/openapi.json`, 'utf8'));
    expect(agreed.length).toBeGreaterThan(30);
    expect(agreed.filter((operation) => !now.has(operation))).toEqual([]);
  });
});

/** The same value with the keys of every object sorted, so that only a change of meaning is a difference. */
function inOrder(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(inOrder);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, inner]) => [key, inOrder(inner)]));
}

const nameOf = (line: string): string => line.split(' | ')[0] ?? '';
