import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  compatibilityProblems,
  dependentsOf,
  type Manifest,
  manifestDigest,
  manifestErrors,
  type Registered,
} from './manifest.ts';

const manifest = (changes: Partial<Manifest> = {}): Manifest => ({
  name: 'deploy',
  version: '1.0.0',
  product: 'ops',
  owner: 'team-ops',
  provides: [],
  requires: [],
  permissions: [],
  tools: [],
  commands: [],
  ...changes,
});
const registered = (state: string, changes: Partial<Manifest>): Registered => {
  const made = manifest(changes);
  return { name: made.name, version: made.version, state, manifest: made };
};
const codes = (...asked: Parameters<typeof compatibilityProblems>): string[] =>
  compatibilityProblems(...asked).map(({ code, path }) => `${code} ${path}`);

describe('a manifest', () => {
  it.each(['1', '1.0', 'v1.0.0', ' 1.0.0', '1.0.0-01', '=1.0.0', 'latest', ''])(
    'has no version %j',
    (version) => {
      expect(manifestErrors(manifest({ version }))).toMatchObject([{ path: 'version' }]);
    },
  );

  it.each(['1.0.0', '0.0.1', '1.2.3-rc.1', '1.2.3+build.5'])('has the version %s', (version) => {
    expect(manifestErrors(manifest({ version }))).toEqual([]);
  });

  it('names what is no range, and what stands there twice', () => {
    const wrong = manifest({
      requires: [
        { contract: 'a', range: 'sometimes' },
        { contract: 'a', range: '^1.0.0' },
      ],
      tools: ['x', 'y', 'x'],
    });
    expect(manifestErrors(wrong).map(({ path }) => path)).toEqual([
      'requires[0].range',
      'requires[1]',
      'tools[2]',
    ]);
  });

  it('has one digest, however its fields are ordered, and another one for any change', () => {
    const one = manifest({ tools: ['a'] });
    const turned = Object.fromEntries(Object.entries(one).toReversed()) as unknown as Manifest;
    expect(manifestDigest(turned)).toEqual(manifestDigest(one));
    expect(manifestDigest({ ...one, tools: ['b'] })).not.toEqual(manifestDigest(one));
  });
});

describe('compatibility', () => {
  const storage = (state: string, version = '1.4.0') =>
    registered(state, { name: 'storage', provides: [{ contract: 'blob', version }] });
  const needs = (range: string) => manifest({ requires: [{ contract: 'blob', range }] });

  it('is that somebody keeps what is needed, in a version that is taken', () => {
    expect(codes(needs('^1.2.0'), [storage('active')], 'active')).toEqual([]);
    expect(codes(needs('^2.0.0'), [storage('active')], 'active')).toEqual(['requirement_unmet requires[0]']);
    expect(codes(needs('*'), [], 'admitted')).toEqual(['requirement_unmet requires[0]']);
    expect(
      codes(manifest({ requires: [{ contract: 'portcullis.api', range: '^1.0.0' }] }), [], 'active'),
    ).toEqual([]);
  });

  it('counts what is admitted for an admission only, and never what is quarantined', () => {
    expect(codes(needs('^1.0.0'), [storage('admitted')], 'admitted')).toEqual([]);
    expect(codes(needs('^1.0.0'), [storage('admitted')], 'active')).toHaveLength(1);
    for (const state of ['proposed', 'quarantined', 'revoked']) {
      expect(codes(needs('^1.0.0'), [storage(state)], 'admitted')).toHaveLength(1);
    }
  });

  it('leaves tools and commands to whoever has them', () => {
    const holder = registered('active', { name: 'other', tools: ['restart'], commands: ['ls'] });
    expect(codes(manifest({ tools: ['restart'], commands: ['ls'] }), [holder], 'admitted')).toEqual([
      'binding_taken tools[0]',
      'binding_taken commands[0]',
    ]);
    const before = registered('active', { tools: ['restart'] });
    expect(codes(manifest({ version: '2.0.0', tools: ['restart'] }), [before], 'active')).toEqual([]);
  });

  it('does not take away from active capabilities what they need', () => {
    const dependent = registered('active', {
      name: 'site',
      requires: [{ contract: 'blob', range: '^1.0.0' }],
    });
    const before = registered('active', { provides: [{ contract: 'blob', version: '1.0.0' }] });
    const next = manifest({ version: '2.0.0', provides: [{ contract: 'blob', version: '2.0.0' }] });
    expect(codes(next, [before, dependent], 'active')).toEqual(['dependent_broken provides']);
    expect(dependentsOf('deploy', [before, dependent])).toEqual(['site']);
  });

  it('never gets better where something leaves the registry', () => {
    const contracts = fc.constantFrom('a', 'b', 'c');
    const versions = fc.constantFrom('1.0.0', '1.5.0', '2.0.0');
    const registry = fc.array(
      fc.record({
        name: fc.constantFrom('p', 'q', 'r'),
        state: fc.constantFrom('proposed', 'admitted', 'active', 'quarantined'),
        provides: fc.array(fc.record({ contract: contracts, version: versions }), { maxLength: 3 }),
      }),
      { maxLength: 6 },
    );
    const requires = fc.array(
      fc.record({ contract: contracts, range: fc.constantFrom('^1.0.0', '>=1.5.0', '*') }),
      {
        maxLength: 4,
      },
    );
    fc.assert(
      fc.property(registry, requires, fc.nat(5), (entries, wanted, gone) => {
        const all = entries.map(({ state, ...changes }) => registered(state, changes));
        const asked = manifest({ requires: wanted });
        const unmet = (list: Registered[]) =>
          compatibilityProblems(asked, list, 'active').filter(({ code }) => code === 'requirement_unmet')
            .length;
        expect(unmet(all.filter((_, at) => at !== gone))).toBeGreaterThanOrEqual(unmet(all));
      }),
    );
  });
});
