import { generateKeyPairSync } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { expectStatus, owner, until } from '../../test/kit/app-in-process.ts';
import { type Rollouts, startRollouts } from '../../test/kit/rollout-people.ts';
import { oneOf, planOf, type Somebody, statement, two } from '../../test/kit/rollouts.ts';
import { asRole } from '../../test/kit/sql.ts';
import { readPublicKey, signEnvelope } from './evidence/dsse.ts';
import { subjectDigest } from './lifecycle/plan.ts';

/** The second half of the attack list: each is tried over HTTP, as somebody would who may do what their role lets them. */
let at: Rollouts;
let app: Rollouts['app'];
let kit: Rollouts['kit'];
let olga: Somebody;
let author: Somebody;
let approver: Somebody;
let operator: Somebody;
beforeAll(async () => {
  at = await startRollouts();
  ({ app, kit, olga, author, approver, operator } = at);
});
afterAll(() => app.close());
afterEach(() => app.clock.reset());
const approved: Rollouts['approved'] = (...given) => at.approved(...given);
const arm = (id: string) => at.arm(id);
const execute = (id: string) => at.execute(id);
const stateOf = (id: string) => at.stateOf(id);

describe('applying', () => {
  it('after an approver lost the role is refused', async () => {
    const leaver = await kit.somebody('leaver', 'admin');
    const rollout = await kit.reviewed(author, await kit.policy(olga), [await kit.target(olga)]);
    expectStatus(await kit.sign(leaver, rollout), 200);
    expectStatus(await arm(rollout.id), 200);
    const change = { body: { role: 'viewer' }, token: olga.token };
    expectStatus(await app.ask('PATCH', `${kit.at}/members/${leaver.id}`, change), 200);
    const refused = expectStatus(await execute(rollout.id), 409, 'rollout.gates_closed');
    expect(refused.data.gates).toEqual([{ name: 'sign_off', verdict: 'fail', reason: 'quorum_not_met' }]);
    expect(await kit.read(olga, rollout.id)).toMatchObject({ state: 'suspended', reason: 'quorum_lost' });
  });

  it('after an approver was removed is refused, and another may sign the same plan', async () => {
    const gone = await kit.somebody('gone', 'admin');
    const policyId = await kit.policy(olga);
    const targets = [await kit.target(olga)];
    const rollout = await kit.reviewed(author, policyId, targets);
    expectStatus(await kit.sign(gone, rollout), 200);
    expectStatus(await app.delete(`${kit.at}/members/${gone.id}`, { token: olga.token }), 204);
    expectStatus(await arm(rollout.id), 409, 'rollout.gates_closed');
    const again = await kit.planned(author, rollout.id, planOf(targets));
    expect(again).toMatchObject({ state: 'planned', digest: rollout.digest });
    expectStatus(await kit.post(author, `/rollouts/${rollout.id}/review`), 200);
    expectStatus(await kit.sign(approver, rollout), 200);
    expectStatus(await arm(rollout.id), 200);
  });

  it('is not frozen by a freeze that names what does not exist, so such a freeze is refused', async () => {
    const { targets } = await approved();
    const named = [...targets, '0190aaaa-bbbb-7ccc-8ddd-eeeeeeeeeeee'];
    const freeze = {
      name: `nothing ${named[0]}`,
      start: '20300101T000000',
      timeZone: 'UTC',
      durationSeconds: 60,
      targets: named,
    };
    const refused = expectStatus(await kit.post(olga, '/freezes', freeze), 400, 'rollout.freeze_bad');
    expect(refused.errors).toEqual([{ path: `targets[${targets.length}]`, message: 'is no target' }]);
    const { id } = expectStatus(await kit.post(olga, '/freezes', { ...freeze, targets }), 201);
    const { name: _, ...window } = freeze;
    expectStatus(await kit.put(olga, `/freezes/${id}`, window), 400, 'rollout.freeze_bad');
  });

  it('in a freeze that began after approval is refused', async () => {
    const { rollout, targets } = await approved();
    expectStatus(await arm(rollout.id), 200);
    const start = new Date(Date.now() - 60_000).toISOString().replaceAll(/[-:]|\.\d+Z/g, '');
    const freeze = expectStatus(
      await kit.post(olga, '/freezes', {
        name: `freeze ${rollout.id}`,
        start,
        timeZone: 'UTC',
        rule: 'FREQ=DAILY',
        durationSeconds: 3600,
        targets,
      }),
      201,
    );
    expect(freeze.active).toBe(true);
    const refused = expectStatus(await execute(rollout.id), 409, 'rollout.gates_closed');
    expect(refused.data.gates).toEqual([{ name: 'freeze', verdict: 'fail', reason: 'frozen' }]);
    // Nobody takes it back while it is in force.
    const remove = { token: olga.token };
    expectStatus(await app.delete(`${kit.at}/freezes/${freeze.id}`, remove), 409, 'rollout.freeze_active');
    const window = { start, timeZone: 'UTC', durationSeconds: 60 };
    expectStatus(await kit.put(olga, `/freezes/${freeze.id}`, window), 409, 'rollout.freeze_active');
    // An exception is asked for, and signed like the change itself.
    const expiresAt = new Date(Date.now() + 600_000).toISOString();
    const asked = { rolloutId: rollout.id, reason: 'urgent', expiresAt };
    const exception = expectStatus(await kit.post(author, `/freezes/${freeze.id}/exceptions`, asked), 201);
    expectStatus(await execute(rollout.id), 409, 'rollout.gates_closed');
    const signed = { digest: exception.sign, purpose: 'freeze' };
    expectStatus(await kit.sign(author, rollout, signed), 403, 'rollout.duty_conflict');
    expectStatus(await kit.sign(approver, rollout, signed), 200);
    expectStatus(await execute(rollout.id), 200);
  });

  it('twice at once on one target lets one run', async () => {
    const target = await kit.target(olga);
    const [one, other] = [await approved({}, target), await approved({}, target)];
    for (const { rollout } of [one, other]) expectStatus(await arm(rollout.id), 200);
    const answers = await Promise.all([execute(one.rollout.id), execute(other.rollout.id)]);
    expect(answers.map(({ status }) => status).sort((a, b) => a - b)).toEqual([200, 409]);
    const refused = answers.find(({ status }) => status === 409);
    expect(refused?.body.code).toBe('rollout.target_locked');
    // The one that was refused holds nothing, and runs when the other has ended; twice at once is once.
    const again = await Promise.all([execute(one.rollout.id), execute(one.rollout.id)]);
    expect(again.map(({ status }) => status)).toEqual([409, 409]);
  });

  it('by who approved is refused where the policy keeps them apart', async () => {
    const { rollout } = await approved({ separate: [{ one: 'approver', other: 'executor' }] });
    const refused = await kit.post(approver, `/rollouts/${rollout.id}/arm`);
    expectStatus(refused, 403, 'rollout.duty_conflict');
    expectStatus(await arm(rollout.id), 200);
  });

  it('is refused where the target is not what it was, or nobody knows what it is', async () => {
    const { rollout, targets } = await approved();
    expectStatus(await arm(rollout.id), 200);
    await kit.report(olga, targets[0]!, 'sha256:something-else');
    const refused = expectStatus(await execute(rollout.id), 409, 'rollout.diverged');
    expect(refused.data.differences).toEqual([`target:${targets[0]}`]);
    expect(await kit.read(olga, rollout.id)).toMatchObject({ state: 'suspended', reason: 'diverged' });

    const stale = await approved();
    await kit.report(olga, stale.targets[0]!, 'sha256:as-it-was', 1);
    app.clock.advance(2_000);
    expectStatus(await arm(stale.rollout.id), 409, 'rollout.diverged');
  });

  it('is refused where the target changes in the very moment', async () => {
    const { rollout, targets } = await approved();
    expectStatus(await arm(rollout.id), 200);
    let answer: ReturnType<typeof execute> | undefined;
    await asRole(app.database.urls.owner, async (query) => {
      await query('BEGIN');
      await query(`UPDATE rollout_targets SET state = 'sha256:another' WHERE id = $1`, [targets[0]]);
      answer = execute(rollout.id);
      // It waits for the row, for it must not read what is about to change.
      await until(async () => {
        const [row] = await app.sql(
          `SELECT count(*)::int AS count FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%rollout_targets%'`,
        );
        return row?.['count'] > 0;
      });
      await query('COMMIT');
    });
    const refused = expectStatus(await answer!, 409, 'rollout.diverged');
    expect(refused.data.differences).toEqual([`target:${targets[0]}`]);
  });

  it('is refused where a command is not the one that was signed, that of a check too', async () => {
    const target = await kit.target(olga);
    const waves = [
      { targets: [target], checks: [{ name: 'look', command: 'wait', arguments: { seconds: 0 } }] },
    ];
    const { rollout } = await approved({}, target, { waves });
    const { plan } = rollout;
    plan.waves[0].checks[0].version = '0';
    const digest = subjectDigest(kit.orgId, plan);
    await app.change('UPDATE portcullis.rollouts SET plan = $2, digest = $3 WHERE id = $1', [
      rollout.id,
      JSON.stringify(plan),
      digest,
    ]);
    const refused = expectStatus(await arm(rollout.id), 409, 'rollout.diverged');
    expect(refused.data.differences).toEqual(['command:wait']);
  });

  it('is refused where the policy became stricter meanwhile', async () => {
    const { rollout, policyId } = await approved();
    const rules = { name: `stricter ${rollout.id}`, quorum: two };
    expectStatus(await kit.put(olga, `/rollout-policies/${policyId}`, rules), 200);
    const refused = expectStatus(await arm(rollout.id), 409, 'rollout.diverged');
    expect(refused.data.differences).toEqual(['policy']);
  });

  it('is refused where a secret has another version', async () => {
    const secret = { path: `db/${Math.random()}`, fields: { password: 'x' } };
    const made = expectStatus(await kit.post(olga, '/secrets', secret), 201);
    const targets = [await kit.target(olga)];
    const rollout = await kit.reviewed(author, await kit.policy(olga), targets, { secrets: [secret.path] });
    expect(JSON.stringify(rollout.plan)).not.toContain('"x"');
    expectStatus(await kit.sign(approver, rollout), 200);
    const version = { fields: { password: 'y' } };
    expectStatus(await kit.post(olga, `/secrets/${made.id}/versions`, version), 201);
    const refused = expectStatus(await arm(rollout.id), 409, 'rollout.diverged');
    expect(refused.data.differences).toEqual([`secret:${secret.path}`]);
  });

  it('is refused where the clock was moved', async () => {
    const { rollout } = await approved();
    app.clock.advance(120_000);
    const refused = expectStatus(await arm(rollout.id), 409, 'rollout.gates_closed');
    expect(refused.data.gates).toEqual([{ name: 'freeze', verdict: 'inconclusive', reason: 'clock_skew' }]);
    app.clock.reset();
    app.clock.advance(-120_000);
    // Set back, it is the readings that would be of the future; nothing is fresh then.
    const back = expectStatus(await arm(rollout.id), 409);
    expect(back.code).toMatch(/^rollout\.(gates_closed|diverged)$/);
    app.clock.reset();
  });
});

describe('evidence', () => {
  const type = 'https://example.org/scan/v1';
  const pem = (key: { export(options: object): string | Buffer }): string =>
    key.export({ type: 'spki', format: 'pem' }).toString();

  it('that is forged, foreign, of another plan or of another organization opens no gate', async () => {
    const { rollout } = await approved({ gates: [{ name: 'scan', kind: 'evidence', predicateType: type }] });
    const body = Buffer.from(JSON.stringify(statement(rollout.digest, type, app.clock.now())));
    const { publicKey, privateKey } = generateKeyPairSync('ed25519');
    const keyid = readPublicKey(pem(publicKey))?.keyid ?? '';
    const foreign = signEnvelope(body, privateKey, keyid);
    const give = (envelope: object) => kit.post(author, '/evidence', { envelope });
    expectStatus(await give(foreign), 400, 'rollout.evidence_unsigned');
    // The key id of the organization's own key, with the signature of another.
    const of = statement(`sha256:${'2'.repeat(64)}`, type, app.clock.now());
    const own = expectStatus(await kit.post(author, '/evidence', { statement: of }), 201);
    const forged = { ...foreign, signatures: [{ keyid: own.keyid, sig: foreign.signatures[0]?.sig }] };
    expectStatus(await give(forged), 400, 'rollout.evidence_unsigned');
    // What the organization signed of another plan, with this plan's payload.
    const swapped = { ...own.envelope, payload: foreign.payload };
    expectStatus(await give(swapped), 400, 'rollout.evidence_unsigned');
    expectStatus(await give({ ...foreign, signatures: [] }), 400, 'rollout.evidence_malformed');
    expectStatus(await give({ payload: 'x' }), 400, 'rollout.evidence_malformed');
    expect((await kit.gates(olga, rollout.id))['scan']).toMatchObject({ reason: 'never_observed' });

    const other = await app.addTenant('others', { ...owner, email: 'o@others.example' });
    const key = { name: 'their scanner', publicKey: pem(publicKey), ownerId: other.user.id };
    const theirs = `/orgs/${other.organization.id}/evidence-keys`;
    expectStatus(await app.post(theirs, key, { token: other.accessToken }), 201);
    expectStatus(await give(foreign), 400, 'rollout.evidence_unsigned');

    const trusted = { name: 'scanner', publicKey: pem(publicKey), ownerId: operator.id };
    const registered = expectStatus(await kit.post(olga, '/evidence-keys', trusted), 201);
    expectStatus(await give(foreign), 201);
    expectStatus(await give(foreign), 409, 'rollout.evidence_exists');
    expectStatus(await arm(rollout.id), 200);
    // Revoked, it counts no more, at once.
    const remove = { token: olga.token };
    expectStatus(await app.delete(`${kit.at}/evidence-keys/${registered.id}`, remove), 204);
    expectStatus(await execute(rollout.id), 409, 'rollout.gates_closed');
  });

  it('that failed, is inconclusive, expired, too old or of the future passes nothing', async () => {
    const gates = [{ name: 'scan', kind: 'evidence', predicateType: type, maxAgeSeconds: 600 }];
    const { rollout } = await approved({ gates });
    const give = (when: Date, change: object = {}) =>
      kit.post(author, '/evidence', { statement: statement(rollout.digest, type, when, { ...change }) });
    const verdict = async () => (await kit.gates(olga, rollout.id))['scan']?.verdict;
    const ago = (seconds: number) => new Date(Date.now() - seconds * 1000);
    expectStatus(await give(ago(-3600)), 400, 'rollout.evidence_malformed');
    expectStatus(await give(ago(700)), 201);
    expect(await verdict()).toBe('stale');
    expectStatus(await give(ago(50), { verificationResult: 'MAYBE' }), 201);
    expect(await verdict()).toBe('inconclusive');
    expectStatus(await give(ago(40), { expiresAt: ago(10).toISOString() }), 201);
    expect(await verdict()).toBe('stale');
    expectStatus(await give(ago(30)), 201);
    expect(await verdict()).toBe('pass');
    // The newest decides: an older pass does not outweigh it.
    expectStatus(await give(ago(20), { verificationResult: 'FAILED' }), 201);
    expect(await verdict()).toBe('fail');
    expectStatus(await arm(rollout.id), 409, 'rollout.gates_closed');
  });

  it('that the approver brought is not approved by them where the policy keeps both apart', async () => {
    const separate = [{ one: 'evidence_producer', other: 'approver' }];
    const rollout = await kit.reviewed(author, await kit.policy(olga, { separate }), [
      await kit.target(olga),
    ]);
    expectStatus(await kit.sign(approver, rollout), 200);
    expect(await stateOf(rollout.id)).toBe('approved');
    const brought = statement(rollout.digest, type, app.clock.now());
    expectStatus(await kit.post(approver, '/evidence', { statement: brought }), 201);
    expectStatus(await arm(rollout.id), 409, 'rollout.gates_closed');
  });

  it('keeps files by their hash, of few types and of no great size', async () => {
    const attach = (mediaType: string, content: Buffer | string) =>
      kit.post(author, '/evidence-attachments', {
        mediaType,
        content: Buffer.isBuffer(content) ? content.toString('base64') : content,
      });
    const kept = expectStatus(await attach('text/plain', Buffer.from('<script>x</script>')), 201);
    const bytes = await kit.get(olga, `/evidence-attachments/${kept.sha256}`);
    expect(bytes.headers['content-type']).toBe('application/octet-stream');
    expect(bytes.raw.toString()).toBe('<script>x</script>');
    expectStatus(await attach('text/html', Buffer.from('x')), 400);
    expectStatus(await attach('application/pdf', Buffer.from('no pdf')), 400, 'rollout.attachment_bad');
    expectStatus(await attach('application/json', Buffer.from('{')), 400, 'rollout.attachment_bad');
    expectStatus(await attach('text/plain', 'no base64!'), 400, 'rollout.attachment_bad');
    const large = await attach('text/plain', Buffer.alloc(262_145, 'x'));
    expect([400, 413]).toContain(large.status);
    expectStatus(await kit.get(olga, `/evidence-attachments/${'0'.repeat(64)}`), 404);
  });
});

it('an operator may not say what runs where a plan was never signed', async () => {
  const rollout = await kit.reviewed(author, await kit.policy(olga), [await kit.target(olga)]);
  expectStatus(await arm(rollout.id), 409, 'rollout.wrong_state');
  expectStatus(await execute(rollout.id), 409, 'rollout.wrong_state');
  expectStatus(await kit.post(operator, `/rollouts/${rollout.id}/resume`), 409, 'rollout.wrong_state');
  const rollback = await kit.post(operator, `/rollouts/${rollout.id}/rollback`, { reason: 'x' });
  expectStatus(rollback, 409, 'rollout.wrong_state');
  const repair = await kit.post(operator, `/rollouts/${rollout.id}/repair`, { answer: 'done', reason: 'x' });
  expectStatus(repair, 409, 'rollout.wrong_state');
  expect(await until(async () => (await stateOf(rollout.id)) === 'in_review')).toBe(true);
  expect(oneOf.anyOf).toHaveLength(1);
});
