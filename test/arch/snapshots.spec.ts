import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { builtInPermissions, builtInRoles, permissionNames, permissions } from '#access';
import { faultCatalogue } from '#kernel';

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
  'faults.txt': () => faultCatalogue().map(({ code, kind, message }) => `${code} | ${kind} | ${message}`),
};

describe('the snapshots', () => {
  beforeAll(async () => {
    // A room declares its faults as it is loaded, so every door is opened.
    const rooms = readdirSync(LIBS);
    await Promise.all(rooms.map((room) => import(`../../libs/${room}/index.ts`)));
    expect(new Set(faultCatalogue().map(({ code }) => code.split('.')[0])).size).toBeGreaterThanOrEqual(1);
  }, 60_000);

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

const nameOf = (line: string): string => line.split(' | ')[0] ?? '';
