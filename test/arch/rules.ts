import type { IForbiddenRuleType } from 'dependency-cruiser';

/** The rooms, floor by floor: a room imports from floors below its own, and from no other. */
export const floors: readonly (readonly string[])[] = [
  ['kernel'],
  ['database', 'access'],
  ['egress'],
  ['relay'],
  ['http', 'jobs', 'mail', 'audit', 'events'],
  ['auth', 'orgs', 'secrets'],
  ['federation', 'projection', 'execution', 'intake', 'rollout'],
  ['mcp', 'platform'],
];

/** Arrows between rooms of one floor. The list may only shrink. */
export const sideways: readonly { from: string; to: string; reason: string }[] = [
  {
    from: 'rollout',
    to: 'projection',
    reason: 'a posture gate asks what the projection says of a surface',
  },
  {
    from: 'rollout',
    to: 'intake',
    reason:
      'rollouts are what Gitea prompts: they take the face that the intake declares, and read what it saw last',
  },
  {
    from: 'audit',
    to: 'http',
    reason: 'the export is a route; http owns the words that declare what it answers',
  },
  {
    from: 'events',
    to: 'audit',
    reason: 'an event follows from the record of its change; the registry of capabilities appends to the log',
  },
  { from: 'events', to: 'http', reason: 'the log of events is a route, as the export of the audit log is' },
  { from: 'audit', to: 'jobs', reason: 'every log is verified by a job, every hour' },
  { from: 'mail', to: 'jobs', reason: 'mail leaves as a job, so that it commits with what it tells of' },
  { from: 'auth', to: 'secrets', reason: 'signing keys are wrapped by the master key' },
  {
    from: 'orgs',
    to: 'secrets',
    reason: 'with an organization the key of its secrets is destroyed',
  },
  { from: 'orgs', to: 'auth', reason: 'members are users; removing one ends the sessions that auth holds' },
];

const npm = (...names: string[]): string => `(^|node_modules/)(${names.join('|')})(/|$)`;
const shipped = '^(libs|apps|migrations)/';
const spec = String.raw`\.spec\.tsx?$`;

const floorRules: IForbiddenRuleType[] = floors.flatMap((rooms, floor) =>
  rooms.map((room) => {
    const besides = sideways.filter(({ from }) => from === room).map(({ to }) => to);
    const open = [...floors.slice(0, floor).flat(), room, ...besides];
    return {
      name: `floor of ${room}`,
      severity: 'error',
      from: { path: `^libs/${room}/` },
      to: { path: '^libs/', pathNot: `^libs/(${open.join('|')})/` },
    };
  }),
);

/** What dependency-cruiser holds: each rule has a canary in the specification. */
export const forbidden: IForbiddenRuleType[] = [
  ...floorRules,
  {
    name: 'a room is entered by its door',
    severity: 'error',
    from: { path: '^libs/([^/]+)/' },
    to: { path: '^libs/', pathNot: ['^libs/$1/', String.raw`^libs/[^/]+/index\.ts$`] },
  },
  {
    name: 'the door has one name',
    comment: '#room, so that the compiler, the runtime and every tool see the same arrow',
    severity: 'error',
    from: { path: '^libs/([^/]+)/' },
    to: { path: '^libs/', pathNot: '^libs/$1/', dependencyTypesNot: ['aliased-tsconfig-paths'] },
  },
  {
    name: 'apps and tests enter by the door too',
    comment: 'save the test that both names of a door lead to one module',
    severity: 'error',
    from: { path: '^(apps|migrations|test)/', pathNot: String.raw`^test/kit/toolchain\.spec\.ts$` },
    to: { path: '^libs/', dependencyTypesNot: ['aliased-tsconfig-paths'] },
  },
  { name: 'no cycles', severity: 'error', from: {}, to: { circular: true } },
  {
    name: 'libs know no app',
    severity: 'error',
    from: { path: '^(libs|migrations)/' },
    to: { path: '^apps/' },
  },
  {
    name: 'nothing imports test',
    severity: 'error',
    from: { path: shipped, pathNot: spec },
    to: { path: ['^test/', spec] },
  },
  {
    name: 'the verifier shares no code',
    comment: 'a proof by the code that is to be proven proves nothing',
    severity: 'error',
    from: { path: '^apps/cli/', pathNot: spec },
    to: { pathNot: '^apps/cli/', dependencyTypesNot: ['core'] },
  },
  {
    name: 'console and cli know only the generated client',
    severity: 'error',
    from: { path: '^apps/(console|cli)/' },
    to: { path: '^(libs|migrations|apps/(api|worker))/' },
  },
  {
    name: 'rows never leave their room',
    severity: 'error',
    from: { path: String.raw`^libs/[^/]+/index\.ts$` },
    to: { path: String.raw`\.row\.ts$` },
  },
  {
    name: 'kernel is pure TypeScript',
    severity: 'error',
    from: { path: '^libs/kernel/' },
    to: { path: npm('@nestjs/[^/]+', 'typeorm', 'pg', 'fastify', 'rxjs') },
  },
  {
    name: 'typeorm stays where SQL is',
    severity: 'error',
    from: { path: shipped, pathNot: ['^libs/database/', String.raw`\.(store|row)\.ts$`, '^migrations/'] },
    to: { path: npm('typeorm') },
  },
  {
    name: 'fastify stays in http',
    severity: 'error',
    from: { path: shipped, pathNot: '^libs/http/' },
    to: { path: npm('fastify', '@fastify/[^/]+', '@nestjs/platform-fastify') },
  },
  {
    name: 'the Vault client stays in secrets',
    severity: 'error',
    from: { path: shipped, pathNot: '^libs/secrets/' },
    to: { path: npm('node-vault') },
  },
  {
    name: 'processes are started by execution only',
    comment: 'and by the embedded database; and by the launcher, which builds before there is a product',
    severity: 'error',
    from: {
      path: shipped,
      pathNot: [
        spec,
        '^libs/execution/',
        String.raw`^libs/database/embedded-(server|account)\.ts$`,
        String.raw`^apps/start\.mjs$`,
      ],
    },
    to: { path: '^(node:)?(child_process|cluster)$' },
  },
  {
    name: 'what is shipped needs no development package',
    severity: 'error',
    from: { path: shipped, pathNot: [spec, '^apps/console/'] },
    to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'] },
  },
  {
    name: 'every import is found',
    comment: 'an arrow that leads nowhere is one that no rule sees',
    severity: 'error',
    from: { path: shipped },
    to: { couldNotResolve: true },
  },
];
