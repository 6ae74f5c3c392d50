import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { rankOf, reasons } from './reasons.ts';
import { type Fact, type Facts, type Policy, project, SKEW_MS, staleAfter } from './verdict.ts';
import {
  adminPostures,
  authModes,
  conditionTypes,
  type FactKind,
  factKinds,
  onboardingStatuses,
  sessionHandoffs,
  type SurfaceValues,
  verdicts,
} from './vocabulary.ts';

const NOW = Date.parse('2026-11-22T12:00:00Z');
const TENANTS = ['0190aaaa-bbbb-7ccc-8ddd-eeeeeeeeeeee', 'acme'];

const desired: SurfaceValues = {
  authMode: 'oidc',
  onboardingStatus: 'onboarded',
  sessionHandoff: 'oidc_interactive',
  adminPosture: 'admin_capable',
};
const policy: Policy = {
  generation: 3,
  desired,
  requireEvidence: false,
  tenants: TENANTS,
  owners: { rights: 'r', auth: 'a', runtime: 'u' },
};
const fact = (authorityId: string, data: Fact['data'], changes: Partial<Fact> = {}): Fact => ({
  revision: 1,
  generation: 3,
  authorityId,
  observedAt: NOW - 10_000,
  receivedAt: NOW - 9_000,
  ttlSeconds: 60,
  data: { tenant: 'acme', ...data },
  hasEvidence: true,
  inConflict: false,
  ...changes,
});
const rights = { onboardingStatus: 'onboarded', rightsRevision: 'r7' };
const auth = { authMode: 'oidc', sessionHandoff: 'oidc_interactive', normalized: true, breakGlass: false };
const runtime = {
  materialized: true,
  sessionMaterialized: true,
  adminPosture: 'admin_capable',
  rightsRevision: 'r7',
};
const sound = { rights: fact('r', rights), auth: fact('a', auth), runtime: fact('u', runtime) };

describe('a surface whose owners all agree', () => {
  it('is ready, with every condition True, until the first fact expires', () => {
    const found = project(sound, policy, NOW);
    expect(found.verdict).toBe('ready');
    expect(found.reasons).toEqual([]);
    expect(found.conditions.map(({ type, status }) => [type, status])).toEqual(
      conditionTypes.map((type) => [type, 'True']),
    );
    expect(found.validUntil).toBe(NOW + 50_000);
    expect(project(sound, policy, NOW + 49_999).verdict).toBe('ready');
    expect(project(sound, policy, NOW + 50_000)).toMatchObject({
      verdict: 'blocked',
      reasons: ['stale_projection'],
      effective: { authMode: { value: 'oidc', stale: true } },
    });
  });
});

describe('one thing that is not right', () => {
  const cases: [string, Facts, Partial<Policy>, string, string[]][] = [
    ['no fact of rights', { ...sound, rights: undefined }, {}, 'blocked', ['missing_input']],
    ['no owner', sound, { owners: { rights: 'r', auth: 'a' } }, 'blocked', ['owner_missing']],
    ['another owner since', sound, { owners: { ...policy.owners, auth: 'b' } }, 'blocked', ['owner_changed']],
    [
      'two contents',
      { ...sound, auth: fact('a', auth, { inConflict: true }) },
      {},
      'blocked',
      ['owner_conflict'],
    ],
    ['another generation', sound, { generation: 4 }, 'followthrough-required', ['generation_behind']],
    [
      'a fact from the future',
      { ...sound, auth: fact('a', auth, { receivedAt: NOW + SKEW_MS + 1 }) },
      {},
      'blocked',
      ['clock_skew'],
    ],
    [
      'another tenant',
      { ...sound, runtime: fact('u', { ...runtime, tenant: 'globex' }) },
      {},
      'blocked',
      ['tenant_mismatch'],
    ],
    ...(
      [
        ['rights', { onboardingStatus: 'onboarding' }, 'followthrough-required', 'onboarding_incomplete'],
        ['rights', { onboardingStatus: 'planned' }, 'blocked', 'surface_planned'],
        ['rights', { onboardingStatus: 'suspended' }, 'blocked', 'surface_suspended'],
        ['rights', { onboardingStatus: 'retired' }, 'blocked', 'surface_retired'],
        ['rights', { onboardingStatus: 'thriving' }, 'blocked', 'unknown_value'],
        ['rights', { rightsRevision: 'r8' }, 'blocked', 'runtime_without_aligned_rights'],
        ['rights', { rightsRevision: '' }, 'blocked', 'runtime_without_aligned_rights'],
        ['auth', { authMode: 'none' }, 'blocked', 'auth_not_enforced'],
        ['auth', { authMode: 'saml' }, 'followthrough-required', 'auth_mode_differs'],
        [
          'auth',
          { authMode: 'local', normalized: false },
          'review-required',
          'local_auth_needs_normalization',
        ],
        [
          'auth',
          { authMode: 'host_local', normalized: false },
          'review-required',
          'local_auth_needs_normalization',
        ],
        [
          'auth',
          { authMode: 'bridge', normalized: false },
          'review-required',
          'bridge_auth_needs_normalization',
        ],
        ['auth', { authMode: 'telepathy' }, 'blocked', 'unknown_value'],
        ['auth', { sessionHandoff: 'planned_not_live' }, 'blocked', 'session_planned_not_live'],
        ['auth', { sessionHandoff: 'bridge' }, 'followthrough-required', 'session_handoff_differs'],
        ['auth', { sessionHandoff: 'dream' }, 'blocked', 'unknown_value'],
        ['auth', { breakGlass: true }, 'review-required', 'break_glass_active'],
        ['auth', { breakGlass: undefined }, 'blocked', 'unknown_value'],
        ['runtime', { materialized: false }, 'blocked', 'runtime_not_materialized'],
        ['runtime', { sessionMaterialized: false }, 'blocked', 'session_shape_not_materialized'],
        ['runtime', { rightsRevision: null }, 'blocked', 'runtime_without_aligned_rights'],
        ['runtime', { adminPosture: null }, 'blocked', 'admin_posture_undeclared'],
        ['runtime', { adminPosture: 'recovery_only' }, 'review-required', 'recovery_only_admin'],
        ['runtime', { adminPosture: 'superadmin' }, 'review-required', 'admin_posture_exceeds'],
        ['runtime', { adminPosture: 'none' }, 'followthrough-required', 'admin_posture_differs'],
        ['runtime', { adminPosture: 'omnipotent' }, 'blocked', 'unknown_value'],
      ] as const
    ).map(([kind, change, verdict, reason]): [string, Facts, Partial<Policy>, string, string[]] => [
      `${kind} with ${JSON.stringify(change)}`,
      { ...sound, [kind]: { ...sound[kind], data: { ...sound[kind].data, ...change } } },
      {},
      verdict,
      [reason],
    ]),
  ];
  it.each(cases)('%s', (_what, facts, changes, verdict, codes) => {
    const found = project(facts, { ...policy, ...changes }, NOW);
    expect(found.verdict).toBe(verdict);
    expect(found.reasons).toEqual(codes);
  });

  it('only advises where facts need no evidence, and holds back where they do', () => {
    const facts = { ...sound, auth: fact('a', auth, { hasEvidence: false }) };
    const at = (requireEvidence: boolean) => project(facts, { ...policy, requireEvidence }, NOW);
    expect(at(false).verdict).toBe('ready');
    expect(at(false).conditions.at(-1)).toMatchObject({
      status: 'False',
      reason: 'evidence_missing',
      gating: false,
    });
    expect(at(true)).toMatchObject({ verdict: 'review-required', reasons: ['evidence_missing'] });
  });

  it('gains no time by an observation that lies ahead of our clock', () => {
    const ahead = fact('a', auth, { observedAt: NOW + 20_000, receivedAt: NOW });
    expect(staleAfter(ahead)).toBe(NOW + 60_000);
  });
});

// ---- for all inputs ---------------------------------------------------------------------------------------

const odd = fc.constantFrom<unknown>('', 'strange', null, undefined, 0, true, {}, []);
const mostly = <T>(values: readonly T[]) =>
  fc.oneof({ weight: 9, arbitrary: fc.constantFrom<unknown>(...values) }, { weight: 1, arbitrary: odd });
const tenant = mostly([...TENANTS, 'acme', 'acme']);
const flag = mostly([true, true, false]);
const revision = mostly(['r7', 'r7', 'r8']);
const data: Record<FactKind, fc.Arbitrary<Record<string, unknown>>> = {
  rights: fc.record({
    tenant,
    onboardingStatus: mostly([...onboardingStatuses, 'onboarded']),
    rightsRevision: revision,
  }),
  auth: fc.record({
    tenant,
    authMode: mostly(authModes),
    sessionHandoff: mostly(sessionHandoffs),
    normalized: flag,
    breakGlass: flag,
  }),
  runtime: fc.record({
    tenant,
    materialized: flag,
    sessionMaterialized: flag,
    adminPosture: mostly([...adminPostures, null]),
    rightsRevision: revision,
  }),
};
const anyFact = (kind: FactKind): fc.Arbitrary<Fact> =>
  fc
    .record({
      revision: fc.nat(9),
      generation: fc.constantFrom(2, 3, 3, 3),
      authorityId: fc.constantFrom('r', 'a', 'u', 'other'),
      age: fc.integer({ min: -SKEW_MS, max: 200_000 }),
      way: fc.integer({ min: -SKEW_MS, max: 20_000 }),
      ttlSeconds: fc.integer({ min: 1, max: 300 }),
      data: data[kind],
      hasEvidence: fc.boolean(),
      inConflict: fc.constantFrom(false, false, false, true),
    })
    .map(({ age, way, ...rest }) => ({
      ...rest,
      receivedAt: NOW - Math.max(0, age),
      observedAt: NOW - age - way,
    }));
const kindly = (kind: FactKind, good: Fact): fc.Arbitrary<Fact | undefined> =>
  fc.oneof(
    { weight: 9, arbitrary: fc.constant(good) },
    { weight: 5, arbitrary: anyFact(kind).map((one) => ({ ...one, authorityId: good.authorityId })) },
    { weight: 2, arbitrary: anyFact(kind) },
    { weight: 1, arbitrary: fc.constant(undefined) },
  );
const anyFacts = fc.record({
  rights: kindly('rights', sound.rights),
  auth: kindly('auth', sound.auth),
  runtime: kindly('runtime', sound.runtime),
});
const mostlyOwned = (id: string) => fc.option(fc.constant(id), { nil: undefined, freq: 20 });
const anyPolicy: fc.Arbitrary<Policy> = fc.record({
  generation: fc.constantFrom(3, 3, 3, 3, 3, 4),
  desired: fc.oneof(
    { weight: 4, arbitrary: fc.constant(desired) },
    {
      weight: 1,
      arbitrary: fc.record({
        authMode: fc.constantFrom(...authModes),
        onboardingStatus: fc.constantFrom(...onboardingStatuses),
        sessionHandoff: fc.constantFrom(...sessionHandoffs),
        adminPosture: fc.constantFrom(...adminPostures),
      }),
    },
  ),
  requireEvidence: fc.boolean(),
  tenants: fc.constant(TENANTS),
  owners: fc.record({
    rights: mostlyOwned('r'),
    auth: mostlyOwned('a'),
    runtime: mostlyOwned('u'),
  }),
});
const some = fc.record({ facts: anyFacts, policy: anyPolicy });
const RUNS = { numRuns: 2_000 };

/** What makes inputs worse: none of them may make a verdict better. */
const harms: Record<string, (facts: Facts, kind: FactKind) => Facts> = {
  'removing a fact': (facts, kind) => ({ ...facts, [kind]: undefined }),
  'contradicting a fact': (facts, kind) => ({
    ...facts,
    [kind]: facts[kind] && { ...facts[kind], inConflict: true },
  }),
  'handing its kind to nobody that told it': (facts, kind) => ({
    ...facts,
    [kind]: facts[kind] && { ...facts[kind], authorityId: 'gone' },
  }),
  'taking its evidence away': (facts, kind) => ({
    ...facts,
    [kind]: facts[kind] && { ...facts[kind], hasEvidence: false },
  }),
  'letting it expire': (facts, kind) => ({
    ...facts,
    [kind]: facts[kind] && { ...facts[kind], ttlSeconds: 0 },
  }),
};

describe('for all inputs', () => {
  for (const [what, harm] of Object.entries(harms)) {
    it(`${what} never improves the verdict`, () => {
      fc.assert(
        fc.property(some, fc.constantFrom(...factKinds), ({ facts, policy: by }, kind) => {
          const before = project(facts, by, NOW).verdict;
          expect(rankOf(project(harm(facts, kind), by, NOW).verdict)).toBeGreaterThanOrEqual(rankOf(before));
        }),
        RUNS,
      );
    });
  }

  it('time alone never improves the verdict', () => {
    fc.assert(
      fc.property(some, fc.nat(400_000), ({ facts, policy: by }, ms) => {
        const before = project(facts, by, NOW).verdict;
        expect(rankOf(project(facts, by, NOW + ms).verdict)).toBeGreaterThanOrEqual(rankOf(before));
      }),
      RUNS,
    );
  });

  it('taking a field out of a fact, or giving it a value that nobody knows, never improves the verdict', () => {
    const strange = fc.constantFrom<unknown>(undefined, 'of tomorrow', '', 7, {}, []);
    fc.assert(
      fc.property(
        some,
        fc.constantFrom(...factKinds),
        fc.nat(9),
        strange,
        ({ facts, policy: by }, kind, n, value) => {
          const one = facts[kind];
          fc.pre(one !== undefined);
          const field = Object.keys(one.data)[n % Object.keys(one.data).length] ?? '';
          const worse = { ...facts, [kind]: { ...one, data: { ...one.data, [field]: value } } };
          expect(rankOf(project(worse, by, NOW).verdict)).toBeGreaterThanOrEqual(
            rankOf(project(facts, by, NOW).verdict),
          );
        },
      ),
      RUNS,
    );
  });

  it('ready means that every gating condition is True by facts that are fresh', () => {
    let ready = 0;
    fc.assert(
      fc.property(some, ({ facts, policy: by }) => {
        const found = project(facts, by, NOW);
        const gating = found.conditions.filter((one) => one.gating);
        expect(found.verdict === 'ready').toBe(gating.every(({ status }) => status === 'True'));
        if (found.verdict !== 'ready') return;
        ready += 1;
        for (const kind of factKinds) {
          const one = facts[kind];
          expect(one?.authorityId).toBe(by.owners[kind]);
          expect(one?.generation).toBe(by.generation);
          expect(staleAfter(one as Fact)).toBeGreaterThanOrEqual(found.validUntil);
        }
        expect(found.validUntil).toBeGreaterThan(NOW);
        expect(found.reasons).toEqual([]);
      }),
      RUNS,
    );
    // Else it would have said nothing.
    expect(ready).toBeGreaterThan(20);
  });

  it('the verdict is that of the worst reason, and nothing changes before it says it may', () => {
    fc.assert(
      fc.property(some, fc.nat(10_000), ({ facts, policy: by }, part) => {
        const found = project(facts, by, NOW);
        const worst = Math.max(0, ...found.reasons.map((code) => rankOf(reasons[code].verdict)));
        expect(found.verdict).toBe(verdicts[worst]);
        const later = NOW + Math.floor(((found.validUntil - 1 - NOW) * part) / 10_000);
        expect(project(facts, by, later)).toMatchObject({
          verdict: found.verdict,
          conditions: found.conditions.map(({ type, status, reason }) => ({ type, status, reason })),
        });
      }),
      RUNS,
    );
  });
});
